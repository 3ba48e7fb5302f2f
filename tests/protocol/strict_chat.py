"""A Chat Completions body as the strictest provider would check it: `check_body` raises AssertionError with the place.

It knows the wire format and the dialect's own limits, and nothing of how bodies are built.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from gatewayd.protocol.chat.dialects import Dialect

TOP_LEVEL = {
    "model", "messages", "tools", "tool_choice", "parallel_tool_calls", "max_tokens", "max_completion_tokens",
    "temperature", "top_p", "top_k", "stop", "stream", "stream_options", "response_format", "reasoning_effort",
    "reasoning", "thinking", "enable_thinking", "chat_template_kwargs",
}  # fmt: skip
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
IDS = {
    "any": re.compile(r".{1,256}", re.DOTALL),
    "max40": re.compile(r".{1,40}", re.DOTALL),
    "alnum9": re.compile(r"[a-zA-Z0-9]{9}"),
}


def check_body(body: dict[str, Any], dialect: Dialect) -> None:
    assert orjson.loads(orjson.dumps(body)) is not None
    unknown = set(body) - TOP_LEVEL - set(dialect.extra_body)
    assert not unknown, f"unknown fields {unknown}"
    assert isinstance(body["model"], str)
    assert body["model"]
    check_limits(body, dialect)
    check_tools(body, dialect)
    check_messages(body["messages"], dialect)


def check_limits(body: dict[str, Any], dialect: Dialect) -> None:
    other = ({"max_tokens", "max_completion_tokens"} - {dialect.max_tokens_field}).pop()
    assert other not in body
    if dialect.max_tokens_field in body:
        assert type(body[dialect.max_tokens_field]) is int
        assert body[dialect.max_tokens_field] >= 1
    for name in ("temperature", "top_p", "top_k"):
        assert name not in body or getattr(dialect, name)
        assert isinstance(body.get(name, 0), int | float)
    if "stop" in body:
        assert 0 < len(body["stop"]) <= dialect.max_stop
        assert all(isinstance(stop, str) and stop for stop in body["stop"])
    assert isinstance(body["stream"], bool)
    assert ("stream_options" in body) == (body["stream"] and dialect.stream_options)
    if "response_format" in body:
        assert body["response_format"]["type"] == dialect.response_format
    if "reasoning_effort" in body:
        assert body["reasoning_effort"] in (*dialect.effort_levels, "none")


def check_tools(body: dict[str, Any], dialect: Dialect) -> None:
    tools = body.get("tools")
    if tools is None:
        assert "tool_choice" not in body
        assert "parallel_tool_calls" not in body
        return
    assert isinstance(tools, list)
    assert tools
    names = []
    for tool in tools:
        assert set(tool) == {"type", "function"}
        assert tool["type"] == "function"
        function = tool["function"]
        assert set(function) <= {"name", "description", "parameters"}
        assert NAME.fullmatch(function["name"])
        assert function.get("description", "x")
        check_parameters(function["parameters"], dialect)
        names.append(function["name"])
    assert len(set(names)) == len(names)
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        assert dialect.tool_choice
        assert dialect.tool_choice_named
        assert choice["type"] == "function"
        assert choice["function"]["name"] in names
    elif choice is not None:
        assert dialect.tool_choice
        assert choice in ("none", dialect.tool_choice_required)
    assert "parallel_tool_calls" not in body or dialect.parallel_tool_calls


def check_parameters(parameters: dict[str, Any], dialect: Dialect) -> None:
    assert parameters["type"] == "object"
    assert isinstance(parameters["properties"], dict)
    assert "$schema" not in parameters
    if dialect.schema_flat_root:
        assert not {"anyOf", "oneOf", "allOf", "enum", "not"} & set(parameters)


def check_messages(messages: list[dict[str, Any]], dialect: Dialect) -> None:
    waiting: list[str] = []
    previous = None
    for index, message in enumerate(messages):
        role = message["role"]
        where = f"message {index} ({role})"
        if role == "tool":
            assert waiting, f"{where}: no call waits"
            assert message["tool_call_id"] == waiting.pop(0), f"{where}: not in the order of the calls"
            assert set(message) == {"role", "tool_call_id", "content"}
            check_text(message["content"], where)
            previous = role
            continue
        assert not waiting, f"{where}: calls without results"
        assert role != previous or role == dialect.system_role, f"{where}: same role twice"
        if role == dialect.system_role:
            assert index == 0 or dialect.late_system, f"{where}: a late system message"
            check_text(message["content"], where)
        elif role == "user":
            check_user(message, where, dialect)
        else:
            assert role == "assistant", f"{where}: unknown role"
            assert previous in ("user", "tool", dialect.system_role), f"{where}: nothing to answer"
            waiting = check_assistant(message, where, dialect)
        previous = role
    assert not waiting, "the conversation ends with calls"
    assert any(message["role"] in ("user", dialect.system_role) for message in messages)


def check_text(content: Any, where: str) -> None:
    assert isinstance(content, str), f"{where}: content is no text"
    assert content.strip(), f"{where}: content is empty"


def check_user(message: dict[str, Any], where: str, dialect: Dialect) -> None:
    assert set(message) == {"role", "content"}
    if isinstance(message["content"], str):
        check_text(message["content"], where)
        return
    assert dialect.list_content, f"{where}: a list"
    assert message["content"], f"{where}: empty list"
    for part in message["content"]:
        if part["type"] == "text":
            assert set(part) == {"type", "text"}
            check_text(part["text"], where)
        elif part["type"] == "image_url":
            assert dialect.images
            assert re.match(r"data:image/[a-z]+;base64,|https?://", part["image_url"]["url"])
        else:
            assert part["type"] == "file"
            assert dialect.pdf == "file"
            assert set(part["file"]) == {"filename", "file_data"}


def check_assistant(message: dict[str, Any], where: str, dialect: Dialect) -> list[str]:
    """The ids of its calls."""
    replay = {"reasoning_content", "reasoning", "reasoning_details"} & set(message)
    assert not replay or dialect.thinking_replay != "none", f"{where}: thinking sent back"
    allowed = {"role", "content", "tool_calls", dialect.prefill_flag, *replay}
    assert set(message) <= allowed, f"{where}: {set(message) - allowed}"
    calls = message.get("tool_calls")
    if calls is None:
        check_text(message["content"], where)
        return []
    assert calls, f"{where}: empty tool_calls"
    if not message["content"]:
        assert message["content"] == (None if dialect.null_content else ""), f"{where}: wrong empty content"
    ids = []
    for call in calls:
        assert set(call) <= {"id", "type", "function", "extra_content"}
        assert call["type"] == "function"
        assert IDS[dialect.tool_ids].fullmatch(call["id"]), f"{where}: id {call['id']!r}"
        assert NAME.fullmatch(call["function"]["name"])
        assert isinstance(orjson.loads(call["function"]["arguments"]), dict)
        ids.append(call["id"])
    assert len(set(ids)) == len(ids), f"{where}: ids twice"
    return ids
