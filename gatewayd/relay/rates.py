"""Counters per minute over the `limits` library: in this process's memory, or in a Redis or Valkey shared by replicas.

Only this module sees the library and its clients, and it is imported when the first counter is needed: that costs
memory and start time which nobody pays who sets no limits. A shared storage that fails or is slow is left alone until
it answers again: meanwhile counting goes on in memory, and the log says so once. Nothing here fails a request.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

log = logging.getLogger("gatewayd.limits")

ANSWER_SECONDS = 1.0  # a shared storage that takes longer counts as gone
RETRY_SECONDS = 5.0
SWEEP_SECONDS = 60.0  # between two looks for expired counters in memory
_CONNECTIONS = 32  # to the shared storage, of one process
_MINUTE = 60
_ANY = 2**53  # no limit: the storage counts in doubles

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Window:
    """Where a counter stands. It is the present window's count, and of the one before as much as is left of the minute.

    left    seconds until the present window becomes the one before
    """

    limit: int
    previous: int
    current: int
    left: float

    @property
    def remaining(self) -> int:
        return max(0, self.limit - math.floor(self.previous * self.left / _MINUTE) - self.current)

    def seconds_until(self, cost: int) -> float:
        """Just after that so much fits, when nothing else comes. cost: at most the limit."""
        if cost <= self.remaining:
            return 0
        enough = self.limit - cost + 1  # parts of one do not count
        if self.current < enough:
            return self.left - (enough - self.current) * _MINUTE / self.previous
        return self.left + _MINUTE * (1 - enough / self.current)

    @property
    def seconds_until_empty(self) -> float:
        return self.left + _MINUTE if self.current > 0 else self.left if self.previous > 0 else 0


class _PerMinute(RateLimitItemPerMinute):
    """A counter is named by what it counts and not by its limit: changing the limit keeps the count."""

    def key_for(self, *identifiers: bytes | str | float) -> str:
        return "/".join(map(str, identifiers))


class _Memory(MemoryStorage):
    """The library looks through all counters for expired ones after every hit: 0.7 ms with 5,000 of them. Here it is
    done once in a while. Without its locks: nothing here waits, so nothing comes in between."""

    def __init__(self) -> None:
        super().__init__()
        self._swept = time.monotonic()

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        count = await self.get(key) + amount  # forgets an expired one
        if count == amount:
            self.expirations[key] = time.time() + expiry
        self.storage[key] = count
        self._sweep()
        return count

    async def decr(self, key: str, amount: int = 1) -> int:
        count = self.storage[key] = max(0, await self.get(key) - amount)
        return count

    def _sweep(self) -> None:
        now = time.time()
        if time.monotonic() - self._swept < SWEEP_SECONDS:
            return
        self._swept = time.monotonic()
        for key in [key for key, expires in self.expirations.items() if expires <= now]:
            self.expirations.pop(key), self.storage.pop(key, None)


class _Counters:
    """The counters of one storage."""

    def __init__(self, storage: MemoryStorage | RedisStorage) -> None:
        self._storage = storage
        self._strategy = SlidingWindowCounterRateLimiter(storage)

    async def take(self, counter: str, limit: int, cost: int) -> tuple[bool, Window]:
        taken = await self._strategy.hit(_PerMinute(limit), counter, cost=cost)
        return taken, await self.look(counter, limit)

    async def look(self, counter: str, limit: int) -> Window:
        previous, previous_left, current, current_left = await self._storage.get_sliding_window(counter, _MINUTE)
        return Window(limit, previous, current, previous_left if previous else max(0.0, current_left - _MINUTE))

    async def correct(self, counter: str, amount: int, since: float) -> None:
        if amount < 0:
            window = await self.look(counter, _ANY)
            taken_before = time.time() - since > _MINUTE - window.left + ANSWER_SECONDS  # may have been under way
            amount = 0 if taken_before else -min(-amount, window.current)
        if amount:
            await self._strategy.hit(_PerMinute(_ANY), counter, cost=amount)


class Rates:
    """Counters by name. storage: `memory`, or the URL of a Redis or Valkey."""

    def __init__(self, storage: str) -> None:
        self._memory = _Counters(_Memory())
        self._pool: Any = None
        self._shared: _Counters | None = None
        self._return: asyncio.Task[None] | None = None
        if not storage.startswith("memory"):
            self._pool, shared = _open_shared(storage)
            self._shared = _Counters(shared)

    @property
    def alone(self) -> bool:
        """The shared storage does not answer: this process counts for itself."""
        return self._return is not None

    async def take(self, counter: str, limit: int, cost: int) -> tuple[bool, Window]:
        """Adds `cost` where it fits: -> whether it did, and how the counter stands now."""
        return await self._ask(lambda counters: counters.take(counter, limit, cost))

    async def look(self, counter: str, limit: int) -> Window:
        return await self._ask(lambda counters: counters.look(counter, limit))

    async def correct(self, counter: str, amount: int, since: float) -> None:
        """Adds what turned out to be more, whether it fits or not, or takes back what turned out to be less.

        since  when it was added (`time.time()`); what was added to an earlier window stays: it fades by itself
        """
        await self._ask(lambda counters: counters.correct(counter, amount, since))

    async def close(self) -> None:
        if self._return is not None:
            self._return.cancel()
        if self._pool is not None:
            with suppress(Exception):  # whatever state its connections are in, they are given up here
                await self._pool.disconnect()

    async def _ask(self, question: Callable[[_Counters], Awaitable[T]]) -> T:
        if self._shared is not None and self._return is None:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    return await question(self._shared)
            except Exception as error:  # whatever a client library raises, traffic goes on
                self._leave(self._shared, error)
        return await question(self._memory)

    def _leave(self, shared: _Counters, error: Exception) -> None:
        if self._return is None:
            # only the class: an error's text may hold the URL with its password
            log.warning("the rate limit storage fails (%s); each process counts for itself", type(error).__name__)
            self._return = asyncio.get_running_loop().create_task(self._await_return(shared))

    async def _await_return(self, shared: _Counters) -> None:
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            with suppress(Exception):  # whatever it is, it is still away
                async with asyncio.timeout(ANSWER_SECONDS):
                    await shared.look("probe", _ANY)
                break
        self._return = None
        log.info("the rate limit storage answers again")


def _open_shared(url: str) -> tuple[Any, RedisStorage]:
    """-> the connection pool, which the library does not close, and the storage that uses it. Connects to nothing."""
    client = import_module("valkey.asyncio" if url.startswith("valkey") else "redis.asyncio")
    # no time limits here: every question as a whole has one
    pool = client.BlockingConnectionPool.from_url(url, max_connections=_CONNECTIONS, timeout=None)
    return pool, RedisStorage(f"async+{url}", implementation="redispy", key_prefix="gatewayd", connection_pool=pool)
