"""Corners of the core that no story reaches: limits, and shapes that only hostile or odd input has."""

from __future__ import annotations

import base64
import itertools
import json

import pytest

from gatewayd.errors import InvalidRequest, UpstreamFailed
from gatewayd.protocol import anthropic, sse
from gatewayd.protocol.anthropic import parse_request
from gatewayd.protocol.arguments import Arguments, parse_arguments
from gatewayd.protocol.chat import reader as reading
from gatewayd.protocol.chat.dialects import DIALECTS
from gatewayd.protocol.chat.errors import read_error
from gatewayd.protocol.chat.reader import ChatReader
from gatewayd.protocol.chat.request import build_request
from gatewayd.protocol.chat.schemas import clean_parameters
from gatewayd.protocol.json import clean
from gatewayd.protocol.media import image_size
from gatewayd.protocol.notes import Notes
from gatewayd.protocol.parts import Failure, Text, Thinking, ToolCall
from gatewayd.protocol.seal import Seal
from gatewayd.protocol.tokens import estimate_tokens
from gatewayd.protocol.writer import Writer
from gatewayd.relay.repair import repair_json
from tests.protocol.chat.building import build, user


def test_more_messages_than_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anthropic, "MAX_MESSAGES", 2)
    message = b'{"role":"user","content":"a"}'
    body = b'{"model":"m","max_tokens":1,"messages":[' + b",".join([message] * 3) + b"]}"
    with pytest.raises(InvalidRequest, match="messages: List should have at most 2 items"):
        parse_request(body)


def test_an_unknown_block_in_a_late_system_message_is_passed_over() -> None:
    late = {"role": "system", "content": [{"type": "mood"}, {"type": "text", "text": "be brief"}]}
    assert "be brief" in build([user("hi"), late]).messages[0]["content"]


def test_an_event_beyond_the_limit_fails_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    assert "an event of more than" in read(b"data: " + b"x" * 200).error.message


def test_noise_behind_the_finish_is_passed_over_and_in_an_error_event_is_told() -> None:
    finish = b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n'
    answer = ChatReader(DIALECTS["generic"], lambda told: UpstreamFailed(f"told: {told}"))
    parts = answer.feed(finish + b"data: {noise\n\n") + answer.finish()
    assert not any(isinstance(part, Failure) for part in parts)
    assert read(b"event: error\ndata: {noise\n\n").error.message == "told: {noise"


def test_an_error_inside_an_error_that_is_no_json_is_taken_as_text() -> None:
    told = {"error": {"message": "Provider returned error", "metadata": {"raw": "{not json"}}}
    assert "{not json" in read_error(400, told, context_window=None, estimate=1).message


def test_a_pdf_that_is_no_base64_counts_as_a_page() -> None:
    block = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "abc"}}
    assert estimate_tokens({"messages": [{"role": "user", "content": [block]}]}) > 1000


def read(body: bytes) -> Failure:
    answer = ChatReader(DIALECTS["generic"], lambda told: UpstreamFailed(f"told: {told[:6]}"))
    part = (answer.feed(body) + answer.finish())[-1]
    assert isinstance(part, Failure)
    return part


def test_a_body_beyond_the_limit_fails_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_BODY_BYTES", 100)
    assert "larger than" in read(b"{" + b" " * 100).error.message


def test_a_page_of_html_is_left_to_the_reader_of_errors() -> None:
    assert read(b"<html>x</html>").error.message == "told: <html>"


@pytest.mark.parametrize("reference", ["other.json#/x", "#/properties/a/type/deeper"])
def test_a_reference_that_leads_nowhere_is_any_object(reference: str) -> None:
    schema = {"$defs": {}, "type": "object", "properties": {"a": {"type": "string"}, "b": {"$ref": reference}}}
    row = DIALECTS["generic"].with_capabilities({"schema_inline_refs": True, "schema_drop": []})
    cleaned, _ = clean_parameters(schema, row)
    assert cleaned["properties"]["b"] == {"type": "object"}


def test_without_a_reader_a_pdf_is_refused() -> None:
    data = base64.b64encode(b"%PDF").decode()
    block = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": data}}
    request = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": [block]}]}
    with pytest.raises(InvalidRequest, match="are not read here"):
        build_request(request, upstream_model="u", dialect=DIALECTS["generic"], notes=Notes())


def test_sealed_data_of_another_kind_signs_no_call() -> None:
    thinking = {"type": "thinking", "thinking": "hm", "signature": "sealed"}
    call = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "r"}]}
    messages = [user("hi"), {"role": "assistant", "content": [thinking, call]}, result]
    built = build(messages, dialect="gemini", options={"unseal": lambda _: {"reasoning_details": []}})
    assert "sealed" not in str(built.messages)


def test_a_webp_of_an_unknown_kind_has_no_size() -> None:
    assert image_size(base64.b64encode(b"RIFF\0\0\0\0WEBPVP8?" + b"\0" * 40).decode()) is None


