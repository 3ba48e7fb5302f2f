"""Hypothesis strategies for Anthropic requests: whatever the API would take, and some things that only hostile or
confused clients send (orphan results, unanswered calls, late system messages, empty texts)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
IDS = st.sampled_from(["toolu_01", "toolu_02", "call_" + "x" * 60, "functions.Read:0", "0", "abcDEF123"])
NAMES = st.sampled_from(["Read", "Bash", "mcp__server__" + "t" * 90, "a.b/c", "Grep"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
CACHE = st.just({"cache_control": {"type": "ephemeral"}}) | st.just({})


def text_block() -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda text, cache: {"type": "text", "text": text, **cache}, TEXT, CACHE)


def image_block() -> st.SearchStrategy[dict[str, Any]]:
    base64 = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    return st.sampled_from([base64, {"type": "url", "url": "https://example.com/a.png"}]).map(
        lambda source: {"type": "image", "source": source}
    )


def document_block() -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda text, title: {
            "type": "document", "title": title, "source": {"type": "text", "media_type": "text/plain", "data": text},
        },
        TEXT,
        TEXT | st.none(),
    )  # fmt: skip


def search_result() -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda title, content: {"type": "search_result", "title": title, "content": content},
        TEXT | st.none(),
        st.lists(text_block(), max_size=2),
    )


INNER = st.one_of(
    text_block(),
    image_block(),
    document_block(),
    search_result(),
    st.builds(lambda name: {"type": "tool_reference", "tool_name": name}, NAMES),
)


def tool_result() -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda tool_id, content, error: {"type": "tool_result", "tool_use_id": tool_id, **content, **error},
        IDS,
        st.one_of(st.just({}), st.builds(lambda c: {"content": c}, TEXT | st.lists(INNER, max_size=3))),
        st.sampled_from([{}, {"is_error": True}, {"is_error": False}]),
    )


def tool_use() -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda tool_id, name, data: {"type": "tool_use", "id": tool_id, "name": name, "input": data},
        IDS,
        NAMES,
        st.dictionaries(TEXT, JSON, max_size=3),
    )


def thinking() -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        st.builds(lambda text, sig: {"type": "thinking", "thinking": text, "signature": sig}, TEXT, TEXT),
        st.builds(lambda data: {"type": "redacted_thinking", "data": data}, TEXT),
    )


def with_unique_calls(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without calls whose id another call of the conversation has: the API refuses those."""
    seen: set[str] = set()

    def is_new(block: dict[str, Any]) -> bool:
        if block["type"] != "tool_use":
            return True
        new = block["id"] not in seen
        seen.add(block["id"])
        return new

    return [
        {**message, "content": [block for block in message["content"] if is_new(block)]}
        if isinstance(message["content"], list)
        else message
        for message in messages
    ]


def user_message() -> st.SearchStrategy[dict[str, Any]]:
    blocks = st.lists(
        st.one_of(text_block(), tool_result(), image_block(), document_block(), search_result()), max_size=5
    )
    return st.builds(lambda content: {"role": "user", "content": content}, TEXT | blocks)


def assistant_message() -> st.SearchStrategy[dict[str, Any]]:
    blocks = st.lists(st.one_of(text_block(), tool_use(), thinking(), document_block(), image_block()), max_size=5)
    return st.builds(lambda content: {"role": "assistant", "content": content}, TEXT | blocks)


def system_message() -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda content: {"role": "system", "content": content, "output_config": {"effort": "low"}},
        TEXT | st.lists(text_block() | tool_change(), max_size=2),
    )


def tool_change() -> st.SearchStrategy[dict[str, Any]]:
    definition = st.builds(lambda name: {"name": name, "description": "d", "input_schema": {"type": "object"}}, NAMES)
    tool = st.one_of(
        st.builds(lambda name: {"type": "tool_reference", "name": name}, NAMES),
        st.builds(lambda inner: {"type": "tool_definition", "definition": inner}, definition),
    )
    return st.builds(
        lambda kind, inner: {"type": kind, "tool": inner}, st.sampled_from(["tool_addition", "tool_removal"]), tool
    )


def tools() -> st.SearchStrategy[list[dict[str, Any]]]:
    schema = st.sampled_from(
        [
            {},
            {"type": "object"},
            {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "type": "object",
                "properties": {"a": {"const": "x"}},
            },
            {"anyOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"b": {"exclusiveMinimum": 0}}}]},
            {"$defs": {"n": {"$ref": "#/$defs/n"}}, "type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}},
        ]
    )
    custom = st.builds(
        lambda name, description, schema: {"name": name, "description": description, "input_schema": schema},
        NAMES,
        TEXT,
        schema,
    )
    server = st.just({"type": "web_search_20250305", "name": "web_search", "max_uses": 8})
    placeholder = st.just({"name": "DeferredToolPlaceholder", "defer_loading": True})
    return st.lists(st.one_of(custom, custom, server, placeholder), max_size=4, unique_by=lambda tool: tool["name"])


def _choose(draw: st.DrawFn, offered: list[dict[str, Any]]) -> dict[str, Any]:
    choices: list[dict[str, Any]] = [{"type": "auto"}, {"type": "any"}, {"type": "none"}]
    choices += [{"type": "tool", "name": tool["name"]} for tool in offered]
    choice = dict(draw(st.sampled_from(choices)))
    if draw(st.booleans()):
        choice["disable_parallel_tool_use"] = True
    return choice


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """A request that says something: at least one message with visible text."""
    messages = draw(
        st.lists(st.one_of(user_message(), assistant_message(), user_message(), system_message()), max_size=8)
    )
    messages.insert(draw(st.integers(0, len(messages))), {"role": "user", "content": "say something"})
    request: dict[str, Any] = {
        "model": "claude-x",
        "max_tokens": draw(st.integers(1, 200_000)),
        "messages": with_unique_calls(messages),
    }
    optional: dict[str, st.SearchStrategy[Any]] = {
        "system": TEXT | st.lists(text_block(), max_size=3),
        "temperature": st.floats(0, 1),
        "top_p": st.floats(0, 1),
        "top_k": st.integers(0, 100),
        "stop_sequences": st.lists(TEXT.filter(lambda text: text.strip()), max_size=6),
        "stream": st.booleans(),
        "thinking": st.sampled_from(
            [{"type": "adaptive"}, {"type": "enabled", "budget_tokens": 5000}, {"type": "disabled"}, {"type": "new"}]
        ),
        "output_config": st.sampled_from(
            [{"effort": "max"}, {"effort": "low"}, {"format": {"type": "json_schema", "schema": {"type": "object"}}}]
        ),
        "metadata": st.just({"user_id": "x" * 150}),
        "tools": tools(),
        "unheard_of": JSON,
    }
    for name, strategy in optional.items():
        if draw(st.booleans()):
            request[name] = draw(strategy)
    if request.get("tools") and draw(st.booleans()):
        request["tool_choice"] = _choose(draw, request["tools"])
    return request


@st.composite
def spoilt_requests(draw: st.DrawFn) -> Any:
    """A request with one value somewhere inside replaced by any JSON, or taken out."""
    request = copy.deepcopy(draw(requests()))
    path = draw(st.sampled_from(list(_paths(request))))
    parent = request
    for step in path[:-1]:
        parent = parent[step]
    if draw(st.booleans()):
        parent[path[-1]] = draw(JSON)
    else:
        del parent[path[-1]]
    return request


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _paths(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _paths(item, (*path, index))
