"""Retry, fallback and breaker: before the first content only, and never without need."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from gatewayd.gateways import Gateway, Snapshot
from gatewayd.relay.breaker import FAILURES, LONGEST
from tests.relay.conftest import Served, active, events, serve
from tests.relay.provider import Exchange, Provider, Script, completion


async def well(exchange: Exchange) -> None:
    if exchange.body["stream"]:
        await exchange.start_stream()
        await exchange.text("from elsewhere")
        await exchange.finish()
        await exchange.end()
    else:
        await exchange.json(completion("from elsewhere"))


def failing(status: int, headers: str = "") -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.json({"error": {"message": "told so"}}, status=status, headers=headers)

    return script


async def hang_up(exchange: Exchange) -> None:
    exchange.writer.close()


@asynccontextmanager
async def serve_two(script: Script, **options) -> AsyncIterator[tuple[Served, Provider]]:
    """Gateway `g` in front of `script`, falling back to `lost`, `bare` (no secret) and `other`, which is well."""
    async with Provider(well) as second, serve(script, **options) as served:
        first = served.snapshot.gateways["g"]
        record = first.gateway.model_copy(update={"fallback": ("lost", "bare", "other")})
        other = replace(active(base_url=second.url), id="other")
        models = {"models": [{"name": "*", "upstream_model": "small"}]}
        other = replace(other, gateway=Gateway.model_validate(other.gateway.spec() | models))
        gateways = {
            "g": replace(first, gateway=record),
            "bare": replace(other, id="bare", missing_secret="X_API_KEY"),
            "other": other,
        }
        served.snapshot = Snapshot(gateways)
        yield served, second


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("status", "calls"), [(429, 1), (500, 1), (503, 1), (401, 1), (402, 1)])
async def test_another_gateway_answers_with_its_own_model_map(status: int, calls: int, stream: bool) -> None:
    async with serve_two(failing(status)) as (served, second):
        response = await served.post(stream=stream)
        assert response.status_code == 200
        assert "from elsewhere" in response.text
        assert response.headers["x-gatewayd-notes"] == "fallback.used"
        assert len(served.provider.exchanges) == calls
        assert second.exchanges[0].body["model"] == "small"
        record = await served.record()
        assert (record.gateway, record.fallback, record.upstream_model) == ("g", "other", "small")
        assert (record.attempts, record.outcome, len(served.records)) == (calls + 1, "ok", 1)


@pytest.mark.parametrize("status", [400, 403, 404, 413, 422])
async def test_what_the_client_has_to_put_right_goes_to_the_client(status: int) -> None:
    async with serve_two(failing(status)) as (served, second):
        assert (await served.post()).status_code in (400, 403, 404, 413)
        assert second.exchanges == []


async def test_a_connection_that_fails_is_tried_once_more_and_then_another_gateway() -> None:
    async with serve_two(hang_up) as (served, _):
        assert (await served.post()).status_code == 200
        assert len(served.provider.exchanges) == 2
        assert (await served.record()).attempts == 3


async def test_a_connection_that_fails_once_is_not_seen_by_the_client() -> None:
    async def script(exchange: Exchange) -> None:
        await (hang_up(exchange) if len(served.provider.exchanges) == 1 else well(exchange))

    async with serve(script) as served:
        assert (await served.post()).status_code == 200
        assert (await served.record()).attempts == 2


async def test_after_the_first_content_nothing_is_tried_again() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.start_stream()
        await exchange.text("begun")
        await asyncio.sleep(0.1)
        await exchange.event({"error": {"message": "told so", "code": 500}})

    async with serve_two(script) as (served, second):
        seen = events((await served.post(stream=True)).text)
        assert seen[-1][0] == "error"
        assert second.exchanges == []
        assert len(served.provider.exchanges) == 1


async def test_an_error_as_the_first_event_falls_back() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.start_stream()
        await exchange.event({"error": {"message": "told so", "code": 503}})
        await exchange.write(b"0\r\n\r\n")

    async with serve_two(script) as (served, _):
        assert events((await served.post(stream=True)).text)[-1][0] == "message_stop"


async def test_a_fallback_after_the_commitment_sends_no_second_message_start() -> None:
    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(0.6)
        await failing(500)(exchange)

    async with serve_two(script) as (served, _):
        names = [name for name, _ in events((await served.post(stream=True)).text)]
        assert names.count("message_start") == 1
        assert names[-1] == "message_stop"


async def test_a_short_retry_after_is_waited_for_once() -> None:
    async def script(exchange: Exchange) -> None:
        first = len(served.provider.exchanges) == 1
        await (failing(429, "Retry-After: 1\r\n") if first else well)(exchange)

    async with serve(script) as served:
        assert (await served.post()).status_code == 200
        assert (await served.record()).attempts == 2


async def test_a_long_retry_after_is_the_clients_to_wait_for() -> None:
    async with serve(failing(429, "Retry-After: 30\r\n")) as served:
        response = await served.post()
        assert (response.status_code, response.headers["retry-after"]) == (429, "30")
        assert len(served.provider.exchanges) == 1


async def test_a_provider_that_fails_again_and_again_is_left_alone() -> None:
    async with serve(failing(500)) as served:
        for _ in range(FAILURES):
            assert (await served.post()).status_code == 502
        response = await served.post()
        assert response.status_code == 529
        assert 1 <= int(response.headers["retry-after"]) <= 60
        assert len(served.provider.exchanges) == FAILURES


async def test_nobody_is_told_to_wait_longer_than_claude_code_does(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(well) as served:
        monkeypatch.setattr(served.app.ctx.relay.means.breakers, "wait", lambda _upstream: LONGEST)
        response = await served.post()
        assert (response.status_code, response.headers["retry-after"]) == (529, "60")


async def test_with_a_fallback_the_failing_provider_is_passed_over() -> None:
    async with serve_two(failing(500)) as (served, _):
        for _ in range(FAILURES + 3):
            assert (await served.post()).status_code == 200
        assert len(served.provider.exchanges) == FAILURES


async def test_refusals_and_rate_limits_open_no_breaker() -> None:
    for status in (400, 429, 401):
        async with serve(failing(status)) as served:
            for _ in range(FAILURES + 2):
                await served.post()
            assert len(served.provider.exchanges) == FAILURES + 2
