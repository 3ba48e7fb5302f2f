"""Both requests side by side: every field is shown once, messages are aligned, notes stand where they belong."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.admin.compare import OTHER, Note, Part, compare, title_of
from tests.store.sessions import agent_session

PACKAGE = Path(__file__).resolve().parents[2] / "gatewayd"


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def test_fields_that_belong_together_stand_side_by_side() -> None:
    parts = compare(
        {"model": "claude", "max_tokens": 5, "stop_sequences": ["x"], "thinking": {"type": "enabled"}, "new": 1},
        {"model": "deepseek", "max_completion_tokens": 5, "stop": ["x"], "reasoning_effort": "low", "seed": 2},
        [],
    )
    assert [(part.title, part.sent, part.received) for part in parts] == [
        ("Model", {"model": "claude"}, {"model": "deepseek"}),
        ("Limits", {"max_tokens": 5}, {"max_completion_tokens": 5}),
        ("Thinking", {"thinking": {"type": "enabled"}}, {"reasoning_effort": "low"}),
        ("Sampling", {"stop_sequences": ["x"]}, {"stop": ["x"]}),
        (OTHER, {"new": 1}, {"seed": 2}),
    ]


def test_messages_are_aligned_at_the_assistants_turns() -> None:
    results = {"role": "user", "content": [{"type": "tool_result"}, {"type": "tool_result"}]}
    parts = compare(
        {"system": "be kind", "messages": [user("a"), assistant("b"), results, assistant("c"), user("d")]},
        {
            "messages": [
                {"role": "system", "content": "be kind"},
                user("a"),
                assistant("b"),
                {"role": "tool", "content": "1"},
                {"role": "tool", "content": "2"},
                user("the image of 2"),
                assistant("c"),
                user("d"),
            ]
        },
        [],
    )
    assert [(part.kind, part.title, len(part.sent or ()), len(part.received or ())) for part in parts] == [
        ("system", "System", 7, 1), ("message", "0: user", 1, 1), ("message", "1: assistant", 1, 1),
        ("message", "2: user", 1, 3), ("message", "3: assistant", 1, 1), ("message", "4: user", 1, 1),
    ]  # fmt: skip


def test_what_was_put_before_the_first_message_has_nothing_beside_it() -> None:
    parts = compare({"messages": [assistant("b")]}, {"messages": [user("."), assistant("b")]}, [])
    assert [(part.title, part.sent, part.received) for part in parts] == [
        ("(none): user", None, [user(".")]),
        ("0: assistant", [assistant("b")], [assistant("b")]),
    ]


def test_tools_are_aligned_by_name_and_have_their_notes() -> None:
    notes = [Note("tools.schema_cleaned", "Read"), Note("tools.renamed", "Gone -> gone_1")]
    parts = compare(
        {"tools": [{"name": "Read", "input_schema": {}}, {"name": "Gone"}]},
        {"tools": [{"type": "function", "function": {"name": "Read", "parameters": {}}}]},
        notes,
    )
    assert [(part.title, part.sent is None, part.received is None) for part in parts] == [
        ("All tools", True, True), ("Read", False, False), ("Gone", False, True),
    ]  # fmt: skip
    assert [[note.text for note in part.notes] for part in parts] == [["Gone -> gone_1"], ["Read"], []]


def codes() -> set[str]:
    """All that the translation may note, from its source."""
    source = "\n".join(path.read_text(encoding="utf-8") for path in (PACKAGE / "protocol").rglob("*.py"))
    return set(re.findall(r'notes\.add\(\s*"([a-z_]+\.[a-z_]+)"', source))


def test_every_note_of_the_translation_has_its_part() -> None:
    assert len(codes()) > 20
    assert {code for code in codes() if title_of(code) == OTHER} == {"fields.dropped"}


@pytest.mark.parametrize("code", sorted(codes()))
def test_a_note_is_shown_once_even_where_its_part_is_empty(code: str) -> None:
    parts = compare({"model": "m", "messages": [user("a")]}, {"model": "m", "messages": [user("a")]}, [Note(code, "x")])
    assert [note.code for part in parts for note in part.notes] == [code]


def test_nothing_of_either_request_is_lost() -> None:
    for request, upstream, _ in agent_session(4):
        parts = compare(request, upstream, [])
        assert merged(parts, "sent") == {**request, "system": request["system"]}
        assert merged(parts, "received")["messages"] == upstream["messages"]


def merged(parts: list[Part], side: str) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for part in parts:
        value = getattr(part, side)
        if value is None:
            continue
        if part.kind == "field":
            body |= value
        elif part.kind == "tool":
            body.setdefault("tools", []).append(value)
        elif part.kind == "system" and side == "sent":
            body["system"] = value
        else:
            body.setdefault("messages", []).extend(value)
    return body


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "name", "function", "type"]), inner, max_size=3)
    ),
)
BODIES = st.dictionaries(st.sampled_from(["messages", "system", "tools", "model", "stop", "x"]), VALUES)


@given(st.none() | BODIES, st.none() | BODIES)
def test_damaged_requests_are_compared_as_far_as_they_go(request_body: Any, upstream: Any) -> None:
    compare(request_body, upstream, [Note("tools.renamed"), Note("messages.opened"), Note("x")])
