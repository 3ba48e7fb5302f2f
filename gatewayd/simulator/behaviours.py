"""What a model's name makes the simulated provider do. Pure.

`sim-fast` is the default for every unknown name, so that a gateway may send any model name through unchanged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gatewayd.simulator.habits import HABITS

DEFAULT_WINDOW = 16_384


@dataclass(frozen=True, slots=True)
class Behaviour:
    """error: the HTTP status of every answer; window: prompt tokens beyond which the context overflows, told in the
    words of `provider`; total: tokens of prompt and answer together; refuses: habits that are refused."""

    slow: bool = False
    think: bool = False
    parallel: bool = False
    cut: bool = False
    bad_json: bool = False
    error: int | None = None
    window: int | None = None
    provider: str = "openai"
    total: int | None = None
    refuses: tuple[str, ...] = ()


BEHAVIOURS: dict[str, Behaviour] = {
    "sim-fast": Behaviour(),
    "sim-slow": Behaviour(slow=True),
    "sim-thinking": Behaviour(think=True),
    "sim-parallel": Behaviour(parallel=True),
    "sim-cut-stream": Behaviour(cut=True),
    "sim-bad-json": Behaviour(bad_json=True),
    "sim-error-429": Behaviour(error=429),
    "sim-overflow": Behaviour(window=DEFAULT_WINDOW),
}


def behaviour_for(model: str) -> Behaviour:
    """The behaviour of a model name. `sim-error-<status>`, `sim-overflow-[<provider>-]<tokens>` and
    `sim-total-<tokens>` carry a number of their own, `sim-refuses-<habit>[+<habit>…]` the names of habits."""
    if known := BEHAVIOURS.get(model):
        return known
    if match := re.fullmatch(r"sim-error-([45]\d\d)", model):
        return Behaviour(error=int(match[1]))
    if match := re.fullmatch(r"sim-overflow-(?:([a-z]+)-)?(\d{1,7})", model):
        return Behaviour(window=int(match[2]), provider=match[1] or "openai")
    if match := re.fullmatch(r"sim-total-(\d{1,7})", model):
        return Behaviour(total=int(match[1]))
    if match := re.fullmatch(r"sim-refuses-([a-z_+]+)", model):
        return Behaviour(refuses=tuple(habit for habit in match[1].split("+") if habit in HABITS))
    return BEHAVIOURS["sim-fast"]
