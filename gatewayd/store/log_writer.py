"""The log writer: one bounded queue and one task per process between requests and the request log.

* `put` never waits. A row is written within a second, many in one transaction with the usage and the sessions that
  they add up to.
* With the database away entries queue: QUEUE_ROWS and QUEUE_BYTES; then the oldest bodies are dropped, then the oldest
  rows, and counted. A commit whose answer was lost is not repeated: what is there already is looked up first.
* A row that the database does not take is dropped alone, with a log line.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import sqlalchemy as sa

from gatewayd.errors import RowRefused, StoreUnavailable
from gatewayd.store.bodies import Bodies, Packed, Packer, add_packed
from gatewayd.store.captures import take_capture
from gatewayd.store.database import Session, Store
from gatewayd.store.latencies import add_latencies
from gatewayd.store.partitions import DAY, make_partitions
from gatewayd.store.request_log import LogRow, add_rows, clean_row
from gatewayd.store.sessions import add_sessions, sum_sessions
from gatewayd.store.tables import request_log
from gatewayd.store.usage import RollUp, add_usage

QUEUE_ROWS = 10_000
QUEUE_BYTES = 64 * 1024 * 1024
_BATCH_ROWS, _BATCH_BYTES = 500, 16 * 1024 * 1024
_COLLECT_SECONDS = 0.5
_RETRY_SECONDS = 2.0

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Entry:
    row: LogRow
    bodies: Bodies | None = None
    size: int = 0


class LogWriter:
    """dropped_rows, dropped_bodies: for want of room; refused_rows: that the database did not take."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: deque[Entry] = deque()
        self._with_bodies: deque[Entry] = deque()
        self._bytes = 0
        self._wake, self._closing = asyncio.Event(), asyncio.Event()
        self._packer, self._roll_up = Packer(), RollUp()
        self._days: set[int] = set()  # that have their partition
        self._most = _BATCH_ROWS  # fewer after a failure: a slow database may not take many in time
        self._doubtful = 0  # so many rows at the head may be there: a commit failed that may have taken place
        self._warned_at = 0.0
        self.dropped_rows = self.dropped_bodies = self.refused_rows = 0

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def warning(self) -> str:
        """What was lost since the process began; "" when nothing was."""
        rows, bodies = self.dropped_rows + self.refused_rows, self.dropped_bodies
        return f"the request log has lost {rows} rows and the bodies of {bodies}" if rows or bodies else ""

    def put(self, row: LogRow, bodies: Bodies | None = None) -> None:
        entry = Entry(row, bodies, bodies.size if bodies else 0)
        self._queue.append(entry)
        if bodies is not None:
            self._with_bodies.append(entry)
            self._bytes += entry.size
        self._make_room()
        self._wake.set()

    async def run(self) -> None:
        """Writes until `close`."""
        while not (self._closing.is_set() and not self._queue):
            await self._wake.wait()
            self._wake.clear()
            await self._pause(_COLLECT_SECONDS)
            try:
                await self.flush()
            except StoreUnavailable as error:
                self._warn(error)
                self._wake.set()
                await (asyncio.sleep(0.2) if self._closing.is_set() else self._pause(_RETRY_SECONDS))

    async def close(self, task: asyncio.Task[None], seconds: float) -> None:
        """Writes what is queued and ends `run`, which `task` is, after so many seconds at the latest."""
        self._closing.set()
        self._wake.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(task, seconds)
        if self._queue:
            log.error("%d log rows are lost: the database did not take them in time", len(self._queue))

    async def flush(self) -> None:
        """Writes what is queued. Raises StoreUnavailable; what was not written is queued then as before."""
        while self._queue:
            batch = self._take()
            try:
                await self._write(batch)
            except BaseException:
                self._packer.forget()
                self._doubtful = max(self._doubtful, len(batch))
                self._most = max(len(batch) // 4, 1)
                self._give_back(batch)
                raise
            self._doubtful = max(self._doubtful - len(batch), 0)
            self._most = min(2 * self._most, _BATCH_ROWS)

    def _take(self) -> list[Entry]:
        batch: list[Entry] = []
        size = 0
        while self._queue and len(batch) < self._most and size < _BATCH_BYTES:
            entry = self._queue.popleft()
            if entry.bodies is not None:
                self._with_bodies.popleft()
                self._bytes -= entry.size
            size += entry.size
            batch.append(entry)
        return batch

    def _give_back(self, batch: Sequence[Entry]) -> None:
        self._queue.extendleft(reversed(batch))
        bodies = [entry for entry in batch if entry.bodies is not None]
        self._with_bodies.extendleft(reversed(bodies))
        self._bytes += sum(entry.size for entry in bodies)
        self._make_room()

    def _make_room(self) -> None:
        while self._bytes > QUEUE_BYTES:
            self._drop_body(self._with_bodies.popleft())
        while len(self._queue) > QUEUE_ROWS:
            entry = self._queue.popleft()
            self.dropped_rows += 1
            if entry.bodies is not None:
                self._drop_body(self._with_bodies.popleft())

    def _drop_body(self, entry: Entry) -> None:
        self._bytes -= entry.size
        entry.bodies, entry.size = None, 0
        self.dropped_bodies += 1

    async def _write(self, batch: Sequence[Entry], *, again: bool = True) -> None:
        try:
            await self._write_together(batch)
        except Exception as error:
            if isinstance(error, StoreUnavailable) and not isinstance(error, RowRefused):
                raise
            self._packer.forget()
            if again:  # a partition may have been dropped since it was made
                self._days.clear()
                await self._write(batch, again=False)
                return
            if len(batch) == 1:
                self.refused_rows += 1
                log.error("the log row of %s is dropped: %s", ascii(batch[0].row.id)[:60], error)
                return
            middle = len(batch) // 2
            await self._write(batch[:middle], again=False)
            await self._write(batch[middle:], again=False)

    async def _write_together(self, batch: Sequence[Entry]) -> None:
        rows = {row.id: row for row in (clean_row(entry.row) for entry in batch)}
        await self._make_partitions({row.ended_at // DAY for row in rows.values()})
        packed: list[tuple[LogRow, bool, Packed]] = []
        if any(entry.bodies is not None for entry in batch):
            packed = await asyncio.to_thread(self._pack, batch)
        async with self._store.write() as session:
            if self._doubtful:
                for known in await _ids_there(session, list(rows.values())):
                    del rows[known]
            if not rows:
                return
            await add_rows(session, list(rows.values()))
            await add_usage(session, self._roll_up.sum(rows.values()))
            await add_sessions(session, sum_sessions(rows.values()))
            await add_latencies(session, rows.values())
            await self._add_bodies(session, [each for each in packed if each[0].id in rows])

    def _pack(self, batch: Sequence[Entry]) -> list[tuple[LogRow, bool, Packed]]:
        """In a thread. With each row: whether its bodies count as captured."""
        packed = []
        for entry in batch:
            if (bodies := entry.bodies) is not None:
                try:
                    each = self._packer.pack(entry.row.id, entry.row.ended_at, bodies)
                except (ValueError, TypeError, RecursionError) as error:
                    self.dropped_bodies += 1
                    log.error("the bodies of %s are dropped: %s", ascii(entry.row.id)[:60], error)
                else:
                    packed.append((entry.row, bodies.captured, each))
        return packed

    async def _add_bodies(self, session: Session, packed: Sequence[tuple[LogRow, bool, Packed]]) -> None:
        stored = []
        for row, captured, each in packed:
            if not captured or await take_capture(session, row.gateway):
                stored.append(each)
            else:  # another process took the last one
                self._packer.forget()
        await add_packed(session, stored)

    async def _make_partitions(self, days: set[int]) -> None:
        """For these days, and ahead for tomorrow."""
        if not days <= self._days:
            wanted = days | {int(time.time() * 1000) // DAY + ahead for ahead in (0, 1)}
            await make_partitions(self._store, wanted)
            self._days |= wanted

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    def _warn(self, error: StoreUnavailable) -> None:
        if time.monotonic() - self._warned_at > 10:
            self._warned_at = time.monotonic()
            log.warning("%s; %d log rows wait, %d were dropped", error, len(self._queue), self.dropped_rows)


async def _ids_there(session: Session, rows: Sequence[LogRow]) -> list[str]:
    c = request_log.c
    ended = [row.ended_at for row in rows]
    query = sa.select(c.id).where(
        c.ended_at >= min(ended), c.ended_at <= max(ended), c.id.in_([row.id for row in rows])
    )
    return [str(row["id"]) for row in await session.fetch_all(query)]
