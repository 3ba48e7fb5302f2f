"""Parsing a client's request: what is refused, in which words, and what is let through."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.errors import InvalidRequest
from gatewayd.protocol.anthropic import parse_request
from gatewayd.protocol.shapes import MAX_DEPTH

MINIMAL = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]}


def with_content(*blocks: Any, role: str = "user") -> dict[str, Any]:
    return {**MINIMAL, "messages": [{"role": role, "content": list(blocks)}]}


def with_fields(**fields: Any) -> dict[str, Any]:
    return {**MINIMAL, **fields}


def nested(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth):
        value = {"a": value}
    return value


def refusal(body: bytes | dict[str, Any], path: str = "messages") -> str:
    with pytest.raises(InvalidRequest) as caught:
        parse_request(body if isinstance(body, bytes) else orjson.dumps(body), path=path)
    return caught.value.message


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"null", b"[]", b'"text"', b"1", b"true", b"{", b"{}x", b"{'a': 1}", b'{"a": 1,}', b'{"a": NaN}',
        b'{"a": Infinity}', b'{"a": -Infinity}', b'{"a": 1e999}', b'{"a": ' + b"9" * 5000 + b"}", b'{"a": 01}',
        b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe{\x00}\x00", '{"model": "m"}'.encode("utf-16"),
        b"\xef\xbb\xbf" + orjson.dumps(MINIMAL), b'{"a": "\xff"}', b'{"a": "\xed\xa0\x80"}', b'{"a": "\x00"}',
        b'{"a": "\x1f"}', b'{"a": "\\x41"}', b'{"a": "\\u12"}', b"\x1f\x8b\x08gzip", b"{}",
    ],
    ids=lambda body: repr(body[:14]),
)  # fmt: skip
def test_a_body_that_is_no_json_object_with_the_required_fields_is_refused(body: bytes) -> None:
    assert refusal(body)


@given(st.binary(max_size=60))
def test_random_bytes_are_refused_and_nothing_else(body: bytes) -> None:
    assert refusal(body)


# What is laid over the minimal request -> how it is refused.
WRONG = """
{"model": null}                        -> model: Field required
{"model": 5}                           -> model: Input should be a valid string
{"model": ""}                          -> model: String should have at least 1 character
{"max_tokens": null}                   -> max_tokens: Field required
{"max_tokens": 0}                      -> max_tokens: Input should be greater than or equal to 1
{"max_tokens": 1.5}                    -> max_tokens: Input should be a valid integer
{"max_tokens": true}                   -> max_tokens: Input should be a valid integer
{"max_tokens": 1000000000000000000000} -> max_tokens: Input should be a valid integer
{"messages": null}                     -> messages: Field required
{"messages": {}}                       -> messages: Input should be a valid list
{"messages": []}                       -> messages: at least one message is required
{"messages": ["hi"]}                   -> messages.0: Input should be an object
{"messages": [{"content": "x"}]}       -> messages.0.role: Field required
{"messages": [{"role": "tool", "content": "x"}]}   -> messages.0.role: Input should be 'user' or 'assistant'
{"messages": [{"role": ["user"], "content": "x"}]} -> messages.0.role: Input should be 'user' or 'assistant'
{"messages": [{"role": "user"}]}                   -> messages.0.content: Field required
{"messages": [{"role": "user", "content": 5}]}     -> messages.0.content: Input should be a valid string or list
{"system": 5}                          -> system: Input should be a valid list
{"system": [{"type": "image"}]}        -> system.0: `image` blocks cannot be in `system` messages
{"tools": {}}                          -> tools: Input should be a valid list
{"tools": ["Read"]}                    -> tools.0: Input should be an object
{"tools": [{"input_schema": {}}]}      -> tools.0.name: Field required
{"tools": [{"name": "a"}]}             -> tools.0.input_schema: Field required
{"tools": [{"name": "a", "input_schema": []}]} -> tools.0.input_schema: Input should be an object
{"tools": [{"type": 5, "name": "a"}]}  -> tools.0.type: Input should be a valid string
{"tools": [{"type": "x_1", "description": {}}]} -> tools.0.description: Input should be a valid string
{"tools": [{"name": "a", "input_schema": {}}, {"name": "a", "input_schema": {}}]} -> \
tools.1.name: Tool names must be unique; 'a' is there twice
{"tool_choice": "auto"}                -> tool_choice: Input should be an object
{"tool_choice": {"type": "some"}}      -> tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'
{"tool_choice": {"type": "tool"}}      -> tool_choice.name: Field required
{"temperature": 1.01}                  -> temperature: Input should be between 0 and 1
{"temperature": "1"}                   -> temperature: Input should be a valid number
{"top_p": -0.1}                        -> top_p: Input should be between 0 and 1
{"top_k": -1}                          -> top_k: Input should be greater than or equal to 0
{"stop_sequences": "x"}                -> stop_sequences: Input should be a valid list
{"stop_sequences": [1]}                -> stop_sequences.0: Input should be a valid string
{"stop_sequences": [" "]}              -> stop_sequences.0: each stop sequence must contain non-whitespace
{"stream": "yes"}                      -> stream: Input should be a valid boolean
{"thinking": "on"}                     -> thinking: Input should be an object
{"thinking": {"type": "enabled", "budget_tokens": "x"}} -> thinking.budget_tokens: Input should be a valid integer
{"output_config": {"effort": 5}}       -> output_config.effort: Input should be a valid string
{"metadata": []}                       -> metadata: Input should be an object
"""

# A block of a user's message, or of the assistant's where it says so -> how it is refused, behind its place.
WRONG_BLOCKS = """
"hi"                                   -> : Input should be an object
{"text": "hi"}                         -> .type: Field required
{"type": 1}                            -> .type: Input should be a valid string
{"type": "text"}                       -> .text: Field required
{"type": "text", "text": ["a"]}        -> .text: Input should be a valid string
{"type": "tool_result"}                -> .tool_use_id: Field required
{"type": "tool_result", "tool_use_id": "a", "content": 5}       -> .tool_result.content: Input should be a valid list
{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "tool_use"}]} -> \
.tool_result.content.0: `tool_use` blocks cannot be in tool results and documents
{"type": "tool_result", "tool_use_id": "a", "is_error": "yes"}  -> .is_error: Input should be a valid boolean
{"type": "tool_use"}                   -> : `tool_use` blocks cannot be in `user` messages
{"type": "thinking"}                   -> : `thinking` blocks cannot be in `user` messages
{"type": "image"}                      -> .image.source: Field required
{"type": "image", "source": "x"}       -> .image.source: Input should be an object
{"type": "image", "source": {"type": "file", "file_id": "f"}} -> \
.image.source.type: this gateway takes sources of type 'base64', 'url'
{"type": "image", "source": {"type": "base64", "media_type": "image/bmp", "data": "x"}} -> \
.image.source.base64.media_type: Input should be 'image/jpeg' or 'image/png' or 'image/gif' or 'image/webp'
{"type": "image", "source": {"type": "base64", "media_type": "image/png"}} -> .image.source.base64.data: Field required
{"type": "image", "source": {"type": "url", "url": "file:///etc/passwd"}} -> \
.image.source.url.url: Only http and https URLs are supported
{"type": "document", "source": {"type": "base64", "media_type": "text/html", "data": "x"}} -> \
.document.source.base64.media_type: Input should be 'application/pdf'
{"type": "document", "source": {"type": "content", "content": [{"type": "text"}]}} -> \
.document.source.content.content.0.text: Field required
{"role": "assistant", "type": "tool_result", "tool_use_id": "a"} -> \
: `tool_result` blocks cannot be in `assistant` messages
{"role": "assistant", "type": "tool_use", "name": "b", "input": {}}              -> .id: Field required
{"role": "assistant", "type": "tool_use", "id": "a", "name": "b"}                -> .input: Field required
{"role": "assistant", "type": "tool_use", "id": "a", "name": "b", "input": "{}"} -> .input: Input should be an object
{"role": "assistant", "type": "thinking", "signature": "x"}                      -> .thinking: Field required
{"role": "assistant", "type": "redacted_thinking"}                               -> .data: Field required
"""


def rows(table: str) -> list[tuple[str, str]]:
    lines = table.replace("\\\n", "").strip().split("\n")
    return [(left.strip(), right.strip()) for left, _, right in (line.partition("->") for line in lines)]


@pytest.mark.parametrize(("fields", "message"), rows(WRONG))
def test_a_wrong_field_is_refused_by_its_place(fields: str, message: str) -> None:
    text = orjson.dumps(MINIMAL)[:-1] + b"," + fields.encode()[1:]  # the later of two equal keys counts
    assert refusal(text) == message


@pytest.mark.parametrize(("block", "message"), rows(WRONG_BLOCKS))
def test_a_wrong_block_is_refused_by_its_place(block: str, message: str) -> None:
    value = orjson.loads(block)
    role = value.pop("role", "user") if isinstance(value, dict) else "user"
    assert refusal(with_content(value, role=role)) == f"messages.0.content.0{message}"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (with_fields(model="m" * 257), "model: String should have at most 256 characters"),
        (with_fields(stop_sequences=["x"] * 65), "stop_sequences: List should have at most 64 items"),
        (
            with_fields(tools=[{"name": "a", "input_schema": nested(MAX_DEPTH)}]),
            f"tools.0.input_schema: Input is nested deeper than {MAX_DEPTH} levels",
        ),
        (
            with_content({"type": "tool_use", "id": "a", "name": "b", "input": nested(200)}, role="assistant"),
            f"messages.0.content.0.input: Input is nested deeper than {MAX_DEPTH} levels",
        ),
    ],
    ids=["long model", "many stops", "deep schema", "deep input"],
)
def test_what_is_too_much_is_refused_by_its_place(request_: dict[str, Any], message: str) -> None:
    assert refusal(request_) == message


def test_a_tool_defined_in_mid_conversation_is_checked_like_the_others() -> None:
    definition = {"name": "a", "input_schema": nested(200)}
    block = {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": definition}}
    assert refusal(with_content(block, role="system")) == (
        f"messages.0.content.0.tool.definition.input_schema: Input is nested deeper than {MAX_DEPTH} levels"
    )


def test_nesting_up_to_the_limit_is_taken() -> None:
    parse_request(orjson.dumps(with_fields(tools=[{"name": "a", "input_schema": nested(MAX_DEPTH - 1)}])))


@pytest.mark.parametrize(
    "fields",
    [
        {"betas": ["unheard-of"], "unknown": nested(200), "api_base": "http://evil", "speed": "fast"},
        {"metadata": {"user_id": "x"}, "service_tier": "auto", "context_management": {"edits": []}, "safeguards": [1]},
        {"system": None, "tools": None, "tool_choice": None, "thinking": None, "stop_sequences": None, "stream": None},
        {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "xhigh"}},
        {"thinking": {"type": "unheard-of"}},
        {"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 8}]},
        {"tools": [{"type": "mcp_toolset", "mcp_server_name": "x"}]},
        {"tools": [{"name": "DeferredToolPlaceholder", "defer_loading": True}]},
        {"tools": []},
        {"system": []},
        {"max_tokens": 10**15},
        {"messages": [{"role": "user", "content": [{"type": "container_upload", "file_id": 5}]}]},
        {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "nobody's"}]}]},
        {"messages": [{"role": "system", "content": [], "output_config": {"effort": "low"}}, *MINIMAL["messages"]]},
        {"messages": [{"role": "assistant", "content": [{"type": "thinking", "thinking": "", "signature": ""}]}]},
    ],
    ids=lambda fields: ",".join(fields),
)  # fmt: skip
def test_what_translation_does_not_need_is_no_reason_to_refuse(fields: dict[str, Any]) -> None:
    assert parse_request(orjson.dumps(with_fields(**fields)))["model"] == "m"


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (rb"a\ud800b", "a�b"),
        (rb"\udc00\ud800", "��"),
        (rb"\ud800\ud83d\ude00", "�😀"),
        (rb"\ud83d\ude00", "😀"),
        (rb"\\ud800", r"\ud800"),
        (rb"\\\ud800", "\\�"),
        (rb"a\u0000b", "a�b"),
        (rb"\\u0000", r"\u0000"),
        (rb"\u0000\ud800", "��"),
    ],
)
def test_lone_surrogates_and_nul_are_replaced(escaped: bytes, text: str) -> None:
    body = b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"%s"}]}' % escaped
    assert parse_request(body)["messages"][0]["content"] == text


def test_a_lone_surrogate_does_not_hide_another_fault() -> None:
    assert "not valid JSON" in refusal(rb'{"model": "\ud800", oops')


def test_the_last_of_two_equal_keys_is_the_one_that_is_checked() -> None:
    body = b'{"model":"m","model":"n","max_tokens":1,"messages":[{"role":"user","content":"x"}]}'
    assert parse_request(body)["model"] == "n"
    assert refusal(body.replace(b'"n"', b"5")) == "model: Input should be a valid string"


def test_count_tokens_needs_no_max_tokens() -> None:
    request = {key: value for key, value in MINIMAL.items() if key != "max_tokens"}
    assert parse_request(orjson.dumps(request), path="count_tokens") == request
    assert refusal(orjson.dumps(request)) == "max_tokens: Field required"


def test_count_tokens_still_refuses_a_wrong_max_tokens() -> None:
    assert refusal(with_fields(max_tokens="x"), path="count_tokens").startswith("max_tokens:")


def test_an_error_does_not_repeat_long_input() -> None:
    name = "x" * 300
    assert len(refusal(with_fields(tools=[{"name": name, "input_schema": {}}]))) < 200
