"""Shared by the tests of the request side: one request through parser and builder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from gatewayd.protocol.anthropic import parse_request
from gatewayd.protocol.chat.dialects import DIALECTS, Dialect
from gatewayd.protocol.chat.request import ChatRequest, build_request
from gatewayd.protocol.notes import Notes
from gatewayd.relay.documents import pdf_text


@dataclass(frozen=True)
class Built:
    chat: ChatRequest
    notes: Notes

    @property
    def body(self) -> dict[str, Any]:
        return self.chat.body

    @property
    def messages(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = self.chat.body["messages"]
        return messages

    @property
    def codes(self) -> list[str]:
        return self.notes.codes()


def build(
    messages: list[dict[str, Any]] | str = "hi",
    *,
    dialect: str | Dialect = "generic",
    options: dict[str, Any] | None = None,
    **fields: Any,
) -> Built:
    """fields: top-level fields of the request; options: keyword arguments of build_request."""
    if isinstance(messages, str):
        messages = [user(messages)]
    request = parse_request(orjson.dumps({"model": "m", "max_tokens": 100, "messages": messages, **fields}))
    notes = Notes()
    row = DIALECTS[dialect] if isinstance(dialect, str) else dialect
    chat = build_request(request, upstream_model="up", dialect=row, notes=notes, read_pdf=pdf_text, **(options or {}))
    return Built(chat, notes)


def user(*content: Any) -> dict[str, Any]:
    return _message("user", content)


def assistant(*content: Any) -> dict[str, Any]:
    return _message("assistant", content)


def system(*content: Any) -> dict[str, Any]:
    return _message("system", content)


def _message(role: str, content: tuple[Any, ...]) -> dict[str, Any]:
    """Texts become text blocks; one text alone stays a plain text."""
    if len(content) == 1 and isinstance(content[0], str):
        return {"role": role, "content": content[0]}
    return {"role": role, "content": [text(item) if isinstance(item, str) else item for item in content]}


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def call(tool_id: str = "toolu_1", name: str = "Read", **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": tool_id, "name": name, "input": arguments}


def result(tool_id: str = "toolu_1", content: Any = "done", **fields: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": tool_id, "content": content, **fields}


def thought(thinking: str, signature: str = "") -> dict[str, Any]:
    return {"type": "thinking", "thinking": thinking, "signature": signature}


def image(data: str = "AAAA") -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


def tool(name: str = "Read", schema: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {"name": name, "input_schema": schema or {"type": "object", "properties": {}}, **fields}
