"""What a model's name makes the simulated provider do. Pure.

`sim-fast` is the default for every unknown name, so that a gateway may send any model name through unchanged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DEFAULT_WINDOW = 16_384


@dataclass(frozen=True, slots=True)
class Behaviour:
    """error: the HTTP status of every answer; window: prompt tokens beyond which the context overflows."""

    slow: bool = False
    think: bool = False
    parallel: bool = False
    cut: bool = False
    bad_json: bool = False
    error: int | None = None
    window: int | None = None


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
    """The behaviour of a model name; `sim-error-<status>` and `sim-overflow-<tokens>` carry a number of their own."""
    if known := BEHAVIOURS.get(model):
        return known
    if match := re.fullmatch(r"sim-error-([45]\d\d)", model):
        return Behaviour(error=int(match[1]))
    if match := re.fullmatch(r"sim-overflow-(\d{1,7})", model):
        return Behaviour(window=int(match[1]))
    return BEHAVIOURS["sim-fast"]
