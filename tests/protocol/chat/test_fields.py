"""The fields of a delta or message in their many spellings; other types say nothing and raise nothing."""

from __future__ import annotations

from typing import Any

import pytest

from gatewayd.protocol.chat.fields import Counts, read_content, read_counts, read_reasoning
from gatewayd.protocol.parts import Text, Thinking, Usage


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("x", [Text("x")]), ("", []), (None, []), (True, []), (4, [Text("4")]), (0.5, [Text("0.5")]),
        ({"text": "x"}, [Text("x")]), ({"type": "text", "text": "x"}, [Text("x")]),
        ({"a": "é", "text": 1}, [Text('{"a": "é", "text": 1}')]),
        (["a", {"type": "text", "text": "b"}, {"type": "output_text", "text": "c"}], [Text("a"), Text("b"), Text("c")]),
        ([{"type": "thinking", "thinking": [{"type": "text", "text": "t"}, "u"]}], [Thinking("tu")]),
        ([{"thinking": "t"}, {"type": "reasoning", "text": "u"}, {"type": "reasoning", "summary": ["v"]}],
         [Thinking("t"), Thinking("u"), Thinking("v")]),
        ([None, 3, [], {}, {"type": "text"}, {"type": "text", "text": ""}, {"type": "thinking", "thinking": 7}], []),
        ([{"type": "reference", "reference_ids": [1]}, {"type": "image_url", "image_url": {"url": "x"}}], []),
    ],
)  # fmt: skip
def test_content(content: Any, parts: list[Any]) -> None:
    assert list(read_content(content)) == parts


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"reasoning_content": "t"}, "t"), ({"reasoning": "t"}, "t"), ({"thinking": "t"}, "t"),
        ({"reasoning_content": "t", "reasoning": "t", "reasoning_details": [{"text": "t"}]}, "t"),
        ({"reasoning_content": "", "reasoning": "t"}, "t"),
        ({"reasoning": None, "reasoning_details": [{"text": "t"}, {"summary": "u"}, {"data": "x"}, None]}, "tu"),
        ({"reasoning": {"content": "t"}}, "t"), ({"reasoning": {"summary": ["t", "u"]}}, "tu"),
        ({"reasoning": [{"text": "t"}, {"thinking": [{"text": "u"}]}]}, "tu"),
        ({"reasoning": 5, "reasoning_content": True, "reasoning_details": {}, "thinking": []}, ""), ({}, ""),
    ],
)  # fmt: skip
def test_reasoning_counts_once(message: dict[str, Any], text: str) -> None:
    assert read_reasoning(message) == text


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}, Usage(10, 0, 0, 2)),
        ({"input_tokens": 10, "output_tokens": 2}, Usage(10, 0, 0, 2)),
        ({"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 4}}, Usage(6, 4, 0, 0)),
        ({"prompt_tokens": 10, "prompt_tokens_details": None, "prompt_cache_hit_tokens": 4}, Usage(6, 4, 0, 0)),
        ({"prompt_tokens": 10, "cached_tokens": 4}, Usage(6, 4, 0, 0)),
        ({"prompt_tokens": 10, "num_cached_tokens": 4, "prompt_tokens_details": {"cached_tokens": 0}},
         Usage(6, 4, 0, 0)),
        ({"prompt_tokens": 10, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 5}, Usage(1, 4, 5, 0)),
        ({"prompt_tokens": 10, "prompt_tokens_details": {"cache_write_tokens": 5}}, Usage(5, 0, 5, 0)),
        ({"prompt_tokens": 10, "prompt_tokens_details": {"cache_creation_tokens": 5}}, Usage(5, 0, 5, 0)),
        ({"prompt_tokens": 10, "cached_tokens": 40, "cache_creation_input_tokens": 5}, Usage(0, 10, 0, 0)),
        ({"prompt_tokens": 10, "cached_tokens": 8, "cache_creation_input_tokens": 5}, Usage(0, 8, 2, 0)),
        ({"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 50}, Usage(10, 0, 0, 40)),
        ({"completion_tokens": 2, "total_tokens": 50}, Usage(48, 0, 0, 2)),
        ({"prompt_tokens": 10, "completion_tokens": 9, "total_tokens": 3}, Usage(10, 0, 0, 9)),
        ({"completion_tokens": 9, "total_tokens": 3}, Usage(0, 0, 0, 9)),
        ({"completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 4}}, Usage(0, 0, 0, 9, 4)),
        ({"output_tokens": 9, "output_tokens_details": {"reasoning_tokens": 40}}, Usage(0, 0, 0, 9, 9)),
        ({"completion_tokens": 9, "completion_tokens_details": 3, "reasoning_tokens": 4}, Usage(0, 0, 0, 9, 4)),
        ({"prompt_tokens": -1, "completion_tokens": 2.9}, Usage(0, 0, 0, 2)),
        ({"prompt_tokens": 10**30, "completion_tokens": float("inf")}, Usage(2**53, 0, 0, 2**53)),
        ({"prompt_tokens": float("nan"), "completion_tokens": True, "total_tokens": 7}, Usage(7, 0, 0, 0)),
    ],
)  # fmt: skip
def test_usage_in_anthropics_meaning(told: dict[str, Any], usage: Usage) -> None:
    counts = read_counts(told)
    assert counts is not None
    assert counts.usage() == usage
    assert all(type(count) is int for count in counts.usage())


@pytest.mark.parametrize("told", [None, {}, [], "x", 5, {"prompt_tokens": None}, {"prompt_tokens": "12"}])
def test_no_usage(told: Any) -> None:
    assert read_counts(told) is None


def test_later_numbers_win_and_null_erases_nothing() -> None:
    first, second = Counts(prompt=10, completion=1, cached=4), Counts(completion=5, cached=0)
    assert first.updated(second) == Counts(prompt=10, completion=5, cached=0)
