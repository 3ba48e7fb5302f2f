"""What a strict provider refuses, and how it says so."""

from __future__ import annotations

from typing import Any

import pytest

from gatewayd.simulator.checks import check_request
from gatewayd.simulator.refusals import Refused
from tests.simulator.requests import READ, READ_TOOL, call, request, result, system, tool, user

GOOD = {
    "plain": request(),
    "every common field": request(
        max_completion_tokens=5,
        temperature=0.5,
        top_p=1,
        stop=["a", "b"],
        stream=True,
        stream_options={"include_usage": True},
        tools=[READ_TOOL],
        tool_choice={"type": "function", "function": {"name": "Read"}},
        parallel_tool_calls=False,
        reasoning_effort="high",
        response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
    ),
    "parts": request(
        user([{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}])
    ),
    "a tool loop": request(user("a"), call("x", "y"), result("x"), result("y"), user("b"), call("x"), result("x")),
    "thinking sent back": request(
        user("a"), {"role": "assistant", "content": "b", "reasoning_content": "c"}, user("d")
    ),
    "two instructions at the beginning": request(system("a"), {"role": "developer", "content": "b"}, user("c")),
}

BAD: dict[str, tuple[Any, str]] = {
    "no object": ([], "parse the JSON body"),
    "no model": ({"messages": [user("a")]}, "Missing required parameter: 'model'"),
    "no messages": ({"model": "a"}, "Missing required parameter: 'messages'"),
    "unknown field": (request(top_k=5), "Unrecognized request argument supplied: top_k"),
    "max_tokens of 0": (request(max_tokens=0), "'max_tokens'"),
    "both token limits": (request(max_tokens=1, max_completion_tokens=1), "at the same time"),
    "temperature of 3": (request(temperature=3), "'temperature'"),
    "five stops": (request(stop=["1", "2", "3", "4", "5"]), "'stop'"),
    "two choices": (request(n=2), "'n'"),
    "long user": (request(user="u" * 65), "'user'"),
    "effort max": (request(reasoning_effort="max"), "'reasoning_effort'"),
    "stream_options without stream": (request(stream_options={"include_usage": True}), "only allowed when 'stream'"),
    "tool_choice without tools": (request(tool_choice="auto"), "only allowed when 'tools'"),
    "parallel without tools": (request(parallel_tool_calls=True), "only allowed when 'tools'"),
    "empty tools": (request(tools=[]), "non-empty array"),
    "an Anthropic tool": (request(tools=[{"name": "Read", "input_schema": READ}]), "tools[0]"),
    "a leftover field in a tool": (
        request(tools=[{"type": "function", "function": {"name": "a", "input_schema": READ}}]),
        "Unknown parameter in 'tools[0].function'",
    ),
    "long tool name": (request(tools=[tool("n" * 65, READ)]), "'tools[0].function.name'"),
    "dotted tool name": (request(tools=[tool("a.b", READ)]), "'tools[0].function.name'"),
    "parameters without a type": (request(tools=[tool("a", {})]), "Invalid schema for function 'a'"),
    "the same tool twice": (request(tools=[READ_TOOL, READ_TOOL]), "must be unique"),
    "tool_choice any": (request(tools=[READ_TOOL], tool_choice="any"), "'tool_choice'"),
    "tool_choice of an unknown tool": (
        request(tools=[READ_TOOL], tool_choice={"type": "function", "function": {"name": "Write"}}),
        "'tool_choice'",
    ),
    "response_format without a schema": (
        request(response_format={"type": "json_schema", "json_schema": {"name": "a"}}),
        "'response_format.json_schema.schema'",
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_takes(name: str) -> None:
    assert check_request(GOOD[name]) is GOOD[name]


@pytest.mark.parametrize("name", BAD)
def test_refuses(name: str) -> None:
    body, words = BAD[name]
    with pytest.raises(Refused) as caught:
        check_request(body)
    assert words in caught.value.message
    assert caught.value.status == 400
    assert caught.value.build_body()["error"]["type"] == "invalid_request_error"
