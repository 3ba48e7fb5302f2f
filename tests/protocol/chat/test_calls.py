"""Tool calls in the forms in which providers send them: which fragment belongs to which call."""

from __future__ import annotations

from typing import Any

import pytest

from gatewayd.protocol.chat.calls import Calls


def read(*messages: dict[str, Any], whole: bool = False) -> list[tuple[str, str, str]]:
    """(id, name, arguments) of each call."""
    calls = Calls()
    found: dict[int, tuple[str, str, str]] = {}
    for message in messages:
        for part in calls.read(message, whole=whole):
            _, name, arguments = found.get(part.key, ("", "", ""))
            found[part.key] = (part.id, name + part.name, arguments + part.arguments)
    return list(found.values())


def deltas(*calls: dict[str, Any]) -> list[tuple[str, str, str]]:
    return read(*({"tool_calls": [call]} for call in calls))


def call(index: Any = None, call_id: Any = None, name: Any = None, arguments: Any = None) -> dict[str, Any]:
    return {"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize(
    ("fragments", "calls"),
    [
        ([call(0, "a", "f", "{"), call(0, None, None, "}")], [("a", "f", "{}")]),
        ([call(0, "a", "f", "{"), call(0, "a", "f", "}")], [("a", "f", "{}")]),
        ([call(0, "a", "f", "{"), call(0, "b", None, "}")], [("a", "f", "{}")]),
        ([call(0, "a", "f", "{}"), call(0, "b", "f", "{}")], [("a", "f", "{}"), ("b", "f", "{}")]),
        ([call(0, "a", "f", "{}"), call(1, "a", "f", "{}")], [("a", "f", "{}"), ("a", "f", "{}")]),
        ([call(0, None, "f", "{}"), call(0, None, "f", "{}")], [("", "f", "{}"), ("", "f", "{}")]),
        ([call(0, None, "f", "{"), call(0, None, "f", "}")], [("", "f", "{}")]),
        ([call(-1, "a", "f", "{"), call(-1, None, None, "}")], [("a", "f", "{}")]),
        ([call(1, "b", "g"), call(0, "a", "f"), call(1, None, None, "1")], [("b", "g", "1"), ("a", "f", "")]),
        ([call(0, "a", "f", "1"), call(0, "b", "g", "2"), call(0, None, None, "3")],
         [("a", "f", "1"), ("b", "g", "23")]),
    ],
)  # fmt: skip
def test_by_index(fragments: list[dict[str, Any]], calls: list[tuple[str, str, str]]) -> None:
    assert deltas(*fragments) == calls


@pytest.mark.parametrize(
    ("fragments", "calls"),
    [
        ([call(None, "a", "f", "{"), call(None, "a", "f", "}")], [("a", "f", "{}")]),
        ([call(None, "a", "f", "{"), call(None, "b", None, "}")], [("a", "f", "{}")]),
        ([call(None, "a", "f", "1"), call(None, "b", "g", "2"), call(None, "a", None, "3")],
         [("a", "f", "13"), ("b", "g", "2")]),
        ([call(None, "a", "f", "{"), call(None, None, None, "}")], [("a", "f", "{}")]),
        ([call(None, None, "f", "{}"), call(None, None, "f", "{}")], [("", "f", "{}"), ("", "f", "{}")]),
        ([call(None, None, "f", "{"), call(None, None, "f", "}")], [("", "f", "{}")]),
        ([call(None, None, "f", "{"), call(None, None, "g", "{}")], [("", "f", "{"), ("", "g", "{}")]),
        ([call(None, None, "f"), call(None, None, "f")], [("", "f", ""), ("", "f", "")]),
        ([call("0", "a", "f", "{"), call("0", None, None, "}"), call(True, "b", "g")],
         [("a", "f", "{}"), ("b", "g", "")]),
    ],
)  # fmt: skip
def test_without_an_index_by_id_and_else_by_order(fragments: list[Any], calls: list[tuple[str, str, str]]) -> None:
    assert deltas(*fragments) == calls


def test_each_entry_of_a_completion_is_a_call_of_its_own() -> None:
    entries = [call(0, "a", "f", "{}"), call(0, "a", "f", "{}"), call(None, "", "f", "{"), call(None, "", "f", "{")]
    assert read({"tool_calls": entries}, whole=True) == [("a", "f", "{}")] * 2 + [("", "f", "{")] * 2


def test_a_name_in_pieces_grows_until_arguments_come() -> None:
    assert deltas(call(0, "a", "Re"), call(0, None, "ad"), call(0, None, "Read", "{}")) == [("a", "Read", "{}")]
    assert deltas(call(0, "a", "Re", "{"), call(0, None, "ad", "}")) == [("a", "Re", "{}")]


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ({"name": "f", "arguments": {"a": [1]}}, '{"a":[1]}'),
        ({"name": "f", "parameters": {"a": 1}}, '{"a":1}'),
        ({"name": "f", "arguments": None, "parameters": {"a": 1}}, '{"a":1}'),
        ({"name": "f", "arguments": None}, ""),
        ({"name": "f"}, ""),
        ({"name": "f", "arguments": 5}, "5"),
    ],
)
def test_arguments_of_any_type(function: dict[str, Any], arguments: str) -> None:
    assert deltas({"index": 0, "id": "a", "function": function}) == [("a", "f", arguments)]


def test_a_custom_call_has_its_text_as_arguments() -> None:
    assert deltas({"index": 0, "id": "a", "type": "custom", "custom": {"name": "f", "input": "x"}}) == [("a", "f", "x")]


def test_ids_that_are_numbers_are_ids() -> None:
    assert deltas(call(0, 0, "f", "{}"), call(0, 1, "f", "{}")) == [("0", "f", "{}"), ("1", "f", "{}")]
    assert deltas(call(0, True, "f", "{}")) == [("", "f", "{}")]


def test_a_zero_value_is_no_call_and_opens_none() -> None:
    assert deltas(call(0, "", "", ""), {}, {"function": None}) == []
    assert deltas(call(0, "", "", ""), call(0, "a", "f", "{}")) == [("a", "f", "{}")]


@pytest.mark.parametrize("calls", [None, [], {}, "x", [None, "x", 3, []]])
def test_other_types_are_no_calls(calls: Any) -> None:
    assert read({"tool_calls": calls, "function_call": calls}) == []


def test_the_legacy_field_is_one_call_without_an_id() -> None:
    pieces = [{"name": "f", "arguments": ""}, {"arguments": '{"a"'}, {"arguments": ":1}"}]
    assert read(*({"function_call": piece} for piece in pieces)) == [("", "f", '{"a":1}')]
    assert read({"function_call": {"name": "", "arguments": ""}}) == []


def test_the_legacy_field_beside_the_new_one_repeats_it() -> None:
    message = {"tool_calls": [call(None, "a", "f", "{}")], "function_call": {"name": "f", "arguments": "{}"}}
    assert read(message) == read(message, whole=True) == [("a", "f", "{}")]


@pytest.mark.parametrize("extra", [{"google": {"thought_signature": 5}}, {"google": []}, [], "x", None])
def test_a_thought_signature_is_read_where_it_is_text(extra: Any) -> None:
    good = call(0, "a", "f", "{}") | {"extra_content": {"google": {"thought_signature": "S"}}}
    (part,) = Calls().read({"tool_calls": [good]}, whole=True)
    assert part.thought_signature == "S"
    (part,) = Calls().read({"tool_calls": [good | {"extra_content": extra}]}, whole=True)
    assert part.thought_signature == ""
