"""The simulated provider over real HTTP."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gatewayd.protocol.chat.overflow import is_overflow
from gatewayd.simulator.behaviours import BEHAVIOURS
from gatewayd.simulator.overflows import PROVIDERS, SHARING
from tests.servers import RunningSimulator, run_simulator
from tests.simulator.requests import READ_TOOL

HELLO = [{"role": "user", "content": "hello there"}]


@pytest.fixture
async def client(simulator: RunningSimulator) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=simulator.base_url, trust_env=False, timeout=10) as client:
        yield client


async def ask(client: httpx.AsyncClient, model: str = "sim-fast", **fields: Any) -> httpx.Response:
    return await client.post("/chat/completions", json={"model": model, "messages": HELLO, **fields})


def chunks_of(response: httpx.Response) -> list[dict[str, Any]]:
    events = [line.removeprefix("data: ") for line in response.text.split("\n") if line]
    assert events[-1] == "[DONE]"
    return [json.loads(event) for event in events[:-1]]


async def test_answers_whole(client: httpx.AsyncClient) -> None:
    body = (await ask(client)).json()
    assert body["object"] == "chat.completion"
    assert body["choices"][0]["finish_reason"] == "stop"
    assert "hello there" in body["choices"][0]["message"]["content"]
    assert body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"] + body["usage"]["completion_tokens"]


async def test_a_stream_says_what_the_whole_answer_says(client: httpx.AsyncClient) -> None:
    whole = (await ask(client)).json()["choices"][0]["message"]["content"]
    response = await ask(client, stream=True)
    assert response.headers["content-type"] == "text/event-stream"
    chunks = chunks_of(response)
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == whole
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks][-2:] == [None, "stop"]
    assert not any("usage" in chunk for chunk in chunks)


async def test_usage_comes_last_when_it_is_asked_for(client: httpx.AsyncClient) -> None:
    chunks = chunks_of(await ask(client, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["prompt_tokens"] > 0
    assert {chunk["usage"] for chunk in chunks[:-1]} == {None}


async def test_the_same_request_gets_the_same_bytes(client: httpx.AsyncClient) -> None:
    assert (await ask(client, stream=True)).content == (await ask(client, stream=True)).content


async def test_cached_tokens_grow_with_the_conversation(client: httpx.AsyncClient) -> None:
    def cached(response: httpx.Response) -> int:
        return int(response.json()["usage"]["prompt_tokens_details"]["cached_tokens"])

    longer = [*HELLO, {"role": "assistant", "content": "hi"}, {"role": "user", "content": "and now?"}]
    first, second = await ask(client), await ask(client, messages=longer)
    third = await ask(
        client, messages=[*longer, {"role": "assistant", "content": "this"}, {"role": "user", "content": "?"}]
    )
    assert cached(first) == 0
    assert cached(second) == first.json()["usage"]["prompt_tokens"]
    assert cached(third) == second.json()["usage"]["prompt_tokens"]


async def test_unknown_model_names_are_answered(client: httpx.AsyncClient) -> None:
    body = (await ask(client, "vendor/any-model:free")).json()
    assert body["model"] == "vendor/any-model:free"
    assert body["choices"][0]["message"]["content"]


async def test_thinking_comes_before_the_text(client: httpx.AsyncClient) -> None:
    chunks = chunks_of(await ask(client, "sim-thinking", stream=True))
    kinds = [next(iter(chunk["choices"][0]["delta"]), "") for chunk in chunks[1:-1]]
    assert kinds.index("content") == kinds.count("reasoning_content") > 0


async def test_rate_limit_error_tells_when_to_come_back(client: httpx.AsyncClient) -> None:
    response = await ask(client, "sim-error-429")
    assert response.status_code == 429
    assert int(response.headers["retry-after"]) >= 1
    assert response.json()["error"]["code"] == "rate_limit_exceeded"


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 500, 503, 529])
async def test_error_status_can_be_asked_for_by_name(client: httpx.AsyncClient, status: int) -> None:
    response = await ask(client, f"sim-error-{status}")
    assert response.status_code == status
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}


async def test_overflow_names_the_window_and_the_prompt(client: httpx.AsyncClient) -> None:
    assert (await ask(client, "sim-overflow-200")).status_code == 200
    long = [{"role": "user", "content": "word " * 400}]
    response = await ask(client, "sim-overflow-200", messages=long)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == "context_length_exceeded"
    assert error["message"].startswith("This model's maximum context length is 200 tokens. However, your messages")


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_overflow_comes_in_the_words_of_a_provider(client: httpx.AsyncClient, provider: str) -> None:
    long = [{"role": "user", "content": "word " * 400}]
    model = f"sim-overflow-{provider}-200"
    assert (await ask(client, model)).status_code == 200
    response = await ask(client, model, messages=long, max_tokens=32_000)
    assert response.status_code == 400
    message = response.json()["error"]["message"]
    assert is_overflow(message)
    assert all(int(number) < 32_000 for number in re.findall(r"\d+", message)), "the answer's tokens do not count here"


@pytest.mark.parametrize("provider", SHARING)
async def test_prompt_and_answer_may_share_the_window(client: httpx.AsyncClient, provider: str) -> None:
    model = f"sim-shared-{provider}-1000"
    assert (await ask(client, model)).status_code == 200
    assert (await ask(client, model, max_tokens=900)).status_code == 200
    response = await ask(client, model, max_tokens=1_000)
    assert response.status_code == 400
    assert "1000" in response.json()["error"]["message"]


@pytest.mark.parametrize("stream", [True, False])
async def test_cut_stream_never_ends_its_body(
    client: httpx.AsyncClient, simulator: RunningSimulator, stream: bool
) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await ask(client, "sim-cut-stream", stream=stream)
    assert [received.ended for received in simulator.requests] == ["cut"]


async def test_bad_json_is_a_clean_200_with_a_broken_body(client: httpx.AsyncClient) -> None:
    response = await ask(client, "sim-bad-json")
    assert response.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        response.json()


async def test_bad_json_is_in_the_arguments_where_tools_are_offered(client: httpx.AsyncClient) -> None:
    body = (await ask(client, "sim-bad-json", tools=[READ_TOOL], tool_choice="required")).json()
    (call,) = body["choices"][0]["message"]["tool_calls"]
    with pytest.raises(json.JSONDecodeError):
        json.loads(call["function"]["arguments"])


async def test_slow_model_sends_its_words_one_by_one() -> None:
    with run_simulator(slow_delay=0.02) as simulator:
        async with httpx.AsyncClient(base_url=simulator.base_url, trust_env=False) as client:
            started = time.monotonic()
            chunks = chunks_of(await ask(client, "sim-slow", stream=True))
            assert time.monotonic() - started > 0.02 * (len(chunks) - 1)


@pytest.mark.parametrize("stream", [True, False])
async def test_sees_that_the_client_went_away(stream: bool) -> None:
    with run_simulator(slow_delay=0.05) as simulator:
        async with httpx.AsyncClient(base_url=simulator.base_url, trust_env=False) as client:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ask(client, "sim-slow", stream=stream), 0.2)
        deadline = time.monotonic() + 5
        while not simulator.requests[0].ended and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        assert simulator.requests[0].ended == "client_gone"


async def test_wrong_key_is_refused() -> None:
    with run_simulator(api_key="right") as simulator:
        async with httpx.AsyncClient(base_url=simulator.base_url, trust_env=False) as client:
            for key, status in (("wrong", 401), ("right", 200), ("wröng", 401)):
                client.headers = httpx.Headers({b"authorization": f"Bearer {key}".encode()})
                assert (await ask(client)).status_code == status
                assert (await client.get("/models")).status_code == status


async def test_lists_its_models(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/models")).json()
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == list(BEHAVIOURS)
    assert (await client.get("/models/sim-slow")).json()["id"] == "sim-slow"
    assert (await client.get("/models/gpt-9")).json()["error"]["code"] == "model_not_found"


async def test_unknown_route_is_an_openai_error(client: httpx.AsyncClient) -> None:
    response = await client.post("/completions", json={})
    assert response.status_code == 404
    assert response.json()["error"]["type"] == "invalid_request_error"


async def test_a_body_that_is_not_json_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post("/chat/completions", content=b"{nope")
    assert response.status_code == 400
    assert "parse the JSON body" in response.json()["error"]["message"]


async def test_keeps_the_latest_requests_as_they_came() -> None:
    with run_simulator(keep_requests=2) as simulator:
        async with httpx.AsyncClient(base_url=simulator.base_url, trust_env=False) as client:
            for model in ("a", "b", "c"):
                await ask(client, model)
        assert [received.body["model"] for received in simulator.requests] == ["b", "c"]
        assert simulator.requests[0].headers["content-type"] == "application/json"
        assert [received.ended for received in simulator.requests] == ["whole", "whole"]


async def test_several_live_in_one_process(client: httpx.AsyncClient, simulator: RunningSimulator) -> None:
    with run_simulator() as other:
        assert other.app.name != simulator.app.name
        await ask(client)
        assert (len(simulator.requests), len(other.requests)) == (1, 0)
