"""The day partitions of the request log on PostgreSQL: made before a row needs them, dropped when they are old.

A new one is made beside the log and attached, an old one is dropped only where that gets its lock at once: neither
makes a writer or a reader wait. SQLite has none; there everything here does nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from gatewayd.errors import StoreUnavailable
from gatewayd.store.database import LOCK_KEY, Session, Store

DAY = 86_400_000  # milliseconds
PARTITION_PREFIX = "request_log_d"
_MAKE_KEY = LOCK_KEY + 1
_LOCK_MILLISECONDS = 200


def partition_name(day: int) -> str:
    """day: days since 1970-01-01, UTC."""
    return f"{PARTITION_PREFIX}{day}"


async def list_partitions(session: Session) -> list[int]:
    """The days that have one, oldest first."""
    rows = await session.fetch_all(
        "SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = 'request_log'::regclass"
    )
    names = (str(row["name"]) for row in rows)
    return sorted(int(name.removeprefix(PARTITION_PREFIX)) for name in names if name.startswith(PARTITION_PREFIX))


async def make_partitions(store: Store, days: Iterable[int]) -> None:
    if store.address.engine == "sqlite":
        return
    async with store.write() as session:
        await session.execute(f"SELECT pg_advisory_xact_lock({_MAKE_KEY})")
        for day in sorted(set(days) - set(await list_partitions(session))):
            name = partition_name(day)
            await session.execute(f"CREATE TABLE {name} (LIKE request_log INCLUDING ALL)")
            await session.execute(
                f"ALTER TABLE request_log ATTACH PARTITION {name} FOR VALUES FROM ({day * DAY}) TO ({(day + 1) * DAY})"
            )


async def drop_partitions(store: Store, before: int) -> int:
    """Those whose rows all ended before `before` (epoch milliseconds). Gives how many; busy ones stay for next time."""
    if store.address.engine == "sqlite":
        return 0
    async with store.session() as session:
        old = [day for day in await list_partitions(session) if (day + 1) * DAY <= before]
    dropped = 0
    for day in old:
        with suppress(StoreUnavailable):
            async with store.write() as session:
                await session.execute(f"SET LOCAL lock_timeout = '{_LOCK_MILLISECONDS}ms'")
                await session.execute(f"DROP TABLE IF EXISTS {partition_name(day)}")
            dropped += 1
    return dropped
