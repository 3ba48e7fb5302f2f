"""Tool results: the text of a tool message, and what follows in a user message because tool messages hold text only."""

from __future__ import annotations

import re
from typing import Any

from gatewayd.protocol.chat.content import Part, build_parts, is_blank, places, text_part
from gatewayd.protocol.chat.target import Target

NO_RESULT = "[No result: the call was interrupted.]"
NO_OUTPUT = "(no output)"

_SAYS_ERROR = re.compile(r"\s*(?:<[a-z_]*error>|error\b|exit code)", re.IGNORECASE)


def build_result(block: dict[str, Any], place: str, call: str, target: Target) -> tuple[Part, list[Part]]:
    """The text part of one tool_result, and the parts for the user message behind it. call: how to name the call."""
    texts: list[Part] = []
    attached: list[Part] = []
    for inner_place, inner in places(block.get("content") or "", f"{place}.tool_result.content"):
        parts = list(build_parts([(inner_place, inner)], target))
        holds_media = inner["type"] == "document" or any(part["type"] != "text" for part in parts)
        (attached if holds_media else texts).extend(parts)
    text = _mark_error("\n".join(part["text"] for part in texts), block, bool(attached))
    if not attached:
        return text_part(text or NO_OUTPUT, block), []
    target.notes.add("tool_results.media_moved", call)
    announced = "[The attachments of this result are in the next user message.]"
    return text_part(f"{text}\n{announced}" if text else announced, block), [
        text_part(f"[Attachments of the result of {call}:]"),
        *attached,
    ]


def _mark_error(text: str, block: dict[str, Any], has_more: bool) -> str:
    if is_blank(text):
        text = "" if has_more else NO_OUTPUT
    if block.get("is_error") and not _SAYS_ERROR.match(text):
        return f"Error: {text}".rstrip()
    return text
