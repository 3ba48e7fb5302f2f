"""Limits as a client meets them: what passes, what is refused in which words, and that all is given back."""

from __future__ import annotations

import asyncio
import hashlib
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import redis.asyncio

from gatewayd.errors import ConfigurationError, RateLimited
from gatewayd.gateways import Limits
from gatewayd.protocol.tokens import estimate_tokens, read_features
from gatewayd.relay import Limiter
from gatewayd.relay.limits import Admission, check_storage
from gatewayd.relay.record import Record
from tests.redis_server import RedisServer
from tests.relay.conftest import Clock, Served, active, body, serve
from tests.relay.provider import Exchange, completion
from tests.tools import ROOT

pytestmark = pytest.mark.usefixtures("clock")  # a minute that ends in the middle of a test would slide the counts
ESTIMATE = estimate_tokens(body())
USED = 9  # by the answers of this module's provider


async def answer(exchange: Exchange) -> None:
    """By the request's first message: a failure, a stream that never ends, or an answer."""
    words = exchange.body["messages"][-1]["content"]
    if words == "fail":
        await exchange.json({"error": {"message": "broken"}}, status=400)
    elif words == "hang":
        await exchange.start_stream()
        await exchange.text("Hello")
        await asyncio.Event().wait()
    elif exchange.body.get("stream"):
        await exchange.start_stream()
        await exchange.text("Hi")
        await exchange.finish()
        await exchange.event({"choices": [], "usage": completion()["usage"]})
        await exchange.end()
    else:
        await exchange.json(completion())


def limit(served: Served, token_limits: dict[str, int] | None = None, **limits: int) -> None:
    record = served.snapshot.gateways["g"].gateway
    changes = {"limits": Limits(**limits), "token_limits": Limits(**(token_limits or {}))}
    served.swap(gateway=record.model_copy(update=changes))


