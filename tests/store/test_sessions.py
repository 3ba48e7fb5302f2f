"""Sessions of Claude Code: sums that agree with the log, pages without gaps, first failures, what is old goes."""

from __future__ import annotations

import itertools
from typing import Any

from alembic import command

from gatewayd.store import Store, sessions
from gatewayd.store.log_writer import LogWriter
from gatewayd.store.migrations import run, upgrade
from gatewayd.store.partitions import make_partitions
from gatewayd.store.request_log import LogRow
from gatewayd.store.retention import Retention
from gatewayd.store.sessions import (
    ClientSession,
    SessionCursor,
    SessionFilter,
    list_sessions,
    list_turns,
    read_session,
)
from gatewayd.store.tables import request_log
from gatewayd.store.usage import DAY
from tests.store.rows import NOON, log_row

ROWS = [
    log_row(1, session="s", input_tokens=100, model="opus"),
    log_row(2, session="s", input_tokens=900, agent="a1", model="haiku"),
    log_row(3, session="s", input_tokens=300, outcome="error", error="no", cost_nano=None),
    log_row(4, session="s", input_tokens=200, outcome="truncated", token="other"),
    log_row(5, session="s", input_tokens=50, outcome="cancelled", gateway="h", token="u", model="opus-2"),
    log_row(6, session=None),
]
SUM = ClientSession(
    id="s", first_at=NOON + 1, last_at=NOON + 5, failed_at=NOON + 3, gateway="h", token="u", model="opus-2",
    context_max=304, requests=5, agent_requests=1, errors=2, unpriced=1, input_tokens=1550, cache_read=20,
    cache_write=0, output_tokens=25, cost_nano=4000, duration_ms=4500,
)  # fmt: skip


async def write(store: Store, batches: list[list[LogRow]]) -> None:
    writer = LogWriter(store)
    for rows in batches:
        for row in rows:
            writer.put(row)
        await writer.flush()


async def test_a_session_is_the_sum_of_its_requests_in_whatever_order_and_batches_they_come(store: Store) -> None:
    async def written(name: str, batches: list[list[LogRow]]) -> ClientSession | None:
        named = [
            [row._replace(id=f"{name}{row.id}", session=row.session and name) for row in batch] for batch in batches
        ]
        await write(store, named)
        async with store.read() as session:
            found = await read_session(session, name)
        return found and found._replace(id="s")

    assert await written("whole", [ROWS]) == SUM
    for number, order in enumerate(itertools.islice(itertools.permutations(ROWS), 0, None, 90)):
        assert await written(f"one-by-one-{number}", [[row] for row in order]) == SUM
        assert await written(f"halves-{number}", [list(order[:3]), list(order[3:])]) == SUM


async def test_a_session_that_never_failed_has_no_failure(store: Store) -> None:
    await write(store, [[ROWS[0]], [ROWS[1], ROWS[4]]])
    async with store.read() as session:
        found = await read_session(session, "s")
        assert await read_session(session, "none") is None
    assert found is not None
    assert (found.failed_at, found.errors) == (None, 0)


async def test_pages_show_each_session_once_the_latest_first(store: Store) -> None:
    rows = [log_row(number // 3, id=f"req_{number}", session=f"s{number:03}") for number in range(40)]
    await write(store, [rows])
    found: list[str] = []
    after: SessionCursor | None = None
    async with store.read() as session:
        while True:
            page = await list_sessions(session, SessionFilter(), after, 7)
            found += [each.id for each in page.sessions]
            after = page.next
            if after is None:
                break
    assert found == [f"s{number:03}" for number in reversed(range(40))]


async def test_sessions_by_gateway_failure_and_time(store: Store) -> None:
    rows = [
        log_row(number, session=f"s{number}", gateway="ab"[number % 2], outcome="error" if number > 7 else "ok")
        for number in range(10)
    ]
    await write(store, [rows])

    async def ids(**fields: object) -> list[str]:
        async with store.read() as session:
            page = await list_sessions(session, SessionFilter(**fields))  # type: ignore[arg-type]
        return [each.id for each in page.sessions]

    assert await ids(gateway="b") == ["s9", "s7", "s5", "s3", "s1"]
    assert await ids(failed=True) == ["s9", "s8"]
    assert await ids(since=NOON + 2, until=NOON + 4) == ["s3", "s2"]
    assert await ids(gateway="none") == []


async def test_turns_are_the_sessions_requests_oldest_first_and_bounded(store: Store, monkeypatch) -> None:
    await write(store, [ROWS])
    async with store.read() as session:
        found = await list_turns(session, SUM)
        monkeypatch.setattr(sessions, "MAX_TURNS", 2)
        latest = await list_turns(session, SUM)
    assert [turn.id for turn in found] == [row.id for row in ROWS[:5]]
    assert (found[1].agent, found[2].error, found[0].agent) == ("a1", "no", None)
    assert [turn.id for turn in latest] == [row.id for row in ROWS[3:5]]


async def test_what_is_old_goes_with_its_log_rows(store: Store) -> None:
    await write(store, [[log_row(0, session="old"), log_row(2 * DAY, session="new")]])
    await Retention(store, log_days=1, body_days=1).run(now=NOON + 2 * DAY + 1)
    async with store.read() as session:
        assert [each.id for each in (await list_sessions(session, SessionFilter())).sessions] == ["new"]


async def test_an_upgrade_sums_up_what_the_log_holds_already(database_url: str) -> None:
    async with Store(database_url) as store:
        migrations = run._build_engine(store.address)
        async with migrations.begin() as connection:
            await connection.run_sync(lambda sync: command.upgrade(run.build_config(sync), "0006"))
        await migrations.dispose()
        await make_partitions(store, {NOON // DAY})
        huge = log_row(7, session="huge", input_tokens=2**62, cost_nano=2**62, cache_read=None)
        async with store.write() as session:
            for row in [*ROWS, huge, huge._replace(id="req_other")]:
                await session.execute(_as_it_was(row))
        await upgrade(store)
        async with store.read() as session:
            found = await read_session(session, "s")
            capped = await read_session(session, "huge")
    assert found is not None
    assert found._replace(gateway="h", token="u", model="opus-2") == SUM
    assert capped is not None
    assert (capped.input_tokens, capped.cost_nano, capped.context_max) == (2 * 10**10, 2 * 10**14, 10**10)


def _as_it_was(row: LogRow) -> Any:
    values = {name: value for name, value in row._asdict().items() if name != "timeline"}
    return request_log.insert().values(**{**values, "stream": int(row.stream)})
