"""The circuit breaker as a table of moves."""

from __future__ import annotations

from gatewayd.relay.breaker import FAILURES, LONGEST, MAX_UPSTREAMS, PAUSE, Breakers


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def opened() -> tuple[Breakers, Clock]:
    clock = Clock()
    breakers = Breakers(clock)
    for _ in range(FAILURES):
        assert breakers.wait("a") == 0
        breakers.failed("a")
    return breakers, clock


def test_it_opens_after_failures_in_a_row_and_only_for_its_upstream() -> None:
    breakers, _ = opened()
    assert breakers.wait("a") == PAUSE
    assert breakers.wait("b") == 0


def test_a_success_in_between_begins_the_count_anew() -> None:
    breakers = Breakers(Clock())
    for _ in range(3):
        for _ in range(FAILURES - 1):
            breakers.failed("a")
        breakers.succeeded("a")
    assert breakers.wait("a") == 0


def test_after_the_pause_one_probe_goes_and_its_success_closes() -> None:
    breakers, clock = opened()
    clock.now += PAUSE
    assert breakers.wait("a") == 0
    assert breakers.wait("a") > 0
    breakers.succeeded("a")
    assert breakers.wait("a") == breakers.wait("a") == 0


def test_a_failed_probe_doubles_the_pause_up_to_a_limit() -> None:
    breakers, clock = opened()
    pauses = []
    for _ in range(6):
        clock.now += breakers.wait("a")
        assert breakers.wait("a") == 0
        breakers.failed("a")
        pauses.append(breakers.wait("a"))
    assert pauses == [30, 60, 120, LONGEST, LONGEST, LONGEST]


def test_a_probe_that_says_nothing_lets_another_go() -> None:
    breakers, clock = opened()
    clock.now += PAUSE
    assert breakers.wait("a") == 0
    breakers.left("a")
    assert breakers.wait("a") == 0


def test_the_number_of_upstreams_is_bounded() -> None:
    breakers = Breakers(Clock())
    for n in range(MAX_UPSTREAMS + 5):
        breakers.failed(str(n))
    assert len(breakers._states) == MAX_UPSTREAMS
