"""GET /metrics: who may read it, and what exchanges leave in it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gatewayd.errors import Overloaded
from tests.observe.test_metrics import read
from tests.relay.conftest import TOKEN, Served, serve
from tests.relay.provider import Exchange, completion


async def answer(exchange: Exchange) -> None:
    await exchange.json(completion())


async def broken_off(exchange: Exchange) -> None:
    await exchange.start_stream()
    await exchange.text("Hello")
    exchange.writer.transport.abort()


async def silent_after_a_word(exchange: Exchange) -> None:
    await exchange.start_stream()
    await exchange.text("Hello")
    await asyncio.sleep(30)


async def metrics(served: Served) -> dict[str, Any]:
    url = served.url.removesuffix("/gateway/g") + "/metrics"
    response = await served.client.get(url)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return read(response.content)


async def test_an_exchange_is_counted_when_it_has_ended() -> None:
    async with serve(answer) as served:
        await served.post()
        await served.record()
        found = await metrics(served)
    assert found["gatewayd_requests_total gateway=g model=m outcome=ok stream=false upstream_model=m"] == 1
    assert found["gatewayd_upstream_responses_total gateway=g status_class=2xx"] == 1
    assert found["gatewayd_overhead_seconds_count gateway=g"] == 1
    assert 0 < found["gatewayd_overhead_seconds_sum gateway=g"] < 1


async def test_the_overhead_leaves_the_providers_time_out() -> None:
    async def slow(exchange: Exchange) -> None:
        await asyncio.sleep(1)
        await exchange.json(completion())

    async with serve(slow) as served:
        await served.post()
        found = await metrics(served)
    assert found["gatewayd_time_to_first_token_seconds_sum gateway=g model=m"] >= 1
    assert found["gatewayd_overhead_seconds_sum gateway=g"] < 0.5


async def test_each_answer_of_a_provider_and_each_further_attempt_count() -> None:
    answers = iter([(429, {"error": {"message": "busy"}}), (200, completion())])

    async def busy_once(exchange: Exchange) -> None:
        status, body = next(answers)
        await exchange.json(body, status, "Retry-After: 1\r\n")

    async with serve(busy_once) as served:
        assert (await served.post()).status_code == 200
        found = await metrics(served)
    assert found["gatewayd_upstream_responses_total gateway=g status_class=4xx"] == 1
    assert found["gatewayd_upstream_responses_total gateway=g status_class=2xx"] == 1
    assert found["gatewayd_upstream_retries_total gateway=g"] == 1
    assert found["gatewayd_overhead_seconds_count gateway=g"] == 0


async def test_what_is_under_way_and_who_ended_a_stream() -> None:
    async with serve(silent_after_a_word) as served:
        async with served.stream() as response:
            async for line in response.aiter_lines():
                if "Hello" in line:
                    break
            assert (await metrics(served))["gatewayd_inflight_requests"] == 1
        await served.record()
        found = await metrics(served)
    assert found["gatewayd_inflight_requests"] == 0
    assert found["gatewayd_stream_aborts_total by=client gateway=g"] == 1


async def test_a_stream_that_the_provider_broke_off() -> None:
    async with serve(broken_off) as served:
        async with served.stream() as response:
            await response.aread()
        await served.record()
        found = await metrics(served)
    assert found["gatewayd_stream_aborts_total by=upstream gateway=g"] == 1


async def test_a_stream_that_was_ended_by_the_drain() -> None:
    async with serve(silent_after_a_word) as served:
        async with served.stream() as response:
            async for line in response.aiter_lines():
                if "Hello" in line:
                    break
            for exchange in list(served.app.ctx.relay.traffic._running):
                exchange.end(Overloaded("this gateway is being stopped"))
            await served.record()
        found = await metrics(served)
    assert found["gatewayd_stream_aborts_total by=drain gateway=g"] == 1


async def test_a_defect_of_the_gateway_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(answer) as served:
        monkeypatch.setattr("gatewayd.relay.attempt.Answer.feed", lambda *_: 1 / 0)
        assert (await served.post()).status_code == 500
        record = await served.record()
    assert (record.outcome, record.status, record.error) == ("error", 500, "internal error")


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"authorization": "Bearer"}, {"authorization": "Bearer wrong"}, {"authorization": "Basic a-scrape-token"},
        {"authorization": "Bearer A-SCRAPE-TOKEN"}, {"authorization": "Bearer a-scrape-token2"},
        {"x-api-key": TOKEN}, {"cookie": "token=a-scrape-token"},
    ],
)  # fmt: skip
async def test_without_its_token_it_is_a_constant_401(headers: dict[str, str]) -> None:
    async with serve(answer, metrics_token="a-scrape-token") as served:
        request = served.client.build_request("GET", served.url.removesuffix("/gateway/g") + "/metrics")
        del request.headers["x-api-key"]
        request.headers.update(headers)
        response = await served.client.send(request)
    assert response.status_code == 401
    assert response.json()["error"] == {
        "type": "authentication_error",
        "message": "the metrics token is missing or not valid",
    }


async def test_with_its_token_it_is_read_and_a_client_token_opens_nothing_else() -> None:
    async with serve(answer, metrics_token="a-scrape-token") as served:
        root = served.url.removesuffix("/gateway/g")
        request = served.client.build_request("GET", f"{root}/metrics")
        del request.headers["x-api-key"]
        request.headers["authorization"] = "Bearer a-scrape-token"
        assert (await served.client.send(request)).status_code == 200
        headers = {"x-api-key": "a-scrape-token"}
        assert (await served.client.get(f"{served.url}/v1/models", headers=headers)).status_code == 401
