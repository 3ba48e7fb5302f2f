"""Fold: the events of an answer as one Message."""

from __future__ import annotations

from copy import deepcopy

import orjson

from gatewayd.protocol import events
from gatewayd.protocol.fold import Fold
from gatewayd.protocol.parts import Usage
from gatewayd.relay.repair import repair_json


def fold(*stream: events.Event) -> dict:
    folded = Fold(repair_json)
    for event in stream:
        folded.add([event])
    return folded.message


def block(block: dict, *deltas: str) -> list[events.Event]:
    pieces = [events.block_delta(0, block["type"], piece) for piece in deltas]
    return [events.block_start(0, block), *pieces]


TOOL = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
START, STOP = events.message_start("msg_1", "claude-x", 9), events.block_stop(0)


def test_blocks_are_folded_in_order() -> None:
    message = fold(
        START,
        events.PING,
        *block(events.THINKING_BLOCK, "t", "", "u"), events.signature_delta(0, "S"), STOP,
        *block({"type": "redacted_thinking", "data": "D"}), STOP,
        *block(events.TEXT_BLOCK, "x", "y"), STOP,
        *block(TOOL, '{"n":', "1}"), STOP,
    )  # fmt: skip
    assert message["content"] == [
        {"type": "thinking", "thinking": "tu", "signature": "S"},
        {"type": "redacted_thinking", "data": "D"},
        {"type": "text", "text": "xy"},
        {"type": "tool_use", "id": "a", "name": "f", "input": {"n": 1}},
    ]


def test_the_end_brings_stop_reason_and_true_usage() -> None:
    end = events.message_delta("stop_sequence", "END", Usage(1, 2, 3, 4))
    message = fold(START, end, events.MESSAGE_STOP)
    assert message == {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": [],
        "stop_reason": "stop_sequence", "stop_sequence": "END",
        "usage": {
            "input_tokens": 1, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 3, "output_tokens": 4,
        },
    }  # fmt: skip


def test_a_message_that_breaks_off_is_kept_as_far_as_it_came() -> None:
    broken = Fold()
    broken.add([START, *block(events.TEXT_BLOCK, "x", "y")])
    assert broken.cut()["content"] == [{"type": "text", "text": "xy"}]
    between = Fold()
    between.add([START, *block(events.TEXT_BLOCK, "x"), STOP])
    assert between.cut()["content"] == [{"type": "text", "text": "x"}]
    assert Fold().cut() == {}


def test_arguments_that_were_cut_are_closed_where_they_were_cut() -> None:
    assert fold(START, *block(TOOL, '{"a": "x'), STOP)["content"][0]["input"] == {"a": "x"}
    assert fold(START, *block(TOOL), STOP)["content"][0]["input"] == {}


def test_any_arguments_can_be_written_again() -> None:
    for arguments in ('{"a":"\\ud83d"}', '{"a":' + "[" * 300 + "]" * 300 + "}", '{"a":1' + "0" * 40 + "}"):
        orjson.dumps(fold(START, *block(TOOL, arguments), STOP))


def test_events_are_not_changed_by_folding_them() -> None:
    stream = [START, *block(TOOL, "{}"), STOP, *block(events.TEXT_BLOCK, "x"), STOP]
    before = deepcopy(stream)
    assert fold(*stream) == fold(*stream)
    assert stream == before
