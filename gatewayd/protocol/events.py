"""The event vocabulary of a streamed Anthropic answer: one function per event, each the only place that spells it.

Source: https://docs.anthropic.com/en/api/messages-streaming. An event is (name, payload); `sse.encode` frames it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gatewayd.errors import ApiError
from gatewayd.protocol.parts import Usage


class Event(NamedTuple):
    name: str
    payload: dict[str, Any]


PING = Event("ping", {"type": "ping"})

# What a block starts as, and the delta that carries its content. Clients take content from deltas only.
TEXT_BLOCK = {"type": "text", "text": ""}
THINKING_BLOCK = {"type": "thinking", "thinking": "", "signature": ""}
DELTAS = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "tool_use": ("input_json_delta", "partial_json"),
}


def message_start(message_id: str, model: str, input_tokens: int) -> Event:
    usage = {
        "input_tokens": input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 0,
    }
    message: dict[str, Any] = {
        "id": message_id, "type": "message", "role": "assistant", "model": model, "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": usage,
    }  # fmt: skip
    return Event("message_start", {"type": "message_start", "message": message})


def block_start(index: int, block: dict[str, Any]) -> Event:
    return Event("content_block_start", {"type": "content_block_start", "index": index, "content_block": block})


def block_delta(index: int, block_type: str, content: str) -> Event:
    """A piece of content for an open block of that type; "" keeps the client's idle clock from running out."""
    delta_type, key = DELTAS[block_type]
    delta = {"type": delta_type, key: content}
    return Event("content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta})


def signature_delta(index: int, signature: str) -> Event:
    delta = {"type": "signature_delta", "signature": signature}
    return Event("content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta})


def block_stop(index: int) -> Event:
    return Event("content_block_stop", {"type": "content_block_stop", "index": index})


def message_delta(stop_reason: str, stop_sequence: str | None, usage: Usage) -> Event:
    counts = {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.output,
    }
    delta = {"stop_reason": stop_reason, "stop_sequence": stop_sequence}
    return Event("message_delta", {"type": "message_delta", "delta": delta, "usage": counts})


MESSAGE_STOP = Event("message_stop", {"type": "message_stop"})


def error_payload(error: ApiError, request_id: str | None = None) -> dict[str, Any]:
    """The body of an error answer, and the data of an `error` event."""
    payload: dict[str, Any] = {"type": "error", "error": {"type": error.type, "message": error.message}}
    return payload | {"request_id": request_id} if request_id else payload


def error_event(error: ApiError) -> Event:
    return Event("error", error_payload(error))
