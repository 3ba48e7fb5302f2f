"""The log writer: all rows arrive once, none waits for another, what cannot be kept is counted."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from gatewayd.errors import StoreUnavailable
from gatewayd.store import Session, Store, log_writer
from gatewayd.store.bodies import Bodies, read_bodies
from gatewayd.store.captures import list_captures, save_capture
from gatewayd.store.log_writer import LogWriter
from gatewayd.store.partitions import DAY, drop_partitions, list_partitions
from gatewayd.store.request_log import LogFilter, LogRow, list_rows, read_row
from gatewayd.store.usage import list_usage
from tests.store.rows import NOON, log_row


async def all_rows(store: Store) -> list[LogRow]:
    async with store.read() as session:
        return (await list_rows(session, LogFilter(), limit=100_000)).rows


async def total_requests(store: Store) -> int:
    async with store.read() as session:
        return sum(row.usage.requests for row in await list_usage(session, 0, 2**62, step="all"))


async def written(store: Store, *rows: LogRow) -> LogWriter:
    writer = LogWriter(store)
    for row in rows:
        writer.put(row)
    await writer.flush()
    return writer


async def test_a_row_comes_back_as_it_was_put(store: Store) -> None:
    row = log_row(1, session="s", agent="a", parent_agent="p", notes="a.b,c.d", error="e", answered_by="other")
    await written(store, row)
    async with store.read() as session:
        assert await read_row(session, row.id) == row
        assert await read_row(session, "req_none") is None


async def test_a_row_is_there_within_a_second(store: Store) -> None:
    writer = LogWriter(store)
    task = asyncio.create_task(writer.run())
    await asyncio.sleep(0)
    began = time.monotonic()
    writer.put(log_row())
    async with asyncio.timeout(5):
        while not await all_rows(store):
            await asyncio.sleep(0.02)
    assert time.monotonic() - began < 1
    await writer.close(task, 5)
    assert task.done()


async def test_many_rows_of_many_days_all_arrive_with_their_usage(store: Store) -> None:
    rows = [log_row(number * DAY // 100, id=f"req_{number}") for number in range(1203)]
    await written(store, *rows)
    assert {row.id for row in await all_rows(store)} == {row.id for row in rows}
    assert await total_requests(store) == 1203


HOSTILE: list[dict[str, Any]] = [
    {"model": "a\0b", "error": "\ud83d cut", "user_agent": "\x1b[31m\u202e"},
    {"model": "x" * 1_000_000, "error": "y" * 1_000_000, "notes": "z" * 1_000_000},
    {"input_tokens": 2**63, "output_tokens": -1, "cache_read": 10**40, "cost_nano": 2**64},
    {"ttft_ms": float("nan"), "duration_ms": float("inf"), "status": 2**40, "attempts": "three"},
    {"model": None, "outcome": None, "stream": None, "token": ""},
    {"id": "'; DROP TABLE request_log; --"},
    {"session": b"\xff", "upstream_model": {"a": 1}},
]


async def test_hostile_values_are_stored_harmless(store: Store) -> None:
    rows = [log_row(number, **{"id": f"req_{number}"} | fields) for number, fields in enumerate(HOSTILE)]
    writer = await written(store, *rows)
    assert writer.refused_rows == 0
    stored = await all_rows(store)
    assert len(stored) == len(HOSTILE)
    for row in stored:
        texts = [value for value in row if isinstance(value, str)]
        assert all("\0" not in text and len(text) <= 1000 for text in texts)
        "".join(texts).encode()
        assert all(0 <= value < 2**63 for value in row if isinstance(value, int))


async def test_a_thousand_absurd_counts_do_not_overflow_the_sums(store: Store) -> None:
    await written(store, *(log_row(number, input_tokens=2**63 - 1, cost_nano=2**63 - 1) for number in range(1100)))
    assert await total_requests(store) == 1100


async def test_one_bad_row_takes_no_neighbour_with_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_writer, "clean_row", lambda row: row)  # as if a hole were left in the cleaning
    bad = [log_row(30, model=None), log_row(61, input_tokens=2**70)]
    writer = await written(store, *(log_row(number) for number in range(30)), *bad, log_row(99))
    assert (writer.refused_rows, len(writer)) == (2, 0)
    assert len(await all_rows(store)) == 31
    assert await total_requests(store) == 31


async def test_with_the_database_away_rows_wait_and_arrive_once(store: Store) -> None:
    writer = LogWriter(store)
    for number in range(700):
        writer.put(log_row(number))
    await store.disconnect()
    with pytest.raises(StoreUnavailable):
        await writer.flush()
    assert len(writer) == 700
    await store.connect()
    await writer.flush()
    assert (len(await all_rows(store)), await total_requests(store), len(writer)) == (700, 700, 0)


async def test_a_commit_whose_answer_was_lost_is_not_repeated(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    execute = Session.execute

    async def lose(self: Session, query: Any) -> None:
        await execute(self, query)
        if query == "COMMIT":
            monkeypatch.undo()
            raise StoreUnavailable("lost")

    writer = LogWriter(store)
    for number in range(12):
        writer.put(log_row(number), Bodies({"model": "m"}))
    monkeypatch.setattr(Session, "execute", lose)
    with pytest.raises(StoreUnavailable):
        await writer.flush()
    writer.put(log_row(12))
    await writer.flush()
    assert (len(await all_rows(store)), await total_requests(store), writer.refused_rows) == (13, 13, 0)


async def test_a_database_that_takes_few_rows_in_time_gets_few(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    insert_many, sizes = Session.insert_many, []

    async def slow(self: Session, table: Any, rows: Any, conflict: str = "") -> None:
        if table.name == "request_log":
            sizes.append(len(rows))
            if len(rows) > 15:
                raise StoreUnavailable("does not answer in time")
        await insert_many(self, table, rows, conflict)

    monkeypatch.setattr(Session, "insert_many", slow)
    writer = LogWriter(store)
    for number in range(200):
        writer.put(log_row(number))
    for _ in range(30):
        try:
            await writer.flush()
        except StoreUnavailable:
            continue
        break
    assert (len(await all_rows(store)), await total_requests(store)) == (200, 200)
    assert sizes[:3] == [200, 50, 12]


async def test_beyond_its_room_the_oldest_bodies_go_first_and_then_the_oldest_rows(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "QUEUE_ROWS", 10)
    monkeypatch.setattr(log_writer, "QUEUE_BYTES", 5 * Bodies({}).size)
    writer = LogWriter(store)
    for number in range(8):
        writer.put(log_row(number), Bodies({"n": number}))
    assert (len(writer), writer.dropped_bodies, writer.dropped_rows) == (8, 3, 0)
    for number in range(8, 14):
        writer.put(log_row(number))
    assert (len(writer), writer.dropped_bodies, writer.dropped_rows) == (10, 4, 4)
    await writer.flush()
    assert [row.id for row in await all_rows(store)] == [log_row(number).id for number in range(13, 3, -1)]
    async with store.read() as session:
        kept = [number for number in range(14) if await read_bodies(session, log_row(number).id)]
    assert kept == [4, 5, 6, 7]


async def test_at_the_end_what_is_queued_is_written(store: Store) -> None:
    writer = LogWriter(store)
    task = asyncio.create_task(writer.run())
    for number in range(2000):
        writer.put(log_row(number))
    await writer.close(task, 10)
    assert len(await all_rows(store)) == 2000


async def test_the_end_is_bounded_when_the_database_is_away(store: Store) -> None:
    writer = LogWriter(store)
    task = asyncio.create_task(writer.run())
    writer.put(log_row())
    await store.disconnect()
    began = time.monotonic()
    await writer.close(task, 0.5)
    assert time.monotonic() - began < 1.5
    assert (task.done(), len(writer)) == (True, 1)
    await store.connect()


async def test_a_writer_goes_on_when_the_database_comes_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_writer, "_RETRY_SECONDS", 0.05)
    writer = LogWriter(store)
    await store.disconnect()
    task = asyncio.create_task(writer.run())
    writer.put(log_row())
    await asyncio.sleep(0.4)
    await store.connect()
    async with asyncio.timeout(5):
        while len(writer):
            await asyncio.sleep(0.02)
    await writer.close(task, 5)
    assert len(await all_rows(store)) == 1


async def test_two_writers_add_up_the_same_hour(database_url: str, store: Store) -> None:
    async with Store(database_url) as second:
        writers = [LogWriter(store), LogWriter(second)]
        for number in range(1000):
            writers[number % 2].put(log_row(number, model=f"m{number % 7}"), Bodies({"system": [{"n": number % 5}]}))
        await asyncio.gather(*(writer.flush() for writer in writers))
    assert (len(await all_rows(store)), await total_requests(store)) == (1000, 1000)


async def test_of_the_next_requests_exactly_so_many_are_recorded(store: Store) -> None:
    async with store.write() as session:
        await save_capture(session, "g", 3)
    writer = LogWriter(store)
    for number in range(5):
        writer.put(log_row(number), Bodies({"messages": [{"same": True}]}, captured=True))
    await writer.flush()
    async with store.read() as session:
        bodies = [await read_bodies(session, log_row(number).id) for number in range(5)]
        assert await list_captures(session) == {}
    assert bodies == [{"request": {"messages": [{"same": True}]}}] * 3 + [{}] * 2


async def test_bodies_that_cannot_be_packed_do_not_cost_the_row(store: Store) -> None:
    writer = LogWriter(store)
    writer.put(log_row(1), Bodies({}, upstream=b"{not json"))
    await writer.flush()
    assert (len(await all_rows(store)), writer.dropped_bodies) == (1, 1)


async def test_partitions_are_made_ahead_and_dropped_by_the_day(store: Store) -> None:
    if store.address.engine == "sqlite":
        pytest.skip("SQLite has no partitions")
    await written(store, log_row(0), log_row(DAY), log_row(3 * DAY))
    today = int(time.time() * 1000) // DAY
    async with store.session() as session:
        days = await list_partitions(session)
    assert days == [NOON // DAY, NOON // DAY + 1, NOON // DAY + 3, today, today + 1]
    assert await drop_partitions(store, NOON + DAY) == 1
    assert [row.ended_at for row in await all_rows(store)] == [NOON + 3 * DAY, NOON + DAY]


async def test_a_row_for_a_day_that_was_dropped_meanwhile_is_written(store: Store) -> None:
    writer = await written(store, log_row(0))
    await drop_partitions(store, NOON + DAY)
    writer.put(log_row(1))
    await writer.flush()
    assert log_row(1) in await all_rows(store)
