"""Corners of the core that no story reaches: limits, and shapes that only hostile or odd input has."""

from __future__ import annotations

import base64

import pytest

from gatewayd.errors import InvalidRequest, UpstreamFailed
from gatewayd.protocol import anthropic, sse
from gatewayd.protocol.anthropic import parse_request
from gatewayd.protocol.chat import reader as reading
from gatewayd.protocol.chat.dialects import DIALECTS
from gatewayd.protocol.chat.errors import read_error
from gatewayd.protocol.chat.reader import ChatReader
from gatewayd.protocol.chat.request import build_request
from gatewayd.protocol.chat.schemas import clean_parameters
from gatewayd.protocol.media import image_size
from gatewayd.protocol.notes import Notes
from gatewayd.protocol.parts import Failure
from gatewayd.protocol.tokens import estimate_tokens
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
