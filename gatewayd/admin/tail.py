"""The live tail: who watches the log gets its new rows each second.

One query serves all watchers and runs only while there are any. It reads the last few seconds each time: rows come in
the order of their ends only roughly, as several processes write them. They come from the database, so those of other
processes come too. Bounded: MAX_WATCHERS, MOST_ROWS to each in a second (the newest ones), no queue.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from gatewayd.errors import StoreUnavailable
from gatewayd.store import Store
from gatewayd.store.request_log import Cursor, LogFilter, LogRow, list_rows

MAX_WATCHERS = 5
MOST_ROWS = 20
EVERY_SECONDS = 1.0
HEARTBEAT_SECONDS = 15.0
WATCH_SECONDS = 30 * 60.0
_BACK_MS = 5000  # how late a row may come
_READ_ROWS = 2 * MOST_ROWS
_REMEMBERED = 10 * _READ_ROWS


class Full(Exception):
    """MAX_WATCHERS watch already."""


class Tail:
    """seconds: between two looks at the log."""

    def __init__(self, store: Store, seconds: float = EVERY_SECONDS) -> None:
        self._store = store
        self._seconds = seconds
        self._watchers = 0
        self._task: asyncio.Task[None] | None = None
        self._rows: list[LogRow] = []
        self._tick = asyncio.Event()
        self._closing = asyncio.Event()
        self._rendering = asyncio.Lock()
        self._rendered: dict[str, bytes] = {}
        self.queries = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Raises Full."""
        if self._watchers >= MAX_WATCHERS:
            raise Full
        self._watchers += 1
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._follow())
        try:
            yield
        finally:
            self._watchers -= 1

    async def rows(self, wanted: LogFilter, after: Cursor | None) -> AsyncIterator[list[LogRow]]:
        """New rows behind `after`, the newest first; an empty list as a sign of life. Ends when the server stops, or
        after WATCH_SECONDS. Within `watching`."""
        watcher = _Watcher(wanted, after or Cursor(int(time.time() * 1000) - _BACK_MS, ""))
        ends_at = time.monotonic() + WATCH_SECONDS
        quiet_since = time.monotonic()
        yield watcher.new(await self._read(LogFilter(since=watcher.after.ended_at)))
        while not self._closing.is_set() and time.monotonic() < ends_at:
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await self._tick.wait()
            found = watcher.new(self._rows)
            if found or time.monotonic() - quiet_since >= HEARTBEAT_SECONDS:
                quiet_since = time.monotonic()
                yield found

    async def html(self, rows: Sequence[LogRow], render: Callable[[LogRow], bytes]) -> bytes:
        """The rows as HTML: each is rendered once, in a thread, for all who watch."""
        async with self._rendering:
            new = [row for row in rows if row.id not in self._rendered]
            if new:
                self._rendered.update(await asyncio.to_thread(lambda: {row.id: render(row) for row in new}))
            html = b"".join([self._rendered[row.id] for row in rows])
            while len(self._rendered) > _REMEMBERED:
                del self._rendered[next(iter(self._rendered))]
            return html

    async def close(self) -> None:
        """Ends all watching. A query is not cancelled: that could lose its connection."""
        self._closing.set()
        self._tick.set()
        if self._task is not None:
            await self._task

    async def _follow(self) -> None:
        while self._watchers and not self._closing.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), self._seconds)
            self._rows = await self._read(LogFilter(since=int(time.time() * 1000) - _BACK_MS))
            self._tick.set()  # wakes who waits now
            self._tick.clear()

    async def _read(self, wanted: LogFilter) -> list[LogRow]:
        self.queries += 1
        try:
            async with self._store.session() as session:
                return (await list_rows(session, wanted, limit=_READ_ROWS)).rows
        except StoreUnavailable:
            return []  # they come when it is back


class _Watcher:
    """What one watcher wants and has been given."""

    def __init__(self, wanted: LogFilter, after: Cursor) -> None:
        self._wanted = wanted
        self.after = after
        self._given: OrderedDict[str, None] = OrderedDict()

    def new(self, rows: Sequence[LogRow]) -> list[LogRow]:
        found = [row for row in rows if self._is_new(row) and matches(row, self._wanted)]
        for row in found:
            self._given[row.id] = None
        while len(self._given) > _REMEMBERED:
            self._given.popitem(last=False)
        return found[:MOST_ROWS]

    def _is_new(self, row: LogRow) -> bool:
        return row.id not in self._given and (row.ended_at, row.id) > self.after


def matches(row: LogRow, wanted: LogFilter) -> bool:
    """Whether a list with that filter would hold the row, whatever its time."""
    equal = all(
        getattr(wanted, name) in (None, getattr(row, name))
        for name in ("gateway", "model", "token", "outcome", "session")
    )
    long_enough = wanted.duration_ms is None or row.duration_ms >= wanted.duration_ms
    text = wanted.error_text
    return equal and long_enough and (text is None or text.lower() in (row.error or "").lower())
