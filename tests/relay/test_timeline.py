"""The timeline of an exchange: what it tells of attempts, blocks, pings and silences, and that it stays small."""

from __future__ import annotations

import asyncio
from typing import Any

from gatewayd.errors import Overloaded
from gatewayd.protocol import events
from gatewayd.relay.timeline import MAX_MARKS, Mark, Timeline, parse_timeline
from gatewayd.store.request_log import clean_row
from tests.relay.provider import Exchange


def kinds(text: str) -> list[tuple[str, str]]:
    return [(mark.kind, mark.detail) for mark in parse_timeline(text)]


async def two_words(exchange: Exchange) -> None:
    await exchange.start_stream()
    await exchange.text("Hello")
    await asyncio.sleep(0.7)  # longer than the silence that is broken, and than the one that is worth a mark
    await exchange.text(" there")
    await exchange.finish()
    await exchange.end()


async def test_a_stream_leaves_its_first_bytes_blocks_pings_and_silence(serving) -> None:
    async with serving(two_words) as served:
        await served.post(stream=True)
        record = await served.record()
    found = {mark.kind: mark for mark in parse_timeline(record.row().timeline)}
    assert list(found) == ["attempt", "status", "first", "open", "ping", "close", "silence"]
    details = (found["attempt"].detail, found["status"].detail, found["open"].detail)
    assert details == ("g", "200", "text")
    assert int(found["ping"].detail) >= 2
    assert 650 <= int(found["silence"].detail) <= found["silence"].at <= record.duration_ms


async def test_an_answer_that_is_not_streamed_has_its_timeline_too(serving) -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.json({"choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]})

    async with serving(answer) as served:
        await served.post()
        text = (await served.record()).row().timeline
    assert kinds(text or "") == [
        ("attempt", "g"), ("status", "200"), ("first", ""), ("open", "text"), ("close", ""),
    ]  # fmt: skip


async def test_each_attempt_tells_how_it_failed(serving) -> None:
    async def failing(exchange: Exchange) -> None:
        await exchange.json({"error": {"message": "busy"}}, status=503)

    async with serving(failing) as served:
        await served.post()
        text = (await served.record()).row().timeline
    assert kinds(text or "") == [("attempt", "g"), ("status", "503"), ("failed", "overloaded_error")]


async def test_what_no_provider_was_asked_has_no_timeline(serving) -> None:
    async with serving(two_words) as served:
        served.swap(missing_secret="X")
        await served.post()
        assert clean_row((await served.record()).row()).timeline is None


def blocks(count: int) -> list[Any]:
    return [
        event
        for index in range(count)
        for event in (events.block_start(index, dict(events.TEXT_BLOCK)), events.block_stop(index))
    ]


def test_a_thousand_blocks_leave_a_short_line_that_the_log_takes_whole() -> None:
    timeline = Timeline(0.0)
    timeline.attempt("g" * 63, 0.0)
    timeline.emitted(blocks(1000), 3_600_000.0)
    found = parse_timeline(timeline.text())
    assert len(found) == MAX_MARKS + 1
    assert found[-1] == Mark("more", 3_600_000_000, str(2001 - MAX_MARKS))
    assert len(timeline.text()) <= 1000


def test_pings_in_a_row_are_one_mark_at_the_first() -> None:
    timeline = Timeline(10.0)
    for second in (11.0, 12.0, 13.0):
        timeline.emitted([events.PING, events.block_delta(0, "text", "")], second)
    timeline.emitted(blocks(1), 14.0)
    timeline.emitted([events.PING], 15.0)
    assert [mark for mark in parse_timeline(timeline.text()) if mark.kind == "ping"] == [
        Mark("ping", 1000, "3"), Mark("ping", 5000, "1"),
    ]  # fmt: skip


def test_the_wait_for_the_first_bytes_of_an_attempt_is_no_silence() -> None:
    timeline = Timeline(0.0)
    timeline.attempt("g", 0.0)
    timeline.heard(9.0)
    timeline.add("failed", 9.1, Overloaded("x").type)
    timeline.attempt("h", 9.2)
    timeline.heard(20.0)
    timeline.heard(20.4)
    assert "silence" not in dict(kinds(timeline.text()))
    timeline.heard(21.4)
    timeline.heard(22.0)
    assert parse_timeline(timeline.text())[-1] == Mark("silence", 21400, "1000")


def test_what_is_no_timeline_is_read_as_nothing() -> None:
    assert parse_timeline(None) == parse_timeline("") == parse_timeline("x@y <b>@1 open:<script>@3 \0") == []
