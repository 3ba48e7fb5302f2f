"""The reader: whatever a provider sends, in whatever pieces, the client gets a legal answer that says just that."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.protocol.chat.dialects import DIALECTS
from gatewayd.protocol.chat.reader import MAX_BODY_BYTES, ChatReader
from gatewayd.protocol.events import Event
from gatewayd.protocol.fold import Fold
from gatewayd.protocol.parts import Failure
from gatewayd.relay.repair import repair_json
from tests.protocol.answers import client_message, cut, feed, new_answer, short
from tests.protocol.chat.chunks import Said, hostile_bodies, in_order, interleaved
from tests.protocol.grammar import check_grammar

_cuts = st.lists(st.integers(0, 100_000), max_size=8)


def outcome(events: list[Event]) -> dict[str, Any]:
    message = client_message(events)
    return {key: message.get(key) for key in ("content", "stop_reason", "stop_sequence", "usage", "error")}


@settings(max_examples=400, deadline=None)
@given(
    body=hostile_bodies(),
    cuts=_cuts,
    dialect=st.sampled_from(["generic", "minimax", "openai"]),
    stops=st.sampled_from([(), ("END", "x")]),
)
def test_anything_gives_one_legal_answer_however_it_is_cut(body, cuts, dialect, stops) -> None:
    options = {"dialect": dialect, "stops": ["END"], "local_stops": stops}
    answer = new_answer(**options)
    events = feed(answer, cut(body, cuts))
    check_grammar(events)
    assert (answer.error is not None) is (events[-1].name == "error")
    fold = Fold(repair_json)
    fold.add(events)
    orjson.dumps(fold.message)
    assert outcome(events) == outcome(feed(new_answer(**options), [body]))


@settings(max_examples=200, deadline=None)
@given(said=interleaved(), cuts=_cuts)
def test_text_reasoning_and_calls_are_exactly_what_was_sent(said: Said, cuts: list[int]) -> None:
    body = said.body()
    events = feed(new_answer(), cut(body, cuts))
    check_grammar(events)
    message = client_message(events)
    assert "".join(block.get("text", "") for block in message["content"]) == said.text
    assert "".join(block.get("thinking", "") for block in message["content"]) == said.thinking
    calls = [block for block in message["content"] if block["type"] == "tool_use"]
    assert [(call["id"], call["name"], call["input"]) for call in calls] == [
        (call["id"], call["name"], json.loads(call["arguments"])) for call in said.calls
    ]
    assert outcome(events) == outcome(feed(new_answer(), [body]))


@settings(max_examples=200, deadline=None)
@given(
    thinking=st.text(alphabet="ab \n<>/thinké"),
    text=st.text(alphabet="ab \n<>/thinké", min_size=1),
    tag=st.sampled_from(["think", "thinking"]),
    ends=st.sets(st.integers(0, 60), max_size=8),
)
def test_think_tags_are_split_off_however_they_are_cut(thinking: str, text: str, tag: str, ends: set[int]) -> None:
    whole = f"\n<{tag}>{thinking}</{tag}>\n{text}"
    pieces = [whole[start:end] for start, end in zip([0, *sorted(ends)], [*sorted(ends), None], strict=True)]
    events = feed(new_answer(), [Said(deltas=[{"content": piece} for piece in pieces]).body()])
    inside, after = re.split("</think(?:ing)?>", f"{thinking}</{tag}>\n{text}", maxsplit=1)
    told = {"thinking": inside if inside.strip() else "", "text": after.lstrip()}
    for kind, expected in told.items():
        assert "".join(block.get(kind, "") for block in client_message(events)["content"]) == expected


@settings(max_examples=200, deadline=None)
@given(
    said=interleaved(),
    finish=st.sampled_from(["", "stop", "length"]),
    usage=st.sampled_from([None, {"prompt_tokens": 1, "completion_tokens": 1}]),
    done=st.booleans(),
    at=st.integers(0, 100_000),
    cuts=_cuts,
)
def test_a_stream_cut_anywhere_never_ends_as_if_it_were_whole(said, finish, usage, done, at, cuts) -> None:
    body = said.body(finish, usage, done=done)
    came = body[: at % (len(body) + 1)]
    events = feed(new_answer(), cut(came, cuts))
    check_grammar(events)
    message = client_message(events)
    assert said.text.startswith("".join(block.get("text", "") for block in message["content"]))
    assert said.thinking.startswith("".join(block.get("thinking", "") for block in message["content"]))
    if events[-1].name == "message_stop":
        assert any(sign in came for sign in (b'"finish_reason":"', b"[DONE]", b'"usage":{'))


@settings(max_examples=200, deadline=None)
@given(data=st.data(), reasoning=st.sampled_from(["reasoning_content", "reasoning"]), cuts=_cuts)
def test_a_stream_and_a_completion_that_say_the_same_are_told_the_same(data, reasoning, cuts) -> None:
    said = data.draw(in_order(reasoning))
    finish = data.draw(st.sampled_from(["stop", "length", "tool_calls", "content_filter", "eos"]))
    usage = {"prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27, "cached_tokens": 4}
    messages = []
    for body in (said.body(finish, usage), said.completion(finish, usage, reasoning)):
        fold = Fold(repair_json)
        fold.add(feed(new_answer(), cut(body, cuts)))
        messages.append(short(fold.message))
    assert messages[0] == messages[1]


# --- single habits ---------------------------------------------------------------------------------------------------


def told(*chunks: Any, done: bool = True, **options: Any) -> dict[str, Any]:
    """What a client gets for a stream of chunks; a dict without `choices` is a delta."""
    events = [chunk if "choices" in chunk else {"choices": [{"index": 0, "delta": chunk}]} for chunk in chunks]
    body = b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in events) + b"data: [DONE]\n\n" * done
    return _checked(body, options)


def told_of(completion: Any, **options: Any) -> dict[str, Any]:
    return _checked(orjson.dumps(completion), options)


def _checked(body: bytes, options: dict[str, Any]) -> dict[str, Any]:
    events = feed(new_answer(**options), [body])
    check_grammar(events)
    message = client_message(events)
    return message if "error" in message else short(message)


def finish(reason: Any, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason, **fields}]}


@pytest.mark.parametrize(
    ("reasons", "stop_reason"),
    [
        (["stop"], "end_turn"), (["eos"], "end_turn"), (["never heard of"], "end_turn"),
        (["length"], "max_tokens"), (["max_tokens"], "max_tokens"), (["model_length"], "max_tokens"),
        (["content_filter"], "refusal"), (["sensitive"], "refusal"), (["tool_calls"], "end_turn"),
        (["length", "stop"], "max_tokens"), (["stop", "length"], "max_tokens"), (["length", None, ""], "max_tokens"),
    ],
)  # fmt: skip
def test_the_last_word_on_why_it_ended(reasons: list[Any], stop_reason: str) -> None:
    assert told({"content": "x"}, *map(finish, reasons))["stop_reason"] == stop_reason


@pytest.mark.parametrize("reason", ["error", "network_error", "insufficient_system_resource", "abort"])
def test_a_finish_that_says_broken_off_is_an_error(reason: str) -> None:
    message = told({"content": "x"}, finish(reason), finish("stop"))
    assert message["error"]["type"] == "overloaded_error"
    assert message["content"][0]["text"] == "x"


def test_only_the_clients_own_sequence_is_told_as_a_stop_sequence() -> None:
    for field in ("stop_reason", "matched_stop"):
        message = told({"content": "x"}, finish("stop", **{field: "END"}), finish("stop"), stops=["END"])
        assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "END")
    for matched in ("other", 151645, None, ["END"]):
        assert told({"content": "x"}, finish("stop", stop_reason=matched), stops=["END"])["stop_reason"] == "end_turn"


def test_what_might_become_a_stop_sequence_is_shown_when_it_did_not() -> None:
    assert told({"content": "the EN"}, local_stops=["END"])["content"] == [{"text": "the EN"}]
    message = told({"content": "the EN"}, {"reasoning": "hm"}, {"content": "D"}, local_stops=["END"])
    assert message["content"] == [{"text": "the EN"}, {"thinking": "hm"}, {"text": "D"}]


def test_usage_is_known_also_where_a_stop_sequence_ends_the_answer() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 9}
    message = told_of({"choices": [{"message": {"content": "a END b"}}], "usage": usage}, local_stops=["END"])
    assert message == {
        "content": [{"text": "a "}],
        "stop_reason": "stop_sequence",
        "stop_sequence": "END",
        "usage": {"input": 5, "output": 9},
    }


def test_usage_in_x_groq_alone_counts() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 1}
    message = told({"content": "x"}, {"choices": [], "x_groq": {"usage": usage}}, done=False)
    assert message["usage"] == {"input": 3, "output": 1}


def test_usage_behind_the_last_choice_makes_an_answer_whole_and_before_it_does_not() -> None:
    summary = {"choices": [], "usage": {"prompt_tokens": 3}}
    assert told({"content": "x"}, summary, done=False)["stop_reason"] == "end_turn"
    assert "error" in told(summary, {"content": "x"}, done=False)
    assert "error" in told({"content": "x"}, summary, {"content": "y"}, done=False)


def test_a_completions_only_choice_is_taken_whatever_its_index() -> None:
    assert told_of({"choices": [{"index": 1, "message": {"content": "x"}}]})["content"] == [{"text": "x"}]
    both = {"choices": [{"index": 1, "message": {"content": "y"}}, {"index": 0, "message": {"content": "x"}}]}
    assert told_of(both)["content"] == [{"text": "x"}]


def test_the_message_is_found_in_every_place() -> None:
    assert told_of({"choices": [{"message": {}, "delta": {"content": "x"}}]})["content"] == [{"text": "x"}]
    assert told_of({"choices": [{"text": "x"}]})["content"] == [{"text": "x"}]
    assert told({"choices": [{"text": "x"}]})["content"] == [{"text": "x"}]
    assert told({"choices": [{"message": {"content": "x"}}]})["content"] == [{"text": "x"}]
    thought = told({"reasoning": "t"}, {"choices": [{"message": {"content": "x"}}]})
    assert thought["content"] == [{"thinking": "t"}, {"text": "x"}]


def test_a_transcript_is_text_where_there_is_no_other() -> None:
    assert told({"content": None, "audio": {"transcript": "x"}})["content"] == [{"text": "x"}]
    assert told({"content": "y", "audio": {"transcript": "x"}})["content"] == [{"text": "y"}]


def test_tags_are_text_in_a_dialect_without_them() -> None:
    assert told({"content": "<think>x"}, dialect="openai")["content"] == [{"text": "<think>x"}]
    assert told({"content": "<think>x"})["content"] == [{"thinking": "x"}]


def test_thinking_in_a_content_list_counts_once_beside_the_reasoning_field() -> None:
    parts = [{"type": "thinking", "thinking": "t"}, {"type": "text", "text": "x"}]
    assert told({"content": parts, "reasoning": "t"})["content"] == [{"thinking": "t"}, {"text": "x"}]


@pytest.mark.parametrize(
    ("noise", "finished"),
    [(b"data: {cut\n\n", "not JSON"), (b'data: "tick"\n\n', None), (b"data: 5\n\n", None)],
)
def test_noise_breaks_an_answer_and_noise_that_is_no_json_not_one_that_is_finished(noise: bytes, finished) -> None:
    text, end = (
        json.dumps({"choices": [choice]}) for choice in ({"delta": {"content": "x"}}, {"finish_reason": "stop"})
    )
    broken = _checked(f"data: {text}\n\n".encode() + noise, {})
    assert broken["error"]["type"] == "api_error"
    assert broken["content"][0]["text"] == "x"
    whole = _checked(f"data: {text}\n\ndata: {end}\n\n".encode() + noise, {})
    assert ("error" in whole) is (finished is None)


def test_what_is_held_comes_out_before_an_error() -> None:
    for held in ("<thi", "<think>a</thi", "the EN"):
        message = told({"content": held}, {"choices": [], "error": {"message": "gone"}}, local_stops=["END"])
        shown = "".join(block.get("text", "") + block.get("thinking", "") for block in message["content"])
        assert shown == held.removeprefix("<think>")


def test_an_answer_that_is_too_large_or_ended_says_nothing_more() -> None:
    reader = ChatReader(DIALECTS["generic"], lambda told: pytest.fail("no error was told"))
    assert reader.feed(b"{" + b" " * 1000) == []
    (failure,) = reader.feed(b" " * MAX_BODY_BYTES)
    assert isinstance(failure, Failure)
    assert "32 MiB" in failure.error.message
    assert reader.feed(b"}") == reader.finish() == []


def test_a_reader_tells_how_far_it_is() -> None:
    reader = ChatReader(DIALECTS["generic"], lambda told: pytest.fail("no error was told"))
    seen = []
    for chunk in ('{"choices":[]}', '{"choices":[{"delta":{}}]}', '{"choices":[{"finish_reason":"stop"}]}', "[DONE]"):
        reader.feed(f"data: {chunk}\n\n".encode())
        seen.append((reader.started, reader.finished, reader.complete))
    assert seen == [(False, False, False), (True, False, False), (True, True, False), (True, True, True)]
