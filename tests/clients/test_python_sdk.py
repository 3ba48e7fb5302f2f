"""The official Python SDK works through the gateway, and its exceptions are the right ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.clients.scenarios import ERRORS, WEATHER
from tests.servers import RunningGateway

HELLO: Any = [{"role": "user", "content": "Hello, heron."}]
ASK_WEATHER: Any = [{"role": "user", "content": "How is the weather in Oslo?"}]
TOOLS: Any = [WEATHER]


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=gateway.base_url, api_key=gateway.token, max_retries=0, timeout=30) as client:
        yield client


def plain(**fields: Any) -> dict[str, Any]:
    return {"model": "kimi-k2", "max_tokens": 1000, "messages": HELLO, **fields}


def ask(client: anthropic.Anthropic, streamed: bool, **fields: Any) -> Any:
    """The whole message, by way of a stream or not."""
    if not streamed:
        return client.messages.create(**plain(**fields))
    with client.messages.stream(**plain(**fields)) as stream:
        return stream.get_final_message()


def test_creates_a_message(client: anthropic.Anthropic) -> None:
    message = client.messages.create(**plain())
    assert (message.type, message.role, message.model) == ("message", "assistant", "kimi-k2")
    assert message.stop_reason == "end_turn"
    assert re.fullmatch(r"msg_[0-9A-Za-z_-]{22,}", message.id)
    (block,) = message.content
    assert block.type == "text"
    assert "Hello, heron." in block.text
    assert message.usage.input_tokens + (message.usage.cache_read_input_tokens or 0) > 0
    assert message.usage.output_tokens > 0


def test_takes_the_token_as_either_header(gateway: RunningGateway) -> None:
    with anthropic.Anthropic(base_url=gateway.base_url, auth_token=gateway.token, max_retries=0) as client:
        assert client.messages.create(**plain()).content


def test_streams_text(client: anthropic.Anthropic) -> None:
    with client.messages.stream(**plain()) as stream:
        pieces = list(stream.text_stream)
        message = stream.get_final_message()
    assert len(pieces) > 3
    assert "".join(pieces) == message.content[0].text
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens > 0


def test_stream_and_whole_answer_say_the_same(client: anthropic.Anthropic) -> None:
    streamed, whole = ask(client, True), ask(client, False)
    assert streamed.content[0].text == whole.content[0].text
    assert streamed.id != whole.id


@pytest.mark.parametrize("streamed", [True, False])
def test_tool_loop(client: anthropic.Anthropic, streamed: bool) -> None:
    first = ask(client, streamed, messages=ASK_WEATHER, tools=TOOLS)
    assert first.stop_reason == "tool_use"
    call = first.content[-1]
    assert call.type == "tool_use"
    assert call.name == "get_weather"
    assert call.input["unit"] == "celsius"
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "Rain, 4 degrees"}
    history = [*ASK_WEATHER, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    second = ask(client, streamed, messages=history, tools=TOOLS)
    assert second.stop_reason == "end_turn"
    assert "Rain, 4 degrees" in second.content[0].text


def test_parallel_calls_have_ids_of_their_own(client: anthropic.Anthropic) -> None:
    message = client.messages.create(**plain(model="sim-parallel", messages=ASK_WEATHER, tools=TOOLS))
    ids = [block.id for block in message.content if block.type == "tool_use"]
    assert len(ids) == len(set(ids)) == 2


def test_thinking_comes_first_and_is_signed(client: anthropic.Anthropic) -> None:
    message = ask(client, True, model="sim-thinking", thinking={"type": "adaptive"})
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].thinking
    assert message.content[0].signature


def test_cached_tokens_are_told_apart(client: anthropic.Anthropic) -> None:
    first = client.messages.create(**plain(messages=[{"role": "user", "content": "A heron of its own " * 50}]))
    again = client.messages.create(**plain(messages=[{"role": "user", "content": "A heron of its own " * 50}]))
    assert again.usage.cache_read_input_tokens
    assert again.usage.input_tokens < first.usage.input_tokens + (first.usage.cache_read_input_tokens or 0)


def test_counts_tokens(client: anthropic.Anthropic) -> None:
    short = client.messages.count_tokens(model="kimi-k2", messages=HELLO)
    longer = client.messages.count_tokens(model="kimi-k2", messages=HELLO * 3 + ASK_WEATHER, tools=TOOLS)
    assert 0 < short.input_tokens < longer.input_tokens


def test_lists_and_retrieves_models(client: anthropic.Anthropic) -> None:
    listed = {model.id: model for model in client.models.list(limit=2)}
    assert "kimi-k2" in listed
    model = client.models.retrieve("kimi-k2")
    assert (model.type, model.id) == ("model", "kimi-k2")
    assert model.display_name
    assert model.created_at.tzinfo is not None
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("no-such-model")


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("name", ERRORS)
def test_raises(client: anthropic.Anthropic, name: str, streamed: bool) -> None:
    fields, expected, words = ERRORS[name]
    with pytest.raises(anthropic.APIStatusError) as caught:
        ask(client, streamed, **fields)
    if name == "answer is cut" and streamed:
        assert caught.value.body["type"] == "error"
        return
    assert type(caught.value) is getattr(anthropic, expected)
    assert words in str(caught.value)
    assert caught.value.request_id


def test_rate_limit_says_when_to_come_back(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.RateLimitError) as caught:
        client.messages.create(**plain(model="sim-error-429"))
    assert caught.value.response.headers["retry-after"] == "1"


def test_overflow_names_prompt_and_window(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError) as caught:
        client.messages.create(**plain(model="sim-overflow-10"))
    found = re.search(r"prompt is too long: (\d+) tokens > 10 maximum", str(caught.value))
    assert found
    assert int(found[1]) > 10


@pytest.mark.parametrize("path", ["/gateway/demo", "/gateway/no-such-gateway"])
def test_wrong_token_and_unknown_gateway_look_alike(gateway: RunningGateway, path: str) -> None:
    base_url = gateway.base_url.removesuffix("/gateway/demo") + path
    token = "wrong" if path == "/gateway/demo" else gateway.token
    with (
        anthropic.Anthropic(base_url=base_url, api_key=token, max_retries=0) as client,
        pytest.raises(anthropic.AuthenticationError) as caught,
    ):
        client.messages.create(**plain())
    assert gateway.simulator.requests == []
    body: Any = caught.value.body
    assert body["error"]["type"] == "authentication_error"


def test_batches_are_not_found(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.list(limit=1)


async def test_async_client_streams(gateway: RunningGateway) -> None:
    async with (
        anthropic.AsyncAnthropic(base_url=gateway.base_url, api_key=gateway.token, max_retries=0) as client,
        client.messages.stream(**plain()) as stream,
    ):
        text = "".join([piece async for piece in stream.text_stream])
    assert "Hello, heron." in text
