"""The live tail: one query for all who watch, new rows once, a bound on everything, an end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from gatewayd.admin import tail as tail_module
from gatewayd.admin.tail import MAX_WATCHERS, MOST_ROWS, Full, Tail, matches
from gatewayd.store import Store
from gatewayd.store.log_writer import LogWriter
from gatewayd.store.request_log import Cursor, LogFilter, LogRow
from tests.store.rows import log_row


def fresh(number: int, back: int = 0, **fields: Any) -> LogRow:
    return log_row(id=f"req_{number:08}", ended_at=int(time.time() * 1000) - back, **fields)


async def write(store: Store, *rows: LogRow) -> None:
    writer = LogWriter(store)
    for row in rows:
        writer.put(row)
    await writer.flush()


class Watcher:
    """Collects what one watcher is given."""

    def __init__(self, tail: Tail, wanted: LogFilter | None = None, after: Cursor | None = None) -> None:
        self.batches: list[list[LogRow]] = []
        self._changed = asyncio.Event()
        self.task = asyncio.create_task(self._watch(tail, wanted or LogFilter(), after))

    async def _watch(self, tail: Tail, wanted: LogFilter, after: Cursor | None) -> None:
        with tail.watching():
            async for rows in tail.rows(wanted, after):
                self.batches.append(rows)
                self._changed.set()

    @property
    def ids(self) -> list[str]:
        return [row.id for batch in self.batches for row in batch]

    async def until(self, count: int) -> list[str]:
        async with asyncio.timeout(5):
            while len(self.ids) < count or not self.batches:
                await self._changed.wait()
                self._changed.clear()
        return self.ids


@pytest.fixture
async def tails(store: Store) -> AsyncIterator[Callable[..., Tail]]:
    """Makes tails, and closes them."""
    made: list[Tail] = []

    def make(seconds: float = 0.05) -> Tail:
        made.append(Tail(store, seconds))
        return made[-1]

    yield make
    for tail in made:
        await tail.close()


async def stop(*watchers: Watcher) -> None:
    for watcher in watchers:
        watcher.task.cancel()
    await asyncio.gather(*(watcher.task for watcher in watchers), return_exceptions=True)


async def test_rows_come_once_to_everybody_who_wants_them_from_one_query(store: Store, tails: Any) -> None:
    tail = tails()
    all_, errors = Watcher(tail), Watcher(tail, LogFilter(outcome="error"))
    await all_.until(0)
    await errors.until(0)
    await write(store, fresh(1), fresh(2, outcome="error"))
    await all_.until(2)
    await write(store, fresh(3, outcome="error"))
    await all_.until(3)
    await errors.until(2)
    before = tail.queries
    async with asyncio.timeout(5):
        while tail.queries < before + 4:
            await asyncio.sleep(0.01)
    assert sorted(all_.ids) == ["req_00000001", "req_00000002", "req_00000003"]
    assert sorted(errors.ids) == ["req_00000002", "req_00000003"]
    await stop(all_, errors)


async def test_five_watchers_cost_no_more_queries_than_one(store: Store, tails: Any) -> None:
    tail = tails()
    watchers = [Watcher(tail) for _ in range(5)]
    for watcher in watchers:
        await watcher.until(0)
    began, before = time.monotonic(), tail.queries
    await asyncio.sleep(0.5)  # a while passes: what happens in it is counted
    assert tail.queries - before <= (time.monotonic() - began) / 0.05 + 1
    await stop(*watchers)


async def test_nobody_watches_and_nothing_is_asked(store: Store, tails: Any) -> None:
    tail = tails(0.02)
    watcher = Watcher(tail)
    await watcher.until(0)
    await stop(watcher)
    assert tail._task is not None
    async with asyncio.timeout(5):
        await tail._task
    before = tail.queries
    await asyncio.sleep(0.1)  # five times the while between two looks
    assert tail.queries == before


async def test_it_goes_on_behind_the_row_that_was_seen_last(store: Store, tails: Any) -> None:
    rows = [fresh(number, back=60_000 - number) for number in range(5)]
    await write(store, *rows)
    watcher = Watcher(tails(), after=Cursor(rows[2].ended_at, rows[2].id))
    assert await watcher.until(2) == [rows[4].id, rows[3].id]
    await stop(watcher)


async def test_a_row_that_comes_late_is_shown_all_the_same(store: Store, tails: Any) -> None:
    watcher = Watcher(tails())
    await watcher.until(0)
    await write(store, fresh(1))
    await watcher.until(1)
    await write(store, fresh(2, back=2000))  # by another process, behind
    assert await watcher.until(2) == ["req_00000001", "req_00000002"]
    await stop(watcher)


async def test_of_many_rows_the_newest_are_shown(store: Store, tails: Any) -> None:
    watcher = Watcher(tails())
    await watcher.until(0)
    await write(store, *(fresh(number, back=900 - number) for number in range(100)))
    await watcher.until(1)
    assert watcher.ids == [f"req_{number:08}" for number in range(99, 99 - MOST_ROWS, -1)]
    await stop(watcher)


async def test_so_many_may_watch_and_no_more(store: Store, tails: Any) -> None:
    tail = tails()
    watchers = [Watcher(tail) for _ in range(MAX_WATCHERS)]
    for watcher in watchers:
        await watcher.until(0)
    with pytest.raises(Full), tail.watching():
        pass
    await stop(watchers[0])
    with tail.watching():
        pass
    await stop(*watchers)


async def test_silence_has_signs_of_life_and_watching_an_end(tails: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_module, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(tail_module, "WATCH_SECONDS", 0.5)
    watcher = Watcher(tails())
    async with asyncio.timeout(5):
        await watcher.task
    assert len(watcher.batches) >= 3
    assert watcher.ids == []


async def test_the_servers_stop_ends_all_watching(store: Store, tails: Any) -> None:
    tail = tails()
    watcher = Watcher(tail)
    await watcher.until(0)
    await tail.close()
    async with asyncio.timeout(1):
        await watcher.task


async def test_while_the_database_is_away_watchers_wait(store: Store, tails: Any) -> None:
    tail = tails(0.02)
    watcher = Watcher(tail)
    await watcher.until(0)
    await store.disconnect()
    before = tail.queries
    async with asyncio.timeout(5):
        while tail.queries < before + 3:
            await asyncio.sleep(0.01)
    await store.connect()
    await write(store, fresh(1))
    assert await watcher.until(1) == ["req_00000001"]
    await stop(watcher)


@pytest.mark.parametrize(
    ("wanted", "holds"),
    [
        (LogFilter(), True),
        (LogFilter(gateway="g", model="m", token="t", outcome="ok"), True),
        (LogFilter(gateway="h"), False),
        (LogFilter(session="s"), False),
        (LogFilter(duration_ms=900), True),
        (LogFilter(duration_ms=901), False),
        (LogFilter(error_text="BROKE"), True),
        (LogFilter(error_text="%"), False),
    ],
)
def test_a_filter_holds_for_the_tail_as_for_the_list(wanted: LogFilter, holds: bool) -> None:
    assert matches(log_row(error="it broke"), wanted) == holds
