"""Retention: what is old goes, and the space is given back; neither requests nor the log writer notice.

Deletes take BATCH rows in a transaction of their own and pause several times as long as they took; a run ends after its
time and the next goes on. Log rows of PostgreSQL go by the day, with their partition. SQLite also keeps below a size.
Usage by the hour is kept. Gateways that were deleted go for good after RESTORABLE_DAYS.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gatewayd.errors import StoreUnavailable
from gatewayd.store.audit import AuditEvent, add_events
from gatewayd.store.database import Store
from gatewayd.store.gateways import list_purgeable, purge_gateways
from gatewayd.store.partitions import DAY, drop_partitions
from gatewayd.store.tables import blob, body, client_session, request_log
from gatewayd.store.usage import HOUR

BATCH = 100  # milliseconds of a core: what a request that comes meanwhile may have to wait for
_PAUSE = 4  # times as long as the batch took
MAX_SQLITE_BYTES = 2 * 1024**3
RESTORABLE_DAYS = 30  # for so long a deleted gateway can be restored
_RUN_SECONDS = 60.0
_EVERY_SECONDS = 600.0
_SOON_SECONDS = 10.0  # after a run that did not get to its end
_VACUUM_PAGES = 100
_FINEST = HOUR  # when there is too much: the oldest hour first

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Removed:
    """partitions: days of the log that were dropped as a whole; finished: nothing is left to do."""

    rows: int = 0
    bodies: int = 0
    blobs: int = 0
    partitions: int = 0
    finished: bool = True


class Retention:
    """log_days, body_days: 0 keeps them for ever; seconds: how long one run may take."""

    def __init__(
        self,
        store: Store,
        log_days: int,
        body_days: int,
        *,
        max_bytes: int = MAX_SQLITE_BYTES,
        seconds: float = _RUN_SECONDS,
        report: Callable[[Removed], None] = lambda _removed: None,
    ) -> None:
        self._store = store
        self._log_days, self._body_days = log_days, body_days
        self._max_bytes, self._seconds = max_bytes, seconds
        self._report = report
        self._deadline = 0.0

    async def follow(self) -> None:
        """Runs from time to time until cancelled."""
        wait = _EVERY_SECONDS
        while True:
            await asyncio.sleep(wait)
            wait = _EVERY_SECONDS
            try:
                removed = await self.run()
            except StoreUnavailable as error:
                log.warning("old log rows are not removed yet: %s", error)
            else:
                wait = _EVERY_SECONDS if removed.finished else _SOON_SECONDS
                if removed.rows or removed.bodies or removed.partitions:
                    log.info("old log rows removed", extra={"rows": removed.rows, "bodies": removed.bodies})

    async def run(self, now: int | None = None) -> Removed:
        """now: UTC epoch milliseconds. Raises StoreUnavailable."""
        now = int(time.time() * 1000) if now is None else now
        self._deadline = time.monotonic() + self._seconds
        removed = Removed()
        if self._body_days:
            await self._remove_bodies(now - self._body_days * DAY, removed)
        if self._log_days:
            await self._remove_rows(now - self._log_days * DAY, removed)
        await self._purge_gateways(now - RESTORABLE_DAYS * DAY)
        if self._store.address.engine == "sqlite":
            await self._keep_below_size(now, removed)
            await self._give_space_back()
        removed.finished = time.monotonic() < self._deadline
        return removed

    async def _remove_bodies(self, before: int, removed: Removed) -> None:
        async for count in self._delete(body, body.c.ended_at < before):
            removed.bodies += count
            self._report(removed)
        # a blob is as young as the youngest body that uses it
        async for count in self._delete(blob, blob.c.hour < before // HOUR):
            removed.blobs += count
            self._report(removed)

    async def _remove_rows(self, before: int, removed: Removed) -> None:
        async for _ in self._delete(client_session, client_session.c.last_at < before):
            pass
        if self._store.address.engine == "postgresql":
            removed.partitions += await drop_partitions(self._store, before)
            return
        async for count in self._delete(request_log, request_log.c.ended_at < before):
            removed.rows += count
            self._report(removed)

    async def _purge_gateways(self, before: int) -> None:
        """Few, and nobody is served by them: one transaction among the writers of the configuration."""
        async with self._store.read() as session:
            if not await list_purgeable(session, before):
                return
        async with self._store.write_lock() as session:
            gone = await purge_gateways(session, before)
            await add_events(session, [AuditEvent("retention", "purge", f"gateway:{id_}") for id_ in gone])

    async def _delete(self, table: sa.Table, old: Any) -> AsyncIterator[int]:
        """How many rows went, batch by batch."""
        key = list(table.primary_key.columns)
        chosen = sa.select(*key).where(old).limit(BATCH)
        count = sa.select(sa.func.count().label("count")).select_from(chosen.subquery())
        while time.monotonic() < self._deadline:
            began = time.monotonic()
            async with self._store.write() as session:
                row = await session.fetch_one(count)
                await session.execute(sa.delete(table).where(sa.tuple_(*key).in_(chosen)))
            gone = int(row["count"]) if row else 0
            took = time.monotonic() - began
            yield gone
            if gone < BATCH:
                return
            await asyncio.sleep(_PAUSE * took)  # others write meanwhile

    async def _keep_below_size(self, now: int, removed: Removed) -> None:
        """Bodies first, then rows, the oldest hours first; the last hour stays."""
        for table, remove in ((body, self._remove_bodies), (request_log, self._remove_rows)):
            while time.monotonic() < self._deadline and await self._used_bytes() > self._max_bytes:
                async with self._store.session() as session:
                    row = await session.fetch_one(sa.select(sa.func.min(table.c.ended_at).label("oldest")))
                if row is None or row["oldest"] is None or row["oldest"] > now - _FINEST:
                    break
                await remove((row["oldest"] // HOUR + 1) * HOUR, removed)

    async def _used_bytes(self) -> int:
        async with self._store.session() as session:
            row = await session.fetch_one(
                "SELECT (page_count - freelist_count) * page_size AS used"
                " FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()"
            )
        return int(row["used"]) if row else 0

    async def _give_space_back(self) -> None:
        while time.monotonic() < self._deadline:
            began = time.monotonic()
            async with self._store.session() as session:
                free = await session.fetch_one("PRAGMA freelist_count")
                if not free or not int(free["freelist_count"]):
                    return
                await session.execute_script(f"PRAGMA incremental_vacuum({_VACUUM_PAGES});")
                left = await session.fetch_one("PRAGMA freelist_count")
            if left == free:  # a file from before it was made for this
                return
            await asyncio.sleep(_PAUSE * (time.monotonic() - began))
