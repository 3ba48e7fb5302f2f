"""Tools and tool_choice."""

from __future__ import annotations

from typing import Any

import pytest

from gatewayd.errors import InvalidRequest
from gatewayd.protocol.names import wire_name
from tests.protocol.chat.building import Built, assistant, build, call, result, system, tool, user

WEB_SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}
LONG = "mcp__server__" + "x" * 80


def with_tools(*tools: dict[str, Any], dialect: str = "generic", **fields: Any) -> Built:
    return build("hi", dialect=dialect, tools=list(tools), **fields)


def test_a_tool_becomes_a_function() -> None:
    schema = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
    assert with_tools(tool("Read", schema, description="Reads.")).body["tools"] == [
        {"type": "function", "function": {"name": "Read", "description": "Reads.", "parameters": schema}}
    ]


def test_no_tools_are_no_field() -> None:
    assert {"tools", "tool_choice", "parallel_tool_calls"}.isdisjoint(with_tools().body)


def test_what_only_anthropic_knows_is_not_forwarded() -> None:
    built = with_tools(
        tool(
            cache_control={"type": "ephemeral"},
            defer_loading=True,
            eager_input_streaming=True,
            strict=True,
            input_examples=[{}],
        )
    )
    assert set(built.body["tools"][0]["function"]) == {"name", "parameters"}
    assert built.codes == ["tools.strict_dropped", "tools.input_examples_dropped"]


@pytest.mark.parametrize("placeholder", [{}, {"input_schema": {"type": "object"}}])
def test_the_placeholder_of_deferred_tools_is_dropped(placeholder: dict[str, Any]) -> None:
    built = with_tools({"name": "DeferredToolPlaceholder", "defer_loading": True, **placeholder}, tool("Read"))
    assert [entry["function"]["name"] for entry in built.body["tools"]] == ["Read"]
    assert built.codes == ["tools.placeholder_dropped"]


def test_a_deferred_tool_with_a_schema_is_sent() -> None:
    assert len(with_tools(tool("mcp__x", defer_loading=True)).body["tools"]) == 1


def test_a_long_name_is_shortened_everywhere_and_the_way_back_is_told() -> None:
    sent = wire_name(LONG)
    built = build(
        [user("a"), assistant(call("t1", LONG)), user(result("t1", [{"type": "tool_reference", "tool_name": LONG}]))],
        tools=[tool(LONG), tool("Read")],
        tool_choice={"type": "tool", "name": LONG},
    )
    assert built.chat.tool_names == {sent: LONG}
    assert built.body["tools"][0]["function"]["name"] == sent
    assert built.body["tool_choice"]["function"]["name"] == sent
    assert built.messages[1]["tool_calls"][0]["function"]["name"] == sent
    assert built.messages[2]["content"] == f"Tool {sent} is available now."
    assert built.codes == ["tools.renamed"]


def test_a_server_tool_is_dropped_with_a_note_that_names_it() -> None:
    built = with_tools(WEB_SEARCH, tool("Read"))
    assert [entry["function"]["name"] for entry in built.body["tools"]] == ["Read"]
    assert [(note.code, note.text) for note in built.notes] == [("server_tools.dropped", "web_search_20250305")]


def test_a_server_tool_is_refused_where_the_gateway_says_so() -> None:
    with pytest.raises(InvalidRequest, match=r"tools\.1: the tool 'web_search_20250305'"):
        with_tools(tool("Read"), WEB_SEARCH, options={"server_tools": "reject"})


def test_a_choice_of_a_dropped_tool_alone_is_not_sent() -> None:
    built = with_tools(WEB_SEARCH, tool_choice={"type": "tool", "name": "web_search"})
    assert {"tools", "tool_choice"}.isdisjoint(built.body)
    assert built.codes == ["server_tools.dropped", "tool_choice.dropped"]


def test_a_choice_of_a_dropped_tool_beside_others_is_auto() -> None:
    built = with_tools(WEB_SEARCH, tool("Read"), tool_choice={"type": "tool", "name": "web_search"})
    assert "tool_choice" not in built.body
    assert "tool_choice.downgraded" in built.codes


