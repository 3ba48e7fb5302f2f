"""How long the relay waits for what, beside the gateway's own time limits. Tests pass shorter ones."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds.

    commit       after so long without an answer 200 and the first events go out; proxies in front cut near 100 s
    ping         silence between two signs of life
    hold         silence after which a thinking block is opened: Claude Code counts only events of blocks, up to 300 s
    usage        wait for the usage after the finish_reason
    write_stall  a client that takes nothing for so long is given up
    tick         how often the clock is looked at
    """

    commit: float = 45
    ping: float = 10
    hold: float = 240
    usage: float = 2
    write_stall: float = 60
    tick: float = 1
