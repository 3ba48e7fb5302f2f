"""Parts: what stands between the two formats. A wire format's reader makes them, the writer turns them into events.

Text, Thinking   a piece of visible or thinking text
Carried          provider data that must come back on the next turn (encrypted reasoning, signatures)
ToolCall         a piece of one call: `key` tells which; id and name are "" until known
Usage            token counts, each >= 0; the last one wins
Finish           why the model stopped; the last one wins
Failure          the answer failed; nothing comes after it
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gatewayd.errors import ApiError


class Text(NamedTuple):
    text: str


class Thinking(NamedTuple):
    text: str


class Carried(NamedTuple):
    """payload: JSON object; its keys say whose it is, e.g. {"reasoning_details": [...]}."""

    payload: dict[str, Any]


class ToolCall(NamedTuple):
    key: int
    id: str = ""
    name: str = ""
    arguments: str = ""
    thought_signature: str = ""


class Usage(NamedTuple):
    """Tokens in Anthropic's meaning: `input` excludes what was read from or written to a cache. `reasoning` is part of
    `output`."""

    input: int
    cache_read: int
    cache_write: int
    output: int
    reasoning: int = 0


class Finish(NamedTuple):
    """stop_reason: Anthropic's word; `tool_use` and `end_turn` are settled by the writer, which knows the calls."""

    stop_reason: str
    stop_sequence: str | None = None


class Failure(NamedTuple):
    error: ApiError


Part = Text | Thinking | Carried | ToolCall | Usage | Finish | Failure
