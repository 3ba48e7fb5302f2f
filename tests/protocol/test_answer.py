"""One answer: reader, stop sequences and writer in a row, as the relay uses them."""

from __future__ import annotations

from gatewayd.errors import TimedOut
from gatewayd.protocol.events import Event
from tests.protocol.answers import new_answer

TEXT = b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n'
FINISH = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":3}}\n\n'
DONE = b"data: [DONE]\n\n"


def names(events: list[Event]) -> list[str]:
    return [event.name for event in events]


def test_message_start_comes_with_the_first_choice_and_not_before() -> None:
    answer = new_answer()
    assert answer.feed(b": hello\n\n" + b'data: {"choices":[]}\n\n') == []
    assert names(answer.feed(TEXT % b"")) == ["message_start"]
    assert not answer.opened
    assert names(answer.feed(TEXT % b"x")) == ["content_block_start", "content_block_delta"]
    assert answer.opened
    assert answer.start() == []


def test_it_may_be_started_before_the_provider_has_said_anything() -> None:
    answer = new_answer()
    assert names(answer.start()) == ["message_start"]
    assert names(answer.feed(TEXT % b"x")) == ["content_block_start", "content_block_delta"]


def test_done_ends_it_at_once_and_finish_waits() -> None:
    answer = new_answer()
    answer.feed(TEXT % b"x")
    assert answer.feed(FINISH) == []
    assert (answer.finished, answer.whole, answer.ended) == (True, False, False)
    assert names(answer.feed(DONE)) == ["content_block_stop", "message_delta", "message_stop"]
    assert (answer.whole, answer.ended, answer.error, answer.stop_reason) == (True, True, None, "end_turn")
    assert answer.usage == (3, 0, 0, 0, 0)
    assert answer.feed(TEXT % b"y") == answer.finish() == answer.fail(TimedOut("late")) == []
    assert answer.error is None


def test_a_failure_from_outside_shows_what_is_held_and_ends_it() -> None:
    answer = new_answer(local_stops=["END"])
    answer.feed(TEXT % b"the EN")
    delta, error = answer.fail(TimedOut("too slow"))
    assert delta.payload["delta"]["text"] == "EN"
    assert error.payload["error"] == {"type": "timeout_error", "message": "too slow"}
    assert isinstance(answer.error, TimedOut)
    assert answer.ended
    assert answer.finish() == answer.keep_alive() == []


def test_a_failure_that_the_writer_finds_is_the_answers_failure() -> None:
    answer = new_answer()
    nameless = b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a"}]}}]}\n\n'
    assert names(answer.feed(nameless + FINISH + DONE)) == ["message_start", "error"]
    assert answer.error is not None
    assert "without a name" in answer.error.message


def test_an_enforced_stop_sequence_ends_it_before_the_provider_does() -> None:
    answer = new_answer(local_stops=["END"])
    answer.feed(TEXT % b"x")
    events = answer.feed(TEXT % b"y END z" + TEXT % b"never")
    assert names(events) == ["content_block_delta", "content_block_stop", "message_delta", "message_stop"]
    assert (answer.ended, answer.whole, answer.stop_reason) == (True, False, "stop_sequence")


def test_silence_is_broken_in_the_open_block() -> None:
    answer = new_answer()
    answer.feed(TEXT % b"x")
    assert names(answer.keep_alive()) == ["ping", "content_block_delta"]
    assert names(new_answer().keep_alive()) == []
