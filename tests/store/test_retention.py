"""Retention: what is old goes, what is young stays, the space comes back, writers go on meanwhile."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
import sqlalchemy as sa

from gatewayd.store import Store
from gatewayd.store.audit import list_events
from gatewayd.store.bodies import Bodies, read_bodies
from gatewayd.store.gateways import GatewayRow, list_gateways, save_gateways
from gatewayd.store.log_writer import LogWriter
from gatewayd.store.overrides import OverrideRow, list_overrides, save_override
from gatewayd.store.partitions import DAY
from gatewayd.store.request_log import LogFilter, list_rows
from gatewayd.store.retention import BATCH, Retention
from gatewayd.store.tables import blob, body
from gatewayd.store.tokens import TokenRow, add_token, list_tokens
from gatewayd.store.usage import HOUR, list_usage
from tests.store.rows import NOON, log_row


async def fill(store: Store, *days: int, each: int = 3) -> None:
    """So many requests on each day; all of them repeat one message."""
    writer = LogWriter(store)
    for day in days:
        for number in range(each):
            row = log_row(day * DAY + number, id=f"req_{day}_{number}")
            writer.put(row, Bodies({"messages": [{"always": 1}, {"only": row.id}]}))
    await writer.flush()


async def count(store: Store) -> dict[str, int]:
    async with store.read() as session:
        log = len((await list_rows(session, LogFilter(), limit=10**6)).rows)
        told = {"log": log}
        for name, table in (("bodies", body), ("blobs", blob)):
            row = await session.fetch_one(sa.select(sa.func.count().label("n")).select_from(table))
            told[name] = int(row["n"]) if row else 0
    return told


async def test_rows_and_bodies_go_at_their_age_and_usage_stays(store: Store) -> None:
    await fill(store, 0, 10, 100)
    removed = await Retention(store, 90, 14).run(NOON + 101 * DAY)
    assert removed.finished
    told = await count(store)
    assert (told["log"], told["bodies"]) == (3, 3)
    async with store.read() as session:
        whole = await read_bodies(session, "req_100_2")
        assert whole == {"request": {"messages": [{"always": 1}, {"only": "req_100_2"}]}}
        assert sum(row.usage.requests for row in await list_usage(session, 0, 2**60, step="all")) == 9


async def test_what_younger_bodies_share_stays(store: Store) -> None:
    await fill(store, 0, 20)
    await Retention(store, 0, 14).run(NOON + 21 * DAY)
    assert await count(store) == {"log": 6, "bodies": 3, "blobs": 3 + 1 + 1}  # messages, the shared one, the head


async def test_zero_days_keep_for_ever(store: Store) -> None:
    await fill(store, 0)
    removed = await Retention(store, 0, 0).run(NOON + 10_000 * DAY)
    assert (removed.rows, removed.partitions, removed.bodies) == (0, 0, 0)
    assert (await count(store))["log"] == 3


async def test_many_go_in_batches_and_a_run_ends_with_its_time(store: Store) -> None:
    await fill(store, 0, each=2 * BATCH + 500)
    nothing = await Retention(store, 0, 1, seconds=0).run(NOON + 9 * DAY)
    assert (nothing.bodies, nothing.finished) == (0, False)
    reports: list[object] = []
    removed = await Retention(store, 0, 1, report=reports.append).run(NOON + 9 * DAY)
    assert (removed.bodies, removed.finished) == (2 * BATCH + 500, True)
    assert len(reports) >= 3


async def test_a_busy_partition_is_left_for_the_next_run(store: Store) -> None:
    if store.address.engine == "sqlite":
        pytest.skip("SQLite has no partitions")
    await fill(store, 0)
    async with store.read() as session:
        await session.fetch_all("SELECT count(*) FROM request_log")
        # a task has a connection of its own
        removed = await asyncio.create_task(Retention(store, 1, 0).run(NOON + 9 * DAY))
    assert removed.partitions == 0
    assert (await Retention(store, 1, 0).run(NOON + 9 * DAY)).partitions == 1


async def test_writers_go_on_while_much_is_removed(store: Store) -> None:
    await fill(store, 0, each=3 * BATCH)
    retention = asyncio.create_task(Retention(store, 1, 1).run(NOON + 9 * DAY))
    writer = LogWriter(store)
    for number in range(20):
        writer.put(log_row(9 * DAY + number))
        await writer.flush()
    assert (await retention).finished
    assert await count(store) == {"log": 20, "bodies": 0, "blobs": 0}


async def test_sqlite_stays_below_its_size_and_gives_space_back(tmp_path: Path) -> None:
    from gatewayd.store.migrations import upgrade

    path = tmp_path / "x.db"
    async with Store(f"sqlite:///{path}") as store:
        await upgrade(store)
        writer = LogWriter(store)
        for hour in range(30):
            random = [{"data": os.urandom(20_000).hex(" ")} for _ in range(5)]
            writer.put(log_row(hour * HOUR, id=f"req_{hour}"), Bodies({"messages": random}))
        await writer.flush()
        async with store.session() as session:
            await session.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before = path.stat().st_size
        await Retention(store, 0, 0, max_bytes=before // 2).run(NOON + 30 * HOUR)
        async with store.session() as session:
            await session.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert path.stat().st_size <= before // 2 + 100_000
        told = await count(store)
        assert told["log"] == 30  # bodies go first
        assert 0 < told["bodies"] < 30
        async with store.read() as session:
            assert await read_bodies(session, "req_29")
            assert await read_bodies(session, "req_0") == {}
        await Retention(store, 0, 0, max_bytes=1).run(NOON + 29 * HOUR + HOUR // 2)
        assert await count(store) == {"log": 1, "bodies": 1, "blobs": 6}  # the last hour stays


async def test_deleted_gateways_go_for_good_after_thirty_days_with_all_that_hangs_on_them(store: Store) -> None:
    deleted, spec = NOON - 31 * DAY, {"upstream": {"base_url": "https://api.example.com/v1"}}
    rows = [
        GatewayRow("old", spec, "ui", deleted, "admin", state="deleted"),
        GatewayRow("young", spec, "ui", NOON - 29 * DAY, "admin", state="deleted"),
        GatewayRow("active", spec, "ui", deleted, "admin"),
        # its file would make it anew
        GatewayRow("declared", spec, "file:default", deleted, "admin", state="deleted", declared=spec),
    ]
    async with store.write_lock() as session:
        await save_gateways(session, rows)
        for id_ in ("old", "young"):
            await add_token(session, TokenRow(id_, "laptop", "1" * 64, "ui", 1))
            await save_override(session, OverrideRow("gateway", id_, True, "reason", None, "admin", 1))
    await Retention(store, 0, 0).run(NOON)
    async with store.read() as session:
        assert [row.id for row in await list_gateways(session)] == ["active", "declared", "young"]
        assert [row.gateway_id for row in await list_tokens(session)] == ["young"]
        assert [row.id for row in await list_overrides(session)] == ["young"]
        assert [(event.action, event.subject) for event in await list_events(session)] == [("purge", "gateway:old")]
