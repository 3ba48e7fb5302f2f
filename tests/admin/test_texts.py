"""JSON as text for people: complete, readable, bounded."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.admin.texts import Allowance, as_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"model": "m", "max_tokens": 5, "stream": True}, "model: m\nmax_tokens: 5\nstream: true"),
        ({"content": [{"type": "text", "text": "a"}, {}]}, "content:\n  - type: text\n    text: a\n  - {}"),
        ({"text": "one\ntwo"}, "text:\n  one\n  two"),
        ([["a"], []], "- - a\n- []"),
        (None, "null"),
        ("<b>", "<b>"),
        ({"é": "ü", "n": None}, "é: ü\nn: null"),
    ],
)
def test_it_reads_like_a_list(value: Any, text: str) -> None:
    assert as_text(value) == text


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=6),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    )
)
def test_every_text_is_in_it_line_by_line(value: Any) -> None:
    shown = as_text(value)
    for text in texts(value):
        assert all(line in shown for line in text.split("\n"))


def texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [*value, *(text for inner in value.values() for text in texts(inner))]
    return [text for inner in value for text in texts(inner)] if isinstance(value, list) else []


def test_what_is_nested_too_deeply_stands_as_json() -> None:
    value: Any = "bottom"
    for _ in range(200):
        value = [value]
    assert "bottom" in as_text(value)


def test_a_page_shows_no_more_than_it_may_and_says_what_is_left_out() -> None:
    allowance = Allowance(100, 60)
    assert allowance.cut("a" * 80) == ("a" * 60, 20)
    assert allowance.cut("b" * 30) == ("b" * 30, 0)
    assert allowance.cut("c" * 30) == ("c" * 10, 20)
    assert allowance.cut("d" * 30) == ("", 30)
