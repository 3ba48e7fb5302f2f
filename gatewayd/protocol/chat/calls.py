"""Tool calls in the forms in which providers send them -> ToolCall parts, each with the key of its call.

A call is new at an unseen index, or at a seen index with another id and a name (Gemini behind OpenRouter sends index 0
for all). Without an index its id tells, else it goes on with the last one. An index is a key, never a position.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from gatewayd.protocol.arguments import Arguments
from gatewayd.protocol.parts import ToolCall


class _Call:
    __slots__ = ("arguments", "id", "key", "name")

    def __init__(self, key: int) -> None:
        self.key = key
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []  # the pieces so far

    @property
    def whole(self) -> bool:
        arguments = Arguments()
        arguments.feed("".join(self.arguments))
        return arguments.whole


class Calls:
    """The calls of one answer."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._legacy: _Call | None = None

    def read(self, message: dict[str, Any], *, whole: bool) -> Iterator[ToolCall]:
        """`whole`: a completion's message, where each entry is a call of its own; else a delta."""
        calls = message.get("tool_calls")
        if isinstance(calls, list):
            for call in calls:
                if isinstance(call, dict) and (part := self._read_call(call, whole)) is not None:
                    yield part
        legacy = message.get("function_call")
        if isinstance(legacy, dict) and (self._legacy or (not self._calls and _text(legacy.get("name")))):
            yield self._read_legacy(legacy)

    def _read_call(self, call: dict[str, Any], whole: bool) -> ToolCall | None:
        function = call.get("function")
        if not isinstance(function, dict):
            custom = call.get("custom")
            function = (
                {"name": custom.get("name"), "arguments": custom.get("input")} if isinstance(custom, dict) else {}
            )
        call_id = _id(call.get("id"))
        name = _text(function.get("name"))
        arguments = _arguments(function.get("arguments"))
        if not arguments and "parameters" in function:
            arguments = _arguments(function["parameters"])
        index = call.get("index")
        index = index if isinstance(index, int) and not isinstance(index, bool) else None
        known = None if whole else self._find(index, call_id, name, arguments)
        if known is None:
            if not (call_id or name or arguments.strip()):
                return None  # a zero value is no call
            known = _Call(len(self._calls))
            self._calls.append(known)
        if index is not None:
            self._by_index[index] = known
        return _continue(known, call_id, name, arguments, _thought_signature(call))

    def _find(self, index: int | None, call_id: str, name: str, arguments: str) -> _Call | None:
        if index is not None:
            known = self._by_index.get(index)
            if known is None:
                return None
            if name and call_id and known.id and call_id != known.id:
                return None
            # no id tells two whole calls under one index apart (Ollama behind a proxy): the second one begins anew
            if name and not call_id and not known.id and arguments.lstrip().startswith("{") and known.whole:
                return None
            return known
        if call_id:
            same = next((known for known in self._calls if known.id == call_id), None)
            if same is not None or name:
                return same
        last = self._calls[-1] if self._calls else None
        if last is not None and name and (last.name != name or not last.arguments or last.whole):
            return None
        return last

    def _read_legacy(self, call: dict[str, Any]) -> ToolCall:
        if self._legacy is None:
            self._legacy = _Call(len(self._calls))
            self._calls.append(self._legacy)
        return _continue(self._legacy, "", _text(call.get("name")), _arguments(call.get("arguments")), "")


def _continue(known: _Call, call_id: str, name: str, arguments: str, signature: str) -> ToolCall:
    """What this piece adds to the call."""
    known.id = known.id or call_id
    added = ""
    if name and not known.name:
        known.name = added = name
    elif name and name != known.name and not known.arguments:  # a name in pieces
        known.name += name
        added = name
    if arguments:
        known.arguments.append(arguments)
    return ToolCall(known.key, known.id, added, arguments, signature)


def _thought_signature(call: dict[str, Any]) -> str:
    """Gemini refuses the next turn without it."""
    value = call.get("extra_content")
    for key in ("google", "thought_signature"):
        value = value.get(key) if isinstance(value, dict) else None
    return _text(value)


def _id(value: Any) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _arguments(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode()
