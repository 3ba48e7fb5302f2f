"""Reading the log and usage: pages without gaps or repetitions, filters, sums."""

from __future__ import annotations

from typing import Any

import pytest

from gatewayd.store import Store, request_log
from gatewayd.store.log_writer import LogWriter
from gatewayd.store.request_log import Cursor, LogFilter, LogRow, list_rows
from gatewayd.store.usage import DAY, HOUR, MAX_MODELS, OTHER, Usage, UsageRow, list_usage
from tests.store.rows import NOON, log_row


async def fill(store: Store, rows: list[LogRow]) -> None:
    writer = LogWriter(store)
    for row in rows:
        writer.put(row)
    await writer.flush()


async def pages(store: Store, wanted: LogFilter, limit: int) -> list[list[str]]:
    """The ids of all pages, one after another."""
    out: list[list[str]] = []
    after: Cursor | None = None
    async with store.read() as session:
        for _ in range(1000):
            page = await list_rows(session, wanted, after, limit)
            out.append([row.id for row in page.rows])
            after = page.next
            if after is None:
                return out
    raise AssertionError("pages without end")


MIXED = [
    log_row(
        number // 3,  # several end in the same millisecond
        id=f"req_{number:03}",
        gateway="ab"[number % 2],
        token="xyz"[number % 3],
        model=f"m{number % 5}",
        session=f"s{number % 11}" if number % 4 else None,
        duration_ms=100 * (number % 7),
        outcome="error" if number % 10 == 0 else "cancelled" if number % 10 == 1 else "ok",
        error=f"100%_of {number}\\ Broke" if number % 10 == 0 else None,
    )
    for number in range(200)
]


@pytest.mark.parametrize("limit", [1, 7, 50, 1000])
async def test_pages_show_each_row_once_newest_first(store: Store, limit: int) -> None:
    await fill(store, MIXED)
    found = [identity for page in await pages(store, LogFilter(), limit) for identity in page]
    assert found == [row.id for row in sorted(MIXED, reverse=True)]


@pytest.mark.parametrize("scan", [5, 20_000])
@pytest.mark.parametrize(
    "fields",
    [
        {"gateway": "a"}, {"token": "y"}, {"model": "m3"}, {"session": "s5"}, {"outcome": "ok"}, {"outcome": "error"},
        {"gateway": "a", "token": "y"}, {"gateway": "a", "model": "m3", "outcome": "ok"},
        {"session": "s5", "outcome": "cancelled"}, {"token": "x", "outcome": "error"}, {"gateway": "none"},
        {"since": NOON + 10, "until": NOON + 20}, {"since": NOON + 10, "until": NOON + 20, "gateway": "b"},
    ],
)  # fmt: skip
async def test_filters_give_what_they_say(
    store: Store, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], scan: int
) -> None:
    monkeypatch.setattr(request_log, "SCAN_ROWS", scan)
    await fill(store, MIXED)
    since, until = fields.get("since", 0), fields.get("until", 2**60)
    equal = {name: value for name, value in fields.items() if name not in ("since", "until")}
    expected = [
        row.id
        for row in sorted(MIXED, reverse=True)
        if since <= row.ended_at < until and all(getattr(row, name) == value for name, value in equal.items())
    ]
    found = [identity for page in await pages(store, LogFilter(**fields), 9) for identity in page]
    assert found == expected


@pytest.mark.parametrize(
    ("text", "found"),
    [("100%_of", 20), ("BROKE", 20), ("%", 20), ("_", 20), ("100%of", 0), ("100__of", 0), ("of 10\\ b", 1), ("'", 0)],
)
async def test_text_in_errors_is_looked_for_literally(store: Store, text: str, found: int) -> None:
    await fill(store, MIXED)
    assert sum(map(len, await pages(store, LogFilter(error_text=text), 50))) == found


@pytest.mark.parametrize("least", [0, 1, 300, 301, 600, 601])
async def test_slow_requests_are_found_by_their_duration(store: Store, least: int) -> None:
    await fill(store, MIXED)
    found = [identity for page in await pages(store, LogFilter(duration_ms=least, gateway="a"), 9) for identity in page]
    expected = [row.id for row in sorted(MIXED, reverse=True) if row.duration_ms >= least and row.gateway == "a"]
    assert found == expected


async def test_a_new_row_never_shifts_a_page_that_was_seen(store: Store) -> None:
    await fill(store, MIXED)
    async with store.session() as session:
        first = await list_rows(session, LogFilter(), limit=10)
        await fill(store, [log_row(10_000)])
        second = await list_rows(session, LogFilter(), first.next, limit=10)
    assert [row.id for row in first.rows + second.rows] == [row.id for row in sorted(MIXED, reverse=True)[:20]]


async def test_usage_is_summed_by_what_is_asked_for(store: Store) -> None:
    rows = [
        log_row(0),
        log_row(1, token="u", outcome="error", ttft_ms=None, cost_nano=None, usage_source="none", input_tokens=None),
        log_row(HOUR, outcome="truncated", usage_source="estimated"),
        log_row(DAY, outcome="refused"),
        log_row(DAY + 1, gateway="h", outcome="cancelled"),
    ]
    await fill(store, rows)
    hour, day = NOON, NOON - 12 * HOUR
    async with store.read() as session:
        by_hour = await list_usage(session, 0, 2**60)
        by_day = await list_usage(session, 0, 2**60, step="day", by=("gateway", "token"))
        whole = await list_usage(session, 0, 2**60, step="all")
        one = await list_usage(session, NOON, NOON + HOUR, gateway="g", token="u")
        nothing = await list_usage(session, 0, 1, step="all")
    assert [(row.at, row.usage.requests) for row in by_hour] == [(hour, 2), (hour + HOUR, 1), (hour + DAY, 2)]
    assert [(row.at, row.gateway, row.token, row.usage.requests) for row in by_day] == [
        (day, "g", "t", 2), (day, "g", "u", 1), (day + DAY, "g", "t", 1), (day + DAY, "h", "t", 1),
    ]  # fmt: skip
    assert nothing == []
    assert one == [
        UsageRow(NOON, None, None, None, Usage(
            requests=1, errors=1, unpriced=1, cache_read=4, output_tokens=5, reasoning_tokens=2, duration_ms=900,
        ))
    ]  # fmt: skip
    assert whole[0].usage == Usage(
        requests=5, errors=1, cancelled=1, truncated=1, refused=1, estimated=1, unpriced=1, input_tokens=40,
        cache_read=20, output_tokens=25, reasoning_tokens=10, cost_nano=4000, duration_ms=4500, ttft_ms=1200,
        ttft_count=4,
    )  # fmt: skip


async def test_a_client_cannot_fill_the_roll_up_with_names(store: Store) -> None:
    await fill(store, [log_row(number, model=f"m{number}") for number in range(MAX_MODELS + 50)])
    async with store.read() as session:
        rows = {row.model: row.usage.requests for row in await list_usage(session, 0, 2**60, by=("model",))}
    assert len(rows) == MAX_MODELS + 1
    assert rows[OTHER] == 50
