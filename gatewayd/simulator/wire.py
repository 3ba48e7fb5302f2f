"""A planned answer in OpenAI's shapes: one completion object, or the chunks of a stream. Pure.

Text goes out word by word and arguments in small pieces, as real models send them; the ids follow from the request, so
that a run can be repeated exactly.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from gatewayd.simulator.script import Answer
from gatewayd.simulator.usage import Usage

_CREATED = 1_767_225_600
_ARGUMENT_PIECE = 12


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer under its envelope."""

    id: str
    model: str
    answer: Answer
    usage: Usage

    def envelope(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": _CREATED,
            "model": self.model,
            "system_fingerprint": "fp_simulated",
        }


def build_reply(body: dict[str, Any], answer: Answer, usage: Usage) -> Reply:
    identity = hashlib.sha256(orjson.dumps(body)).hexdigest()[:29]
    return Reply(f"chatcmpl-{identity}", str(body["model"]), answer, usage)


def build_completion(reply: Reply) -> dict[str, Any]:
    """The body of a `chat.completion`."""
    answer = reply.answer
    message: dict[str, Any] = {"role": "assistant", "content": answer.text or None, "refusal": None}
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    if answer.calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in answer.calls
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish}
    return {**reply.envelope("chat.completion"), "choices": [choice], "usage": reply.usage.build_body()}


def build_chunks(reply: Reply, *, include_usage: bool) -> Iterator[dict[str, Any]]:
    """The `chat.completion.chunk` objects in order, without the closing `[DONE]`."""
    envelope = reply.envelope("chat.completion.chunk") | ({"usage": None} if include_usage else {})

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**envelope, "choices": [choice]}

    yield chunk({"role": "assistant", "content": None if reply.answer.calls else ""})
    for delta in _deltas(reply.answer):
        yield chunk(delta)
    yield chunk({}, reply.answer.finish)
    if include_usage:
        yield {**envelope, "choices": [], "usage": reply.usage.build_body()}


def build_events(reply: Reply, *, include_usage: bool) -> list[bytes]:
    """The whole stream as server-sent events, one per element."""
    chunks = build_chunks(reply, include_usage=include_usage)
    return [*(b"data: " + orjson.dumps(chunk) + b"\n\n" for chunk in chunks), b"data: [DONE]\n\n"]


def _deltas(answer: Answer) -> Iterator[dict[str, Any]]:
    for word in _words(answer.reasoning):
        yield {"reasoning_content": word}
    for word in _words(answer.text):
        yield {"content": word}
    for index, call in enumerate(answer.calls):
        function = {"name": call.name, "arguments": ""}
        yield {"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]}
        for start in range(0, len(call.arguments), _ARGUMENT_PIECE):
            piece = call.arguments[start : start + _ARGUMENT_PIECE]
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _words(text: str) -> list[str]:
    """The text in pieces that join to it again: a word with the blanks around it."""
    return re.findall(r"\s*\S+\s*", text) or ([text] if text else [])
