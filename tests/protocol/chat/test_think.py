"""Think tags: split off at the start of the text and nowhere else, however they are cut."""

from __future__ import annotations

import pytest

from gatewayd.protocol.chat.think import ThinkTags
from gatewayd.protocol.parts import Text, Thinking


def split(*pieces: str, repeated: bool = False, seen_reasoning: bool = False) -> list[tuple[str, str]]:
    tags = ThinkTags(repeated=repeated)
    tags.seen_reasoning = seen_reasoning
    parts = [part for piece in pieces for part in tags.feed(piece)] + list(tags.finish())
    joined: list[tuple[str, str]] = []
    for part in parts:
        kind = "thinking" if isinstance(part, Thinking) else "text"
        if joined and joined[-1][0] == kind:
            joined[-1] = (kind, joined[-1][1] + part.text)
        else:
            joined.append((kind, part.text))
    return joined


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("plain", [("text", "plain")]),
        ("<think>t</think>x", [("thinking", "t"), ("text", "x")]),
        (" \n<think>t</think>\n\nx\n", [("thinking", "t"), ("text", "x\n")]),
        ("<thinking>t</thinking>x", [("thinking", "t"), ("text", "x")]),
        ("<think>never closed", [("thinking", "never closed")]),
        ("<think>cut in the tag</thi", [("thinking", "cut in the tag</thi")]),
        ("<think>a < b </b> c</think>x", [("thinking", "a < b </b> c"), ("text", "x")]),
        ("<think>t</think>", [("thinking", "t")]),
        ("<th", [("text", "<th")]),
        ("<thin air", [("text", "<thin air")]),
        ("x <think>t</think>", [("text", "x <think>t</think>")]),
        ("<think>t</think>x <think>u</think>", [("thinking", "t"), ("text", "x <think>u</think>")]),
        ("t</think>x", [("text", "t</think>x")]),
        (" ", [("text", " ")]),
    ],
)
def test_tags_whole_and_character_by_character(text: str, parts: list[tuple[str, str]]) -> None:
    assert split(text) == parts
    assert split(*text) == parts


def test_thinking_flows_on_except_for_what_may_be_the_closing_tag() -> None:
    tags = ThinkTags(repeated=False)
    assert list(tags.feed("<think>one")) == [Thinking("one")]
    assert list(tags.feed(" two<")) == [Thinking(" two")]
    assert list(tags.feed("/think")) == []
    assert list(tags.feed("s three")) == [Thinking("</thinks three")]


def test_text_after_something_else_is_never_split() -> None:
    tags = ThinkTags(repeated=False)
    assert [*tags.feed("<thi"), *tags.finish()] == [Text("<thi")]
    assert list(tags.feed("<think>")) == [Text("<think>")]


def test_something_else_before_any_text_leaves_the_start_open() -> None:
    tags = ThinkTags(repeated=False)
    assert list(tags.finish()) == []
    assert list(tags.feed("<think>t")) == [Thinking("t")]


def test_tagged_text_that_repeats_the_reasoning_field_is_dropped_only_where_the_field_was_used() -> None:
    assert split("<think>t</think>x", repeated=True, seen_reasoning=True) == [("text", "x")]
    assert split("<think>t</think>x", repeated=True) == [("thinking", "t"), ("text", "x")]
    assert split("<think>t</think>x", seen_reasoning=True) == [("thinking", "t"), ("text", "x")]
