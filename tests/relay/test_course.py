"""Attempts one after another: nothing of an answer is sent twice, nothing is left open, the clock goes on."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from gatewayd.relay import Timing
from tests.relay.conftest import QUICK, events
from tests.relay.provider import Exchange, chunk, completion

NO_TEMPERATURE = {"error": {"message": "Unsupported parameter: 'temperature' is not supported with this model."}}


async def answer(exchange: Exchange) -> None:
    if not exchange.body["stream"]:
        await exchange.json(completion())
        return
    await exchange.start_stream()
    await exchange.text("Hi")
    await exchange.finish()
    await exchange.end()


def learned(served: Any) -> list[str]:
    _dialect, habits = served.app.ctx.relay.means.learned.dialect(served.snapshot.gateways["g"], "m")
    return sorted(habits)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_refusal_inside_an_answer_is_learned_from_too(serving, stream: bool) -> None:
    async def script(exchange: Exchange) -> None:
        if "temperature" not in exchange.body:
            await answer(exchange)
        elif stream:
            await exchange.start_stream()
            await exchange.event({"error": NO_TEMPERATURE["error"] | {"code": 400}})
        else:
            await exchange.json({"error": NO_TEMPERATURE["error"] | {"code": 400}})

    async with serving(script) as served:
        response = await served.post(stream=stream, temperature=0.5)
        assert response.status_code == 200
        assert response.text.count("message_start") == (2 if stream else 0)  # the event's name and its type
        assert (await served.record()).attempts == 2
        assert learned(served) == ["temperature"]


async def test_a_refusal_behind_content_is_only_told(serving) -> None:
    read = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.start_stream()
        await exchange.text("Hello")
        await read.wait()
        await exchange.event({"error": NO_TEMPERATURE["error"] | {"code": 400}})

    async with serving(script) as served, served.stream(temperature=0.5) as response:
        text = ""
        async for piece in response.aiter_text():
            text += piece
            if "Hello" in text:
                read.set()
        assert events(text)[-1][0] == "error"
        assert len(served.provider.exchanges) == 1
        assert learned(served) == []


async def test_what_was_sent_already_is_not_sent_again(serving) -> None:
    """200 is committed while the first attempt waits; the second one answers under the same id."""

    async def script(exchange: Exchange) -> None:
        if "temperature" in exchange.body:
            await asyncio.sleep(QUICK.commit + 0.2)
            await exchange.json(NO_TEMPERATURE, status=400)
        else:
            await answer(exchange)

    async with serving(script) as served:
        seen = events((await served.post(stream=True, temperature=0.5)).text)
        names = [name for name, _ in seen if name != "ping"]
        assert names.count("message_start") == 1
        assert names[0] == "message_start"
        assert names[-1] == "message_stop"
        record = await served.record()
        assert (record.outcome, record.attempts) == ("ok", 2)


async def test_once_a_block_was_opened_to_hold_the_line_no_other_attempt_is_made(serving) -> None:
    timing = Timing(commit=0.1, ping=0.1, hold=0.2, usage=0.2, tick=0.05)

    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(0.6)
        await exchange.json(NO_TEMPERATURE, status=400)

    async with serving(script, timing=timing) as served:
        thinking = {"type": "enabled", "budget_tokens": 1024}
        seen = events((await served.post(stream=True, temperature=0.5, max_tokens=2048, thinking=thinking)).text)
        starts = [payload["index"] for name, payload in seen if name == "content_block_start"]
        assert starts == [0]
        assert seen[-1][0] == "error"
        assert len(served.provider.exchanges) == 1


async def test_a_change_that_is_answered_in_the_same_words_is_taken_back(serving) -> None:
    told = {"error": {"message": "temperature and top_p: not supported"}}

    async def script(exchange: Exchange) -> None:
        if "top_p" in exchange.body:
            await exchange.json(told, status=400)
        else:
            await answer(exchange)

    async with serving(script) as served:
        assert (await served.post(temperature=0.5, top_p=0.9)).status_code == 200
        sent = [sorted({"temperature", "top_p"} & set(exchange.body)) for exchange in served.provider.exchanges]
        assert sent == [["temperature", "top_p"], ["top_p"], ["temperature"]]
        assert learned(served) == ["top_p"]


@pytest.mark.parametrize("stream", [True, False])
async def test_the_client_leaves_between_attempts(serving, stream: bool) -> None:
    second = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        if "temperature" in exchange.body:
            await exchange.json(NO_TEMPERATURE, status=400)
        else:
            second.set()
            await asyncio.Event().wait()

    async with serving(script, timing=Timing()) as served:
        call = asyncio.ensure_future(served.post(stream=stream, temperature=0.5))
        async with asyncio.timeout(5):
            await second.wait()
        call.cancel()
        async with asyncio.timeout(1):
            await served.provider.closed[served.provider.exchanges[-1].connection].wait()
        record = await served.record()
        assert (record.outcome, record.attempts) == ("cancelled", 2)
        assert len(served.records) == 1
        assert learned(served) == []


async def test_the_clock_of_an_exchange_is_not_set_back(serving) -> None:
    refusals = iter(["temperature", "top_p", "stop"])

    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(0.3)
        await exchange.json({"error": {"message": f"Unknown parameter: '{next(refusals)}'."}}, status=400)

    async with serving(script, timing=Timing(tick=0.05), timeouts={"total": 0.5}) as served:
        began = time.monotonic()
        response = await served.post(temperature=0.5, top_p=0.5, stop_sequences=["a"])
        assert response.status_code == 504
        assert time.monotonic() - began < 1.5
        assert (await served.record()).attempts == 2


@pytest.mark.parametrize("status", [401, 403, 404, 413, 429, 500, 503])
async def test_other_statuses_lead_to_no_other_attempt(serving, status: int) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.json(NO_TEMPERATURE, status=status)

    async with serving(script) as served:
        await served.post(temperature=0.5)
        assert len(served.provider.exchanges) == 1


async def test_thinking_that_must_come_back_but_is_lost_has_a_stand_in(serving) -> None:
    """A model of Moonshot's behind an address that nobody described; the history was begun at another provider."""

    async def script(exchange: Exchange) -> None:
        calls = [message for message in exchange.body["messages"] if message.get("tool_calls")]
        if all(message.get("reasoning_content") for message in calls):
            await answer(exchange)
        else:
            said = "thinking is enabled but reasoning_content is missing in assistant tool call message at index 1"
            await exchange.json({"error": {"message": said}}, status=400)

    async with serving(script) as served:
        history = [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "r"}]},
        ]
        tools = [{"name": "f", "input_schema": {"type": "object"}}]
        assert (await served.post(messages=history, tools=tools)).status_code == 200
        assert len(served.provider.exchanges) == 3
        assert (await served.post(messages=history, tools=tools)).status_code == 200
        assert len(served.provider.exchanges) == 4


async def test_a_chunk_without_content_does_not_hinder(serving) -> None:
    async def script(exchange: Exchange) -> None:
        if "temperature" not in exchange.body:
            await answer(exchange)
            return
        await exchange.start_stream()
        await exchange.event(chunk({"role": "assistant", "content": ""}))
        await exchange.event({"error": NO_TEMPERATURE["error"] | {"code": 400}})

    async with serving(script) as served:
        seen = events((await served.post(stream=True, temperature=0.5)).text)
        assert [name for name, _ in seen].count("message_start") == 1
        assert seen[-1][0] == "message_stop"


async def test_an_error_in_the_first_event_is_told_though_200_was_committed(serving) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.start_stream()
        await asyncio.sleep(QUICK.commit + 0.2)
        await exchange.event({"error": {"message": "out of order", "code": 500}})

    async with serving(script) as served:
        seen = events((await served.post(stream=True)).text)
        assert [name for name, _ in seen if name != "ping"] == ["message_start", "error"]
        assert (await served.record()).outcome == "error"
