"""What a provider told, put together for people: every form of answer, whatever is wrong with it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.protocol.chat.told import fold_told


def stream(*chunks: dict[str, Any] | str) -> list[bytes]:
    texts = [chunk if isinstance(chunk, str) else orjson.dumps(chunk).decode() for chunk in chunks]
    return [f"data: {text}\n\n".encode() for text in texts]


def delta(**fields: Any) -> dict[str, Any]:
    return {"id": "c1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": fields}]}


def test_the_chunks_of_a_stream_are_one_message() -> None:
    pieces = stream(
        delta(role="assistant", content=None),
        delta(role="assistant", reasoning_content="Let me "),
        delta(reasoning_content="see."),
        delta(content="Hel"),
        delta(content="lo"),
        delta(tool_calls=[{"index": 0, "id": "t1", "type": "function", "function": {"name": "Read", "arguments": ""}}]),
        delta(tool_calls=[{"index": 1, "id": "t2", "function": {"name": "Bash", "arguments": "{}"}}]),
        delta(tool_calls=[{"index": 0, "id": "", "function": {"name": "", "arguments": '{"a"'}}]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": ":1}"}}]),
        {"id": "c1", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}], "usage": None},
        {"id": "c1", "choices": [], "usage": {"prompt_tokens": 10}},
        "[DONE]",
    )
    calls = [
        {"index": 0, "id": "t1", "type": "function", "function": {"name": "Read", "arguments": '{"a":1}'}},
        {"index": 1, "id": "t2", "function": {"name": "Bash", "arguments": "{}"}},
    ]
    message = {"role": "assistant", "content": "Hello", "reasoning_content": "Let me see.", "tool_calls": calls}
    assert fold_told(pieces) == {
        "stream": {
            "id": "c1",
            "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": message, "finish_reason": "tool_calls"}],
            "usage": {"prompt_tokens": 10},
        },
        "chunks": 11,
        "done": True,
    }


def test_a_secret_in_chunks_is_whole_again() -> None:
    told = fold_told(stream(delta(content="sk-abcdef"), delta(content="ghijklmnopqrstuvwxyz")))
    assert b"sk-abcdefghijklmnopqrstuvwxyz" in orjson.dumps(told)


@pytest.mark.parametrize(
    ("pieces", "told"),
    [
        ([b'{"choices"', b": []}"], {"completion": {"choices": []}}),
        ([b"  \n", b'{"error": {"message": "no"}}'], {"completion": {"error": {"message": "no"}}}),
        ([b'{"cut": "of'], {"text": '{"cut": "of'}),
        ([b"<html>\xff</html>"], {"text": "<html>�</html>"}),
        ([], {"stream": {}, "chunks": 0, "done": False}),
        (
            [b'data: {"id": "a"}\n\ndata: {"x'],
            {"stream": {"id": "a"}, "chunks": 1, "done": False, "text": '{"x'},
        ),
        ([b"data: [1]\n\n"], {"stream": {}, "chunks": 1, "done": False}),
        ([b"data: " + b"x" * 5_000_000], {"text": "data: " + "x" * 8186}),
    ],
)  # fmt: skip
def test_what_is_broken_stands_as_it_came(pieces: list[bytes], told: dict[str, Any]) -> None:
    assert fold_told(pieces) == told


def test_what_is_missing_is_told() -> None:
    assert fold_told(stream(delta(content="a")), 77)["omitted_bytes"] == 77


def test_chunks_that_contradict_each_other_do_no_harm() -> None:
    pieces = stream({"choices": "x"}, {"choices": [1]}, {"choices": {"a": 1}}, {"choices": [{"index": "0"}, None]})
    assert fold_told(pieces)["chunks"] == 4


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["index", "a", "id", "choices"]), inner)
    ),
)


@given(st.lists(st.dictionaries(st.sampled_from(["choices", "delta", "id"]), JSON), max_size=6))
def test_no_answer_raises_and_all_can_be_written(chunks: list[dict[str, Any]]) -> None:
    assert orjson.dumps(fold_told(stream(*chunks)))
