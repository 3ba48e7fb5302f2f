"""What fills the context of a request: bytes and estimated tokens of its system prompt, of each tool, of each message.

Reads stored requests too, whose parts may be gone, left out, or replaced by what tells of them: nothing here raises.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import orjson

from gatewayd.protocol.tokens import Features, read_features

#: what a request has besides its content; not a part of any share
_BESIDES = ("preamble", "tool_rules")
_BROKEN = (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError)


class Share(NamedTuple):
    """name: of a tool; of a system block or message its place, and the message's role. kinds: of the content's blocks,
    in order, each once. size: bytes as JSON; tokens: an estimate."""

    part: Literal["system", "tools", "messages"]
    name: str
    kinds: tuple[str, ...]
    size: int
    tokens: int


def read_context(request: Any) -> list[Share]:
    """In the order of the request: system, tools, messages. What is no request has none."""
    return list(_shares(request)) if isinstance(request, dict) else []


def _shares(request: dict[str, Any]) -> Iterator[Share]:
    system = request.get("system")
    for index, block in enumerate(system if isinstance(system, list) else [system] if system else []):
        content: Any = block if isinstance(block, str) else [block]
        yield Share("system", str(index), _kinds(content), _size(block), _tokens({"system": content}))
    tools = request.get("tools")
    for tool in tools if isinstance(tools, list) else ():
        name = tool.get("name") if isinstance(tool, dict) else None
        yield Share("tools", str(name or "?"), (), _size(tool), _tokens({"tools": [tool]}))
    messages = request.get("messages")
    for index, message in enumerate(messages if isinstance(messages, list) else ()):
        role, said = (message.get("role"), message.get("content")) if isinstance(message, dict) else (None, None)
        name = f"{index} {role or '?'}"
        yield Share("messages", name, _kinds(said), _size(message), _tokens({"messages": [message]}))


def _kinds(content: Any) -> tuple[str, ...]:
    if isinstance(content, str):
        return ("text",)
    blocks = content if isinstance(content, list) else []
    return tuple(dict.fromkeys(str(block.get("type")) for block in blocks if isinstance(block, dict)))


def _size(value: Any) -> int:
    try:
        return len(orjson.dumps(value))
    except TypeError:
        return 0


def _tokens(request: dict[str, Any]) -> int:
    try:
        found: Features = read_features(request)
    except _BROKEN:
        return 0
    return round(sum(value for name, value in zip(found._fields, found, strict=True) if name not in _BESIDES))