def test_a_control_character_in_arguments_breaks_them_and_they_are_repaired() -> None:
    arguments = Arguments(repair_json)
    sent = arguments.feed('{"a": "x\x01y"}') + arguments.finish()
    assert isinstance(json.loads(sent, strict=False), dict)
    assert arguments.repaired


def test_arguments_that_no_repair_can_mend_are_empty() -> None:
    def fail(_text: str) -> None:
        raise RecursionError

    assert parse_arguments("{'a'", fail) == {}


def test_more_arguments_for_a_call_that_was_closed_are_noted() -> None:
    notes = Notes()
    numbers = itertools.count()
    writer = Writer(
        message_id="m",
        model="m",
        input_tokens=1,
        new_tool_id=lambda: f"t{next(numbers)}",
        seal=Seal([b"k"]),
        notes=notes,
    )
    for part in (ToolCall(0, "a", "f", "{}"), Text("x"), ToolCall(0, "", "", '{"b":1}'), ToolCall(0)):
        writer.write(part)
    assert writer.finish()[-1].name == "message_stop"
    assert notes.codes() == ["tool_arguments.surplus_dropped"]


def parts_of(*chunks: dict) -> list:
    body = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"
    answer = ChatReader(DIALECTS["generic"].with_capabilities({"think_tags": False}), lambda _: UpstreamFailed("told"))
    return answer.feed(body) + answer.finish()


def delta(**fields: object) -> dict:
    return {"choices": [{"delta": fields}]}


def test_odd_items_inside_reasoning_say_nothing() -> None:
    assert parts_of(delta(reasoning=[7, {"text": "hm"}, "m"]))[0] == Thinking("hmm")


def test_without_tag_splitting_a_call_follows_reasoning_and_text() -> None:
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}
    parts = parts_of(delta(reasoning_content="t"), delta(content="<think>x"), delta(tool_calls=[call]))
    assert parts[:2] == [Thinking("t"), Text("<think>x")]
    assert isinstance(parts[2], ToolCall)


def test_events_that_no_blank_line_parts_end_where_one_fails_or_says_done() -> None:
    text = json.dumps(delta(content="a"))
    first = ChatReader(DIALECTS["generic"], lambda told: UpstreamFailed(f"told: {told}"))
    parts = first.feed(f"data: {text}\ndata: \ndata: [DONE]\ndata: {text}\n\n".encode()) + first.finish()
    assert [part for part in parts if isinstance(part, Text)] == [Text("a")]
    second = ChatReader(DIALECTS["generic"], lambda told: UpstreamFailed("told"))
    parts = second.feed(f'data: {{"error":{{"message":"no"}}}}\ndata: \ndata: {text}\n\n'.encode()) + second.finish()
    assert isinstance(parts[-1], Failure)
    assert not any(isinstance(part, Text) for part in parts)


def test_an_attachment_of_the_assistant_is_named_between_its_texts() -> None:
    said = [{"type": "text", "text": "a"}, {"type": "document", "source": {"type": "text", "data": "d"}}]
    messages = [user("hi"), {"role": "assistant", "content": said}, user("go on")]
    assert build(messages).messages[1]["content"].startswith("a")


def test_keywords_are_dropped_inside_lists_and_branches_without_properties() -> None:
    schema = {"anyOf": [{"type": "string", "pattern": "x"}, {"type": "object", "properties": {"a": {}}}]}
    row = DIALECTS["generic"].with_capabilities({"schema_drop": ["pattern"], "schema_flat_root": True})
    assert clean_parameters(schema, row)[0]["properties"] == {"a": {}}
    listed = {"type": "object", "properties": {"a": {"anyOf": [{"pattern": "x"}, True]}}}
    assert clean_parameters(listed, row)[0]["properties"]["a"] == {"anyOf": [{}, True]}


def test_without_thinking_and_placeholder_nothing_is_replayed() -> None:
    conversation = [user("a"), {"role": "assistant", "content": "b"}, user("c")]
    for field in ("reasoning_content", "reasoning_details"):
        row = DIALECTS["generic"].with_capabilities({"thinking_replay": field, "thinking_placeholder": None})
        assert set(build(conversation, dialect=row).messages[1]) == {"role", "content"}


def test_of_several_repaired_objects_the_first_that_says_something_counts() -> None:
    assert parse_arguments("x", lambda _: [{}, 1, {"a": 1}]) == {"a": 1}
    assert parse_arguments("x", lambda _: [{}]) == parse_arguments("x", lambda _: [1]) == {}


def test_values_of_other_parsers_are_cleaned() -> None:
    assert clean([10**400, 10**30, float("inf"), "a\ud800", {"b": None}]) == [None, 1e30, None, "a\ufffd", {"b": None}]


def test_an_image_of_broken_base64_has_no_size() -> None:
    assert image_size("é" * 40) is None
