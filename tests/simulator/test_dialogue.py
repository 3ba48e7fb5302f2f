"""The rules of a conversation that the simulated provider insists on."""

from __future__ import annotations

from typing import Any

import pytest

from gatewayd.simulator.dialogue import check_messages
from gatewayd.simulator.refusals import Refused
from tests.simulator.requests import call, result, system, user

BAD: dict[str, tuple[Any, str]] = {
    "no messages": ([], "empty array"),
    "not a list": ("hello", "empty array"),
    "instructions alone": ([system("a")], "must have the role 'user'"),
    "unknown role": ([{"role": "function", "content": "a"}], "Invalid value: 'function'"),
    "no role": ([{"content": "a"}], "Invalid value: None"),
    "leftover field": ([{**user("a"), "cache_control": {}}], "Unknown parameter: 'messages[0].cache_control'"),
    "late instructions": ([user("a"), system("b")], "System message must be at the beginning."),
    "no content": ([{"role": "user"}], "'messages[0].content'"),
    "empty parts": ([user([])], "'messages[0].content'"),
    "an Anthropic image": ([user([{"type": "image", "source": {}}])], "'image'"),
    "leftover field in a part": (
        [user([{"type": "text", "text": "a", "cache_control": {}}])],
        "messages[0].content[0]",
    ),
    "empty text part": ([user([{"type": "text", "text": ""}])], "non-empty string"),
    "image in instructions": ([{"role": "system", "content": [{"type": "image_url", "image_url": {}}]}], "'image_url'"),
    "silent assistant": ([user("a"), {"role": "assistant", "content": ""}], "needs content or tool_calls"),
    "empty calls": ([user("a"), {"role": "assistant", "content": "b", "tool_calls": []}], "empty array"),
    "the same call id twice": ([user("a"), call("x", "x"), result("x"), result("x")], "ids must be unique"),
    "empty call id": ([user("a"), call(""), result("")], "'messages[1].tool_calls[0].id'"),
    "call id of 41 characters": ([user("a"), call("x" * 41), result("x" * 41)], "1 to 40"),
    "arguments as an object": ([user("a"), call("x", arguments={}), result("x")], "JSON object"),
    "arguments that do not parse": ([user("a"), call("x", arguments="{"), result("x")], "JSON object"),
    "arguments that are a list": ([user("a"), call("x", arguments="[]"), result("x")], "JSON object"),
    "result first": ([result("x")], "must be a response to a preceeding message"),
    "result after a person": ([user("a"), result("x")], "must be a response to a preceeding message"),
    "orphan id": ([user("a"), call("x"), result("y")], "'tool_call_id' of 'y' not found"),
    "answered twice": ([user("a"), call("x"), result("x"), result("x")], "'tool_call_id' of 'x' not found"),
    "unanswered at the end": ([user("a"), call("x", "y"), result("x")], "did not have response messages: y"),
    "unanswered before a person": ([user("a"), call("x"), user("b")], "did not have response messages: x"),
    "person between the results": (
        [user("a"), call("x", "y"), result("x"), user("b"), result("y")],
        "response messages: y",
    ),
    "result as parts": ([user("a"), call("x"), result("x", [{"type": "text", "text": "b"}])], "expected a string"),
    "result of nothing": ([user("a"), call("x"), result("x", None)], "expected a string"),
}


@pytest.mark.parametrize("name", BAD)
def test_refuses(name: str) -> None:
    messages, words = BAD[name]
    with pytest.raises(Refused) as caught:
        check_messages(messages)
    assert words in caught.value.message


def test_takes_results_in_any_order_and_an_assistant_that_only_calls() -> None:
    check_messages([system("s"), user("a"), call("x", "y"), result("y"), result("x"), user("b")])
