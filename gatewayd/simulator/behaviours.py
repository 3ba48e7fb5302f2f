"""What a model's name makes the simulated provider do. Pure.

`sim-fast` is the default for every unknown name, so that a gateway may send any model name through unchanged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gatewayd.simulator.habits import HABITS
from gatewayd.simulator.overflows import PROVIDERS, SHARING

DEFAULT_WINDOW = 16_384


@dataclass(frozen=True, slots=True)
class Behaviour:
    """error: the HTTP status of every answer; window: tokens beyond which the context overflows; provider: whose words
    tell it; shared: the tokens asked for the answer count as well; refuses: habits that are refused."""

    slow: bool = False
    think: bool = False
    parallel: bool = False
    cut: bool = False
    bad_json: bool = False
    error: int | None = None
    window: int | None = None
    provider: str = "openai"
    shared: bool = False
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
    """The behaviour of a model name. With a number of their own come `sim-error-<status>` and, where the context
    overflows, `sim-overflow-<tokens>` and `sim-overflow-<provider>-<tokens>`; `sim-shared-<provider>-<tokens>` counts
    the tokens asked for the answer as well; `sim-refuses-<habit>[+<habit>…]` names habits."""
    if known := BEHAVIOURS.get(model):
        return known
    if match := re.fullmatch(r"sim-error-([45]\d\d)", model):
        return Behaviour(error=int(match[1]))
    if match := re.fullmatch(rf"sim-overflow-(?:({'|'.join(PROVIDERS)})-)?(\d{{1,7}})", model):
        return Behaviour(window=int(match[2]), provider=match[1] or "openai")
    if match := re.fullmatch(rf"sim-shared-({'|'.join(SHARING)})-(\d{{1,7}})", model):
        return Behaviour(window=int(match[2]), provider=match[1], shared=True)
    if match := re.fullmatch(r"sim-refuses-([a-z_+]+)", model):
        return Behaviour(refuses=tuple(habit for habit in match[1].split("+") if habit in HABITS))
    return BEHAVIOURS["sim-fast"]
