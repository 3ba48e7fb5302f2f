"""Answers in OpenAI's shapes: the stream and the whole say the same."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gatewayd.simulator.script import Answer, Call
from gatewayd.simulator.usage import Usage
from gatewayd.simulator.wire import build_chunks, build_completion, build_events, build_reply
from tests.simulator.requests import request

ANSWERS = st.builds(
    Answer,
    text=st.text(max_size=200),
    reasoning=st.text(max_size=60),
    calls=st.lists(st.builds(Call, st.just("call_1"), st.just("Read"), st.text(max_size=60)), max_size=3).map(tuple),
    finish=st.sampled_from(["stop", "tool_calls", "length"]),
)
USAGE = Usage(10, 4, 6, 2)


def fold(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """The message that a client puts together from a stream."""
    message: dict[str, Any] = {"content": "", "reasoning_content": "", "calls": []}
    for chunk in chunks:
        delta = chunk["choices"][0]["delta"]
        for name in ("content", "reasoning_content"):
            message[name] += delta.get(name) or ""
        for call in delta.get("tool_calls", ()):
            if "id" in call:
                assert call["index"] == len(message["calls"])
                message["calls"].append([call["id"], call["function"]["name"], ""])
            message["calls"][call["index"]][2] += call["function"]["arguments"]
    return message


@given(ANSWERS)
def test_the_stream_folds_to_the_whole_answer(answer: Answer) -> None:
    reply = build_reply(request(), answer, USAGE)
    folded = fold(list(build_chunks(reply, include_usage=False)))
    message = build_completion(reply)["choices"][0]["message"]
    assert folded["content"] == (message["content"] or "") == answer.text
    assert folded["reasoning_content"] == message.get("reasoning_content", "") == answer.reasoning
    whole = [[c["id"], c["function"]["name"], c["function"]["arguments"]] for c in message.get("tool_calls", ())]
    assert folded["calls"] == whole == [[call.id, call.name, call.arguments] for call in answer.calls]


def test_content_is_null_beside_calls() -> None:
    reply = build_reply(request(), Answer(calls=(Call("a", "Read", "{}"),), finish="tool_calls"), USAGE)
    choice = build_completion(reply)["choices"][0]
    assert choice["message"]["content"] is None
    assert choice["finish_reason"] == "tool_calls"


def test_events_are_data_lines_closed_by_done() -> None:
    events = build_events(build_reply(request(), Answer(text="a b"), USAGE), include_usage=True)
    assert all(event.startswith(b"data: ") and event.endswith(b"\n\n") for event in events)
    assert events[-1] == b"data: [DONE]\n\n"
    assert b'"usage":{"prompt_tokens":10' in events[-2]


def test_ids_follow_from_the_request() -> None:
    answer = Answer(text="a")
    ids = [build_reply(request(seed=seed), answer, USAGE).id for seed in (1, 1, 2)]
    assert ids[0] == ids[1] != ids[2]
