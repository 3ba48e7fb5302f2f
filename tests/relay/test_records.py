"""The record of an exchange: its outcome, whose the tokens are, what they cost, what is stored of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gatewayd.gateways import Gateway
from gatewayd.relay import Record
from gatewayd.relay.recording import Recording
from tests.relay.conftest import Served
from tests.relay.provider import Exchange

PRICE = {"input": 0.28, "output": 0.42, "cache_read": 0.028}
USAGE = {
    "prompt_tokens": 1000, "completion_tokens": 50, "prompt_tokens_details": {"cached_tokens": 600},
    "completion_tokens_details": {"reasoning_tokens": 30},
}  # fmt: skip


def priced(served: Served, price: dict[str, float] | None, **logging: str) -> None:
    gateway = served.snapshot.gateways["g"].gateway
    models = [{"name": "*", **({"price": price} if price else {})}]
    served.swap(gateway=Gateway.model_validate(gateway.spec() | {"models": models, "logging": logging}))


def answer(**fields: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    return {"id": "c", "object": "chat.completion", "choices": [choice], **fields}


async def with_usage(exchange: Exchange) -> None:
    await exchange.json(answer(usage=USAGE))


async def without_usage(exchange: Exchange) -> None:
    await exchange.json(answer())


async def broken_off(exchange: Exchange) -> None:
    await exchange.start_stream()
    await exchange.text("Hello")
    exchange.writer.transport.abort()


async def failing_late(exchange: Exchange) -> None:
    await exchange.start_stream()
    await asyncio.sleep(0.5)  # the silence has been broken meanwhile, by message_start
    await exchange.event(b'data: {"error": {"message": "no"}}\n\n')
    await exchange.write(b"0\r\n\r\n")


async def refusing(exchange: Exchange) -> None:
    await exchange.json({"error": {"message": "no"}}, status=400)


async def test_tokens_and_cost_at_the_price_of_the_moment(serving) -> None:
    async with serving(with_usage) as served:
        priced(served, PRICE)
        await served.post()
        row = (await served.record()).row()
    assert (row.input_tokens, row.cache_read, row.cache_write, row.output_tokens) == (400, 600, 0, 50)
    assert (row.reasoning_tokens, row.usage_source) == (30, "told")
    assert row.cost_nano == 400 * 280 + 600 * 28 + 50 * 420
    assert row.ended_at == row.started_at + row.duration_ms


async def test_without_a_price_the_cost_is_unknown_and_not_nothing(serving) -> None:
    async with serving(with_usage) as served:
        await served.post()
        assert (await served.record()).row().cost_nano is None


async def test_without_usage_the_input_is_an_estimate(serving) -> None:
    async with serving(without_usage) as served:
        priced(served, PRICE)
        await served.post()
        row = (await served.record()).row()
    assert (row.usage_source, row.output_tokens, row.cost_nano) == ("estimated", None, None)
    assert row.input_tokens is not None
    assert row.input_tokens > 0


@pytest.mark.parametrize(
    ("script", "stream", "outcome"),
    [
        (broken_off, True, "truncated"),
        (broken_off, False, "error"),
        (refusing, True, "error"),
        (failing_late, True, "error"),
    ],
)
async def test_how_an_exchange_ended(serving, script: Any, stream: bool, outcome: str) -> None:
    async with serving(script) as served:
        await served.post(stream=stream)
        assert (await served.record()).row().outcome == outcome


async def test_what_no_provider_was_asked_is_refused_and_has_its_row(serving) -> None:
    async with serving(with_usage) as served:
        served.swap(missing_secret="X_API_KEY")
        await served.post()
        await served.client.post(f"{served.url}/v1/messages", content=b"{not json")
        await served.client.post(f"{served.url}/v1/messages", content=b"{}", headers={"x-api-key": "wrong"})
        rows = [record.row() for record in served.records]
    assert [(row.outcome, row.status, row.attempts) for row in rows] == [("refused", 503, 0), ("refused", 400, 0)]
    assert rows[1].error


async def test_claude_codes_ids_and_the_client_are_told(serving) -> None:
    headers = {
        "x-claude-code-session-id": "0f0e-1", "x-claude-code-agent-id": "a1", "x-claude-code-parent-agent-id": "a0",
        "user-agent": "claude-cli/2.1",
    }  # fmt: skip
    async with serving(with_usage) as served:
        served.client.headers.update(headers)
        await served.post()
        served.client.headers["x-claude-code-session-id"] = "no id: x"
        await served.post(metadata={"user_id": '{"device_id":"d","session_id":"0f0e-2"}'})
        await served.post(metadata={"user_id": "{broken"})
        first, second, third = [record.row() for record in served.records]
    assert first[first._fields.index("session") : -1] == ("0f0e-1", "a1", "a0", "127.0.0.1", "claude-cli/2.1")
    assert (second.session, third.session) == ("0f0e-2", "")


@pytest.mark.parametrize(
    ("policy", "script", "stored"),
    [
        ("none", broken_off, False), ("errors", broken_off, True), ("errors", with_usage, False),
        ("all", with_usage, True), ("errors", refusing, True),
    ],
)  # fmt: skip
async def test_bodies_are_kept_as_the_gateway_says(serving, policy: str, script: Any, stored: bool) -> None:
    async with serving(script) as served:
        priced(served, None, bodies=policy)
        await served.post(stream=script is broken_off)
        bodies = (await served.record()).bodies
    assert (bodies is not None) == stored
    if bodies is not None:
        assert bodies.request["messages"] == [{"role": "user", "content": "hi"}]
        assert b'"messages"' in (bodies.upstream or b"")
        assert bodies.secrets == ["sk-provider", "sk-provider"]
        assert "sk-provider" not in repr(bodies)
    if bodies is not None and script is broken_off:
        assert bodies.answer is not None
        assert bodies.answer["content"] == [{"type": "text", "text": "Hello"}]


async def test_the_next_requests_are_recorded_whatever_the_policy(serving) -> None:
    async with serving(with_usage) as served:
        served.app.ctx.relay.recording.captures["g"] = 2
        for _ in range(3):
            await served.post()
        assert [bool(record.bodies and record.bodies.captured) for record in served.records] == [True, True, False]


def test_policy_before_capture_and_captures_run_out() -> None:
    recording = Recording("errors")
    gateway: Any = type("G", (), {"id": "g", "gateway": Gateway.model_validate({"upstream": {"base_url": "http://x"}})})
    recording.captures["g"] = 1
    assert [recording.wants(gateway, outcome) for outcome in ("error", "ok", "ok")] == ["policy", "capture", ""]
    assert (recording.may_want(gateway), Recording().may_want(gateway)) == (True, False)


def test_the_log_line_keeps_its_fields() -> None:
    record = Record("req_1", "g", "t", 1, "m", "u", True, agent="a", user_agent="ua", cost_nano=1_500_000_000)
    fields = record.fields()
    assert fields["cost_usd"] == 1.5
    assert fields.keys() == {
        "request_id", "gateway", "token", "started_at", "model", "upstream_model", "stream", "outcome", "status",
        "duration_ms", "attempts", "cost_usd",
    }  # fmt: skip


def test_a_huge_name_does_not_wait_in_the_queue() -> None:
    row = Record("req_1", "g", "t", 1, "m" * 10**6, "u" * 10**6, True, error="e" * 10**6).row()
    assert sum(len(value) for value in row if isinstance(value, str)) < 2000
