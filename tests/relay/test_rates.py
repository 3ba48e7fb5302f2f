"""Counters per minute: the arithmetic of the window, corrections, and a shared storage that fails."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import signal
import time
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from limits.aio.storage import MemoryStorage

from gatewayd.relay import rates
from gatewayd.relay.rates import Rates, Window
from tests.redis_server import RedisServer
from tests.relay.conftest import Clock


@pytest_asyncio.fixture(params=["memory", "redis", "valkey"])
async def either(request: pytest.FixtureRequest) -> AsyncIterator[Rates]:
    """Counters in memory (with a clock that stands still), and in a real server by both clients."""
    if request.param == "memory":
        request.getfixturevalue("clock")
        made = Rates("memory")
    else:
        server: RedisServer = request.getfixturevalue("redis_server")
        made = Rates(server.url(request.param))
    yield made
    assert not made.alone
    await made.close()


# --- the window ------------------------------------------------------------------------------------------------------


def fits(window: Window, cost: int, after: float) -> bool:
    """As the storages count, `after` seconds later."""
    if after < window.left:
        weighted = window.previous * (window.left - after) / 60 + window.current
    else:
        weighted = window.current * max(0.0, 1 - (after - window.left) / 60)
    return math.floor(weighted) + cost <= window.limit


@given(
    limit=st.integers(1, 10**6),
    previous=st.integers(0, 2 * 10**6),
    current=st.integers(0, 2 * 10**6),
    left=st.floats(0.01, 60),
    share=st.floats(0, 1),
)
def test_it_says_when_a_cost_will_fit(limit: int, previous: int, current: int, left: float, share: float) -> None:
    window = Window(limit, previous, current, left)
    cost = max(1, int(limit * share))
    seconds = window.seconds_until(cost)
    assert 0 <= seconds <= 120
    assert fits(window, cost, seconds + 0.001)
    assert seconds < 0.001 or not fits(window, cost, seconds - 0.001)


@given(previous=st.integers(0, 1000), current=st.integers(0, 1000), left=st.floats(0, 60))
def test_it_says_when_all_will_be_free(previous: int, current: int, left: float) -> None:
    window = Window(1000, previous, current, left)
    assert fits(window, 1000, window.seconds_until_empty + 0.001)


# --- counters, wherever they are -------------------------------------------------------------------------------------


async def test_what_fits_is_taken_and_what_is_refused_takes_nothing(either: Rates) -> None:
    assert await taken(either, [(900, True), (200, False), (100, True), (1, False)]) == 1000
    assert (await either.look("c", 1000)).remaining == 0
    assert (await either.look("other", 1000)).remaining == 1000


async def test_more_than_the_limit_never_fits(either: Rates) -> None:
    assert await taken(either, [(1001, False)]) == 0


async def test_what_turned_out_to_be_more_is_added_whether_it_fits_or_not(either: Rates) -> None:
    since = time.time()
    await either.take("c", 1000, 900)
    await either.correct("c", 5000, since)
    window = await either.look("c", 1000)
    assert (window.current, window.remaining) == (5900, 0)
    assert window.seconds_until(1) > 60


async def test_what_turned_out_to_be_less_is_taken_back(either: Rates) -> None:
    since = time.time()
    await either.take("c", 1000, 900)
    await either.correct("c", -850, since)
    assert (await either.look("c", 1000)).current == 50
    await either.correct("c", -850, since)
    assert (await either.look("c", 1000)).current == 0, "never below zero"
    await either.correct("unknown", -1, since)
    assert (await either.look("unknown", 1000)).current == 0


async def test_another_limit_keeps_the_count(either: Rates) -> None:
    await either.take("c", 1000, 600)
    assert (await either.look("c", 500)).remaining == 0
    assert (await either.take("c", 2000, 1000))[0]


async def test_cancelled_calls_leave_the_counters_in_order(either: Rates) -> None:
    """An answer must never reach another question: each counter is asked for its own number."""
    for number in range(20):
        await either.take(f"c{number}", 1000, number + 1)
    dice = random.Random(7)

    async def ask(number: int) -> None:
        for _ in range(20):
            window = await either.look(f"c{number}", 1000)
            assert window.current == number + 1

    for _ in range(10):
        tasks = [asyncio.ensure_future(ask(number)) for number in range(20)]
        for task in dice.sample(tasks, 10):
            await asyncio.sleep(dice.random() * 0.002)
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert not [result for result in results if isinstance(result, Exception)]
    await ask(3)


async def taken(made: Rates, steps: list[tuple[int, bool]]) -> int:
    """Takes each cost of a counter with the limit 1000: -> the count at the end."""
    for cost, expected in steps:
        took, window = await made.take("c", 1000, cost)
        assert took is expected, cost
    return window.current


async def test_the_window_slides(clock: Clock) -> None:
    made = Rates("memory")
    await made.take("c", 60, 60)
    clock.now += 40  # the next minute begins: all of it still counts
    assert (await made.look("c", 60)).remaining == 0
    clock.now += 30
    window = await made.look("c", 60)
    assert (window.remaining, window.previous, window.left) == (30, 60, 30)
    assert window.seconds_until(45) == 14
    clock.now += 13.9
    assert not (await made.take("c", 60, 45))[0]
    clock.now += 0.2
    assert (await made.take("c", 60, 45))[0]
    clock.now += 120
    assert (await made.look("c", 60)).remaining == 60


async def test_what_was_taken_in_an_earlier_window_is_not_taken_back_from_this_one(clock: Clock) -> None:
    made = Rates("memory")
    since = clock.now
    await made.take("c", 1000, 500)
    clock.now += 45
    await made.take("c", 1000, 100)
    await made.correct("c", -500, since)
    assert (await made.look("c", 1000)).current == 100
    await made.correct("c", 300, since)
    assert (await made.look("c", 1000)).current == 400


# --- a shared storage ------------------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(rates, "ANSWER_SECONDS", 0.3)


async def test_processes_share_one_count(redis_server: RedisServer) -> None:
    one, other = Rates(redis_server.url("redis")), Rates(redis_server.url("valkey"))
    results = [await made.take("c", 3, 1) for made in (one, other, one, other)]
    assert [took for took, _ in results] == [True, True, True, False]
    await one.close()
    await other.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_storage_that_dies_is_replaced_by_memory_until_it_is_back(
    redis_server: RedisServer, quick: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    made = Rates(redis_server.url())
    assert await made.take("c", 1000, 1)
    calls = [asyncio.ensure_future(made.take("c", 1000, 1)) for _ in range(200)]
    await asyncio.sleep(0.005)
    redis_server.kill()
    assert all(took for took, _ in await asyncio.gather(*calls))
    assert (await made.take("c", 1000, 1))[0]
    assert made.alone
    assert (await made.take("d", 1, 1))[0]
    assert not (await made.take("d", 1, 1))[0], "limits hold in memory"
    redis_server.start()
    await until(lambda: not made.alone)
    assert (await made.take("d", 1, 1))[0], "the server counts again"
    assert not made.alone
    told = [record.getMessage() for record in caplog.records if record.name == "gatewayd.limits"]
    assert [line.partition(" (")[0] for line in told] == [
        "the rate limit storage fails", "the rate limit storage answers again"
    ]  # fmt: skip
    assert redis_server.password not in caplog.text
    await made.close()


async def test_a_storage_that_hangs_is_waited_for_once(
    redis_server: RedisServer, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Rates(redis_server.url())
    await made.take("c", 1000, 1)
    assert redis_server.process is not None
    redis_server.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    results = await asyncio.gather(*(made.take("c", 1000, 1) for _ in range(100)))
    assert all(took for took, _ in results)
    assert time.monotonic() - began < 1.5
    began = time.monotonic()
    await made.take("c", 1000, 1)
    assert time.monotonic() - began < 0.25, "nobody waits for it again"
    redis_server.process.send_signal(signal.SIGCONT)
    await until(lambda: not made.alone)
    monkeypatch.setattr(rates, "ANSWER_SECONDS", 5.0)  # from here on it is the connections that count, not the time
    await asyncio.gather(*(made.take("c", 1000, 1) for _ in range(200)))
    assert not made.alone, "the calls that were given up hold no connection"
    await made.close()


async def test_it_is_asked_again_when_it_swallowed_a_question(
    redis_server: RedisServer, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Rates(redis_server.url())
    assert made._shared is not None
    look, asked = made._shared.look, []

    async def swallow_two(counter: str, limit: int) -> Window:
        asked.append(counter)
        if len(asked) <= 2:
            await asyncio.Event().wait()
        return await look(counter, limit)

    monkeypatch.setattr(made._shared, "look", swallow_two)
    assert (await made.look("c", 1000)).remaining == 1000
    await until(lambda: not made.alone)
    assert asked == ["c", "probe", "probe"]
    await made.close()


async def test_a_storage_that_is_away_at_the_start_or_refuses_the_password_stops_nothing(
    redis_server: RedisServer, quick: None, caplog: pytest.LogCaptureFixture
) -> None:
    for url in ("redis://:hunter2@127.0.0.1:1/0", redis_server.url().replace(redis_server.password, "hunter2")):
        made = Rates(url)
        assert (await made.take("c", 1, 1))[0]
        assert not (await made.take("c", 1, 1))[0]
        assert made.alone
        await made.close()
    assert "hunter2" not in caplog.text


async def test_many_counters_in_memory_do_not_slow_a_hit() -> None:
    """The library's own storage walks all of them after each: 0.7 ms with 5,000."""

    async def milliseconds(rates: Rates) -> float:
        times = []
        for _ in range(100):
            began = time.perf_counter()
            await rates.take("one", 10**6, 1)
            times.append(time.perf_counter() - began)
        return sorted(times)[50] * 1000

    few, many = Rates("memory"), Rates("memory")
    for n in range(5_000):
        await many.take(f"token {n}", 100, 1)
    assert await milliseconds(many) < 3 * await milliseconds(few)


async def test_expired_counters_in_memory_are_forgotten(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr("gatewayd.relay.rates.SWEEP_SECONDS", 0.0)
    rates = Rates("memory")
    await rates.take("old", 100, 1)
    clock.now += 600
    await rates.take("new", 100, 1)
    storage = rates._memory._storage
    assert isinstance(storage, MemoryStorage)
    assert [key for key in storage.storage if "old" in key] == []
    assert [key for key in storage.expirations if "old" in key] == []
