"""What holds for every request and every dialect."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatewayd.errors import InvalidRequest
from gatewayd.protocol.anthropic import parse_request
from gatewayd.protocol.chat.dialects import DIALECTS
from gatewayd.protocol.chat.request import ChatRequest, build_request
from gatewayd.protocol.notes import Notes
from gatewayd.protocol.tokens import estimate_tokens
from tests.protocol.strategies import requests, spoilt_requests
from tests.protocol.strict_chat import check_body

MANY = settings(deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))


def build(request: dict[str, Any], dialect: str, **options: Any) -> ChatRequest:
    parsed = parse_request(orjson.dumps(request))
    return build_request(parsed, upstream_model="model", dialect=DIALECTS[dialect], notes=Notes(), **options)


@MANY
@given(request=requests(), vision=st.booleans())
def test_any_request_gives_a_body_that_a_strict_provider_takes(request: dict[str, Any], vision: bool) -> None:
    for name, dialect in DIALECTS.items():
        check_body(build(request, name, vision=vision).body, dialect)


@MANY
@given(request=spoilt_requests())
def test_a_spoilt_request_is_refused_in_words_or_translated(request: Any) -> None:
    with suppress(InvalidRequest):
        parsed = parse_request(orjson.dumps(request))
        estimate_tokens(parsed)
        for name, dialect in DIALECTS.items():
            body = build_request(parsed, upstream_model=name, dialect=dialect, notes=Notes()).body
            check_body(body, dialect)


@MANY
@given(request=requests())
def test_the_parsed_request_is_not_changed(request: dict[str, Any]) -> None:
    parsed = parse_request(orjson.dumps(request))
    before = orjson.dumps(parsed)
    for dialect in DIALECTS.values():
        build_request(parsed, upstream_model="model", dialect=dialect, notes=Notes())
    assert orjson.dumps(parsed) == before


@MANY
@given(request=requests())
def test_the_estimate_is_a_positive_integer(request: dict[str, Any]) -> None:
    assert estimate_tokens(parse_request(orjson.dumps(request))) >= 1


@MANY
@given(request=requests())
def test_a_longer_conversation_begins_with_the_same_bytes(request: dict[str, Any]) -> None:
    """For every point at which the model has answered: what was sent then is what the longer body begins with."""
    request["messages"] = [{"role": "user", "content": "first"}, *request["messages"]]
    messages = request["messages"]
    for name in DIALECTS:
        whole = build(request, name).body["messages"]
        for index, message in enumerate(messages):
            if message["role"] == "assistant" and _speaks(message) and _asks(messages[index - 1]):
                part = build({**request, "messages": messages[:index]}, name).body["messages"]
                assert whole[: len(part)] == part, name


def _asks(message: dict[str, Any]) -> bool:
    return message["role"] != "assistant" and _speaks(message)


def _speaks(message: dict[str, Any]) -> bool:
    content = message["content"]
    if isinstance(content, str):
        return bool(content.strip())
    return any(
        block["type"] not in ("text", "thinking", "redacted_thinking") or block.get("text", "").strip()
        for block in content
    )