def say(words: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": words}]}


@asynccontextmanager
async def hanging(served: Served) -> AsyncIterator[None]:
    """A stream that has begun and does not end; its client leaves."""
    async with served.stream(**say("hang")) as response:
        pieces = response.aiter_text()
        await anext(pieces)
        yield
        await pieces.aclose()


def told(response: httpx.Response, kind: str) -> tuple[int, int, int]:
    """Limit, remaining, and the seconds from the clock's start until the reset."""
    limit, remaining, reset = (
        response.headers[f"anthropic-ratelimit-{kind}-{part}"] for part in ("limit", "remaining", "reset")
    )
    at = datetime.strptime(reset, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return int(limit), int(remaining), int(at.timestamp() - Clock().now)


def refusal(response: httpx.Response) -> str:
    assert response.status_code == 429
    assert response.json()["error"]["type"] == "rate_limit_error"
    assert response.json()["request_id"] == response.headers["request-id"]
    assert 1 <= int(response.headers["retry-after"]) <= 60
    return str(response.json()["error"]["message"])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


# --- per minute ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False])
async def test_requests_per_minute(stream: bool) -> None:
    async with serve(answer) as served:
        limit(served, requests_per_minute=2)
        responses = [await served.post(stream=stream) for _ in range(3)]
        assert [response.status_code for response in responses] == [200, 200, 429]
        assert [told(response, "requests")[:2] for response in responses] == [(2, 1), (2, 0), (2, 0)]
        assert refusal(responses[2]) == "gateway g may use 2 requests in a minute; try again in 41 s"
        assert "anthropic-ratelimit-tokens-limit" not in responses[0].headers
        assert len(served.provider.exchanges) == 2
        assert [(record.status, record.token) for record in served.records] == [
            (200, "test"),
            (200, "test"),
            (429, "test"),
        ]
        assert served.records[2].error_type == "rate_limit_error"


async def test_time_makes_room_again(clock: Clock) -> None:
    async with serve(answer) as served:
        limit(served, requests_per_minute=2)
        await served.post()
        assert told(await served.post(), "requests") == (2, 0, 100)
        retry_after = int((await served.post()).headers["retry-after"])
        clock.now += retry_after - 1
        refusal(await served.post())
        clock.now += 1
        assert (await served.post()).status_code == 200


@pytest.mark.parametrize("stream", [True, False])
async def test_tokens_are_reserved_by_estimate_and_settled_by_usage(stream: bool) -> None:
    limiter = Limiter()
    async with serve(answer, limiter=limiter) as served:
        limit(served, tokens_per_minute=1000)
        assert told(await served.post(stream=stream), "tokens") == (1000, 1000 - ESTIMATE, 100)
        await limiter.settled()
        assert told(await served.post(stream=stream), "tokens") == (1000, 1000 - USED - ESTIMATE, 100)


async def test_a_failure_gives_back_what_was_reserved_and_still_tells_the_limits() -> None:
    limiter = Limiter()
    async with serve(answer, limiter=limiter) as served:
        limit(served, tokens_per_minute=1000, requests_per_minute=10)
        response = await served.post(**say("fail"))
        assert response.status_code == 400
        assert told(response, "requests")[:2] == (10, 9)
        await limiter.settled()
        assert told(await served.post(), "tokens") == (1000, 1000 - ESTIMATE, 100)
        no_model = await served.post(model="m" * 300)
        assert no_model.status_code == 400, "refused before anything is counted"
        assert "anthropic-ratelimit-requests-limit" not in no_model.headers
        assert told(await served.post(), "requests")[:2] == (10, 7)


async def test_a_client_that_leaves_has_used_what_was_reserved() -> None:
    limiter = Limiter()
    async with serve(answer, limiter=limiter) as served:
        limit(served, tokens_per_minute=1000)
        async with hanging(served):
            pass
        await until(lambda: limiter.open == 0)
        await limiter.settled()
        reserved = estimate_tokens(body(**say("hang")))
        assert told(await served.post(), "tokens")[1] == 1000 - reserved - ESTIMATE


async def test_a_refusal_for_tokens_takes_nothing_of_the_requests() -> None:
    limiter = Limiter()
    async with serve(answer, limiter=limiter) as served:
        limit(served, tokens_per_minute=ESTIMATE + 50, requests_per_minute=10)
        refused = await served.post(**say("many words " * 100))
        assert refusal(refused).startswith("the request has about ")
        assert refused.headers["x-should-retry"] == "false", "it would be refused for ever"
        assert told(refused, "tokens")[1] == ESTIMATE + 50
        await limiter.settled()
        assert told(await served.post(), "requests")[:2] == (10, 9)
        assert [record.status for record in served.records] == [429, 200]


async def test_usage_beyond_the_limit_holds_the_next_ones_back() -> None:
    async def much(exchange: Exchange) -> None:
        await exchange.json(completion(usage={"prompt_tokens": 4000, "completion_tokens": 1000}))

    limiter = Limiter()
    async with serve(much, limiter=limiter) as served:
        limit(served, tokens_per_minute=1000)
        assert (await served.post()).status_code == 200
        await limiter.settled()
        response = await served.post()
        assert refusal(response) == "gateway g may use 1000 tokens in a minute; try again in 60 s"
        assert told(response, "tokens") == (1000, 0, 100)


async def test_token_limits_hold_for_each_token_by_itself() -> None:
    async with serve(answer) as served:
        hashes = {hashlib.sha256(name.encode()).digest(): name for name in ("laptop", "desktop")}
        served.swap(token_hashes=hashes)
        limit(served, {"requests_per_minute": 2}, requests_per_minute=3)
        seen = []
        for token in ("laptop", "laptop", "laptop", "desktop", "desktop"):
            response = await served.client.post(f"{served.url}/v1/messages", json=body(), headers={"x-api-key": token})
            seen.append((response.status_code, told(response, "requests")[:2]))
        assert seen == [(200, (2, 1)), (200, (2, 0)), (429, (2, 0)), (200, (3, 0)), (429, (3, 0))]
        assert refusal(response).startswith("gateway g may use 3 requests")
        assert [record.token for record in served.records] == ["laptop"] * 3 + ["desktop"] * 2
        assert "client token laptop may use 2 requests" in (served.records[2].error or "")


async def test_without_limits_nothing_is_told_and_nothing_counted() -> None:
    limiter = Limiter()
    async with serve(answer, limiter=limiter) as served:
        assert limiter.admission(served.snapshot.gateways["g"], "test") is None
        response = await served.post()
        assert not [name for name in response.headers if name.startswith("anthropic-ratelimit")]


def test_the_library_is_loaded_only_where_something_is_limited_per_minute() -> None:
    code = """
import asyncio, sys
from gatewayd.app import create_api
from gatewayd.gateways import Limits
from gatewayd.relay.limits import Limiter
from gatewayd.protocol.tokens import read_features
from tests.relay.conftest import active, body
limiter, gateway = Limiter(), active(base_url="http://127.0.0.1:1")
def begin(**limits):
    record = gateway.gateway.model_copy(update={"limits": Limits(**limits)})
    object.__setattr__(gateway, "gateway", record)
    asyncio.run(limiter.admission(gateway, "t").begin(read_features(body())))
    print("limits" in sys.modules)
assert limiter.admission(gateway, "t") is None
begin(concurrent=5)
begin(requests_per_minute=5)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["False", "True"], done.stderr


# --- at the same time ------------------------------------------------------------------------------------------------


async def test_concurrent_requests() -> None:
    limiter = Limiter()
    async with serve(answer, limiter=limiter) as served:
        limit(served, concurrent=1)
        async with hanging(served):
            refused = await served.post()
            assert refusal(refused) == "gateway g may have 1 requests running at the same time; try again later"
        await until(lambda: limiter.open == 0)
        assert (await served.post()).status_code == 200
        assert not limiter.running
        assert [record.status for record in served.records] == [429, 200, 200]


async def test_a_full_process_answers_529_at_once() -> None:
    limiter = Limiter(max_open=2)
    async with serve(answer, limiter=limiter) as served:
        async with hanging(served), hanging(served):
            for words in ("hi", "many words " * 100_000):
                async with asyncio.timeout(2):
                    refused = await served.post(**say(words))
                assert refused.status_code == 529
                assert refused.json()["error"]["type"] == "overloaded_error"
            assert limiter.open == 2
            probe = await served.client.get(f"{served.url}/v1/models")
            assert probe.status_code == 200, "only exchanges are counted"
        await until(lambda: limiter.open == 0)
        assert (await served.post()).status_code == 200


async def test_slots_are_back_whatever_happened() -> None:
    """Clients that leave at any moment, failures, refusals: afterwards everything is as before."""
    limiter, dice = Limiter(max_open=30), random.Random(11)
    async with serve(answer, limiter=limiter) as served:
        limit(served, {"concurrent": 15, "tokens_per_minute": 10**6}, concurrent=20, requests_per_minute=250)

        def post(words: str, stream: bool) -> asyncio.Future[httpx.Response]:
            return asyncio.ensure_future(served.post(**say(words), stream=stream))

        for _ in range(10):
            hanging = [post("hang", True) for _ in range(20)]
            others = [post(dice.choice(["hi", "fail"]), dice.random() < 0.5) for _ in range(20)]
            tasks = dice.sample(hanging + others, 40)
            for task in tasks:
                await asyncio.sleep(dice.random() * 0.004)
                if task in hanging or dice.random() < 0.5:
                    task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert not [result for result in results if isinstance(result, AssertionError)]
            await until(lambda: limiter.open == 0)
            assert not limiter.running
        statuses = {record.status for record in served.records}
        assert {200, 400, 429} <= statuses
        await limiter.settled()
        assert len({record.request_id for record in served.records}) == len(served.records)


@pytest.mark.parametrize("storage", ["memory", "redis"])
async def test_slots_are_released_once_by_handlers_cancelled_at_any_step(
    storage: str, request: pytest.FixtureRequest
) -> None:
    if storage == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        storage = server.url()
    limiter, dice = Limiter(storage), random.Random(5)
    made = active(base_url="http://127.0.0.1:1")
    limits = Limits(concurrent=25, requests_per_minute=10**6, tokens_per_minute=10**6)
    record = made.gateway.model_copy(update={"limits": limits, "token_limits": limits})
    object.__setattr__(made, "gateway", record)
    most = 0

    async def handler() -> None:
        nonlocal most
        with limiter.room():
            admission = limiter.admission(made, "t")
            assert admission is not None
            await admission.begin(read_features(body()))
            try:
                most = max(most, limiter.running["g"])
                await asyncio.sleep(dice.random() * 0.005)
                if dice.random() < 0.3:
                    raise ValueError
            finally:
                admission.end(closed(dice.choice(["ok", "error", "cancelled"])))

    for _ in range(20):
        tasks = [asyncio.ensure_future(handler()) for _ in range(30)]
        for task in dice.sample(tasks, 15):
            for _ in range(dice.randrange(3)):
                await asyncio.sleep(0)
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        kinds = (asyncio.CancelledError, ValueError, RateLimited)
        assert all(result is None or isinstance(result, kinds) for result in results)
        assert limiter.open == 0
        assert not limiter.running
    assert 0 < most <= 25
    await limiter.close()


def closed(outcome: Any) -> Record:
    record = Record("req", "g", "t", 0, "m", "m", stream=False, outcome=outcome)
    if outcome == "ok":
        record.input_tokens, record.output_tokens = 5, 1
    return record


async def test_a_client_that_leaves_while_it_is_being_admitted_has_its_record(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: Any) -> None:
        await asyncio.Event().wait()

    limiter = Limiter()
    monkeypatch.setattr(Admission, "_charge", hang)
    async with serve(answer, limiter=limiter) as served:
        limit(served, concurrent=1, requests_per_minute=1)
        task = asyncio.ensure_future(served.post())
        await until(lambda: limiter.running["g"] == 1)
        task.cancel()
        assert (await served.record()).outcome == "cancelled"
        await until(lambda: limiter.open == 0)
        assert not limiter.running


# --- the storage -----------------------------------------------------------------------------------------------------


async def test_a_storage_that_dies_in_mid_flight_stops_no_traffic(redis_server: RedisServer) -> None:
    limiter = Limiter(redis_server.url())
    async with serve(answer, limiter=limiter) as served:
        limit(served, concurrent=1000, requests_per_minute=10**6, tokens_per_minute=10**6)
        assert (await served.post()).status_code == 200
        assert limiter.warning is None
        requests = [asyncio.ensure_future(served.post(stream=True)) for _ in range(50)]
        await until(lambda: limiter.open > 5)
        redis_server.kill()
        assert {response.status_code for response in await asyncio.gather(*requests)} == {200}
        response = await served.post()
        assert told(response, "requests")[0] == 10**6
        assert limiter.warning is not None
        await until(lambda: limiter.open == 0)
        assert not limiter.running


async def test_a_server_that_stops_settles_first_and_leaves_no_connection(redis_server: RedisServer) -> None:
    limiter = Limiter(redis_server.url())
    async with serve(answer, limiter=limiter) as served:
        limit(served, tokens_per_minute=1000)
        await served.post(**say("some words " * 10))
    async with redis.asyncio.Redis.from_url(redis_server.url()) as client:
        assert await client.get("gatewayd:{tokens/g}") == str(USED).encode()
        assert len(await client.client_list()) == 1


async def test_closing_waits_for_what_is_being_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    limiter, settled = Limiter(), []

    async def correct(counter: str, amount: int, since: float) -> None:
        await asyncio.sleep(0.01)
        settled.append((counter, amount))

    monkeypatch.setattr(limiter.rates, "correct", correct)
    async with serve(answer, limiter=limiter) as served:
        limit(served, tokens_per_minute=1000)
        await served.post()
        await limiter.close()
        assert settled == [("tokens/g", USED - ESTIMATE)]


def test_a_missing_client_is_told_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    check_storage("memory")
    check_storage("redis://:pw@127.0.0.1:1/0")
    check_storage("valkeys://127.0.0.1:1")
    with pytest.raises(ConfigurationError, match=r"cannot be used .*; write redis://:PASSWORD@HOST:6379/0") as error:
        check_storage("redis://:hunter2@127.0.0.1:port/0")
    assert "hunter2" not in str(error.value)
    monkeypatch.setattr("gatewayd.relay.limits.find_spec", lambda _: None)
    for client in ("redis", "valkey"):
        with pytest.raises(
            ConfigurationError, match=rf"needs the {client} client; run: pip install 'gatewayd\[{client}\]'"
        ):
            check_storage(f"{client}s://:hunter2@127.0.0.1/0")
