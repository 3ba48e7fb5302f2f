"""Circuit breakers: an upstream that fails again and again is left alone for a while, then tried with one exchange.

closed      every exchange may go; FAILURES in a row open it
open        none may, for PAUSE seconds, twice as long after each failed probe, at most LONGEST
half-open   one may go, the probe; its success closes the breaker, its failure opens it again
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

FAILURES = 5
PAUSE, LONGEST = 15.0, 120.0
MAX_UPSTREAMS = 5_000


@dataclass(slots=True)
class _State:
    failures: int = 0
    pause: float = PAUSE
    open_until: float = 0.0
    probe_at: float | None = None  # when the probe began


class Breakers:
    """One breaker for each upstream. clock: monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._states: dict[str, _State] = {}  # of upstreams that failed lately; a success forgets

    def wait(self, upstream: str) -> float:
        """Seconds until an exchange may go; 0 lets it go, as the probe where the breaker was open."""
        state = self._states.get(upstream)
        if state is None or state.failures < FAILURES:
            return 0
        now = self._clock()
        if now < state.open_until:
            return state.open_until - now
        if state.probe_at is not None and now - state.probe_at < LONGEST:
            return PAUSE
        state.probe_at = now
        return 0

    def succeeded(self, upstream: str) -> None:
        self._states.pop(upstream, None)

    def failed(self, upstream: str) -> None:
        if upstream not in self._states and len(self._states) >= MAX_UPSTREAMS:
            self._states.pop(next(iter(self._states)))
        state = self._states.setdefault(upstream, _State())
        state.failures += 1
        if state.failures < FAILURES:
            return
        if state.probe_at is not None:
            state.pause = min(state.pause * 2, LONGEST)
        state.probe_at = None
        state.open_until = self._clock() + state.pause

    def left(self, upstream: str) -> None:
        """The exchange ended without saying anything of the upstream (the client left): another may be the probe."""
        state = self._states.get(upstream)
        if state is not None:
            state.probe_at = None