def test_a_choice_of_a_tool_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"tool_choice\.name: no tool is named 'Write'"):
        with_tools(tool("Read"), tool_choice={"type": "tool", "name": "Write"})


NAMED = {"type": "function", "function": {"name": "Read"}}


@pytest.mark.parametrize(
    ("dialect", "choice", "sent", "notes"),
    [
        ("generic", {"type": "auto"}, None, []),
        ("generic", {"type": "none"}, "none", []),
        ("generic", {"type": "any"}, "required", []),
        ("generic", {"type": "tool", "name": "Read"}, NAMED, []),
        ("mistral", {"type": "any"}, "any", []),
        ("mistral", {"type": "tool", "name": "Read"}, NAMED, []),
        ("zai", {"type": "any"}, None, ["tool_choice.downgraded"]),
        ("zai", {"type": "tool", "name": "Read"}, None, ["tool_choice.downgraded"]),
        ("qwen", {"type": "any"}, None, ["tool_choice.downgraded"]),
        ("lmstudio", {"type": "any"}, "required", []),
        ("lmstudio", {"type": "tool", "name": "Read"}, None, ["tool_choice.downgraded"]),
        ("ollama", {"type": "any"}, None, ["tool_choice.downgraded"]),
    ],
)
def test_the_choice_in_the_words_of_the_dialect(
    dialect: str, choice: dict[str, Any], sent: Any, notes: list[str]
) -> None:
    built = with_tools(tool("Read"), tool("Bash"), dialect=dialect, tool_choice=choice)
    assert built.body.get("tool_choice") == sent
    assert built.codes == notes


@pytest.mark.parametrize(
    ("dialect", "choice", "sent"),
    [
        ("qwen", {"type": "any"}, NAMED),
        ("lmstudio", {"type": "tool", "name": "Read"}, "required"),
        ("zai", {"type": "any"}, None),
    ],
)
def test_with_one_tool_any_and_named_mean_the_same(dialect: str, choice: dict[str, Any], sent: Any) -> None:
    assert with_tools(tool("Read"), dialect=dialect, tool_choice=choice).body.get("tool_choice") == sent


def test_where_none_cannot_be_said_the_tools_are_withheld() -> None:
    built = with_tools(tool("Read"), dialect="ollama", tool_choice={"type": "none"})
    assert "tools" not in built.body
    assert built.codes == ["tools.withheld"]


def test_a_forced_call_gives_way_to_thinking_where_both_cannot_be() -> None:
    built = with_tools(
        tool("Read"),
        dialect="deepseek",
        tool_choice={"type": "any"},
        thinking={"type": "enabled", "budget_tokens": 2000},
    )
    assert "tool_choice" not in built.body
    assert built.body["thinking"] == {"type": "enabled"}
    assert "tool_choice.downgraded" in built.codes


def test_thinking_gives_way_to_a_forced_call_where_the_client_did_not_ask_for_it() -> None:
    built = with_tools(tool("Read"), dialect="deepseek", tool_choice={"type": "any"})
    assert built.body["tool_choice"] == "required"
    assert built.body["thinking"] == {"type": "disabled"}
    assert built.codes == []


def test_parallel_calls_are_switched_off_by_the_provider_or_by_the_gateway() -> None:
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    sent = with_tools(tool("Read"), tool_choice=choice)
    assert (sent.body["parallel_tool_calls"], sent.chat.single_call, sent.codes) == (False, False, [])
    kept = with_tools(tool("Read"), dialect="gemini", tool_choice=choice)
    assert ("parallel_tool_calls" in kept.body, kept.chat.single_call) == (False, True)
    assert kept.codes == ["parallel_tool_calls.enforced_locally"]


def test_parallel_calls_are_not_mentioned_without_need() -> None:
    assert "parallel_tool_calls" not in with_tools(tool("Read")).body


def test_a_tool_defined_in_mid_conversation_is_offered() -> None:
    added = {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": tool("Late")}}
    known = {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": tool("Read")}}
    built = build([user("a"), system(added, known, added, {"type": "tool_addition", "tool": 5})], tools=[tool("Read")])
    assert [entry["function"]["name"] for entry in built.body["tools"]] == ["Read", "Late"]
