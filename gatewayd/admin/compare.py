"""Both requests of an exchange side by side, part by part, with the notes of the translation at the part they concern.

Pure. Which fields belong together is a table; messages are aligned at the assistant's turns, which are as many on both
sides, so what was split, moved or put between them stands beside what it was made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Literal, NamedTuple

#: title: fields of the Messages request, fields of the Chat Completions request, first words of the notes' codes
_PARTS: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "Model": (("model",), ("model",), ("fallback", "learned")),
    "Limits": (("max_tokens",), ("max_tokens", "max_completion_tokens", "num_predict"), ("max_tokens",)),
    "Stream": (("stream",), ("stream", "stream_options"), ("stream",)),
    "Thinking": (
        ("thinking", "output_config", "effort"),
        ("reasoning_effort", "reasoning", "thinking", "enable_thinking", "thinking_budget", "chat_template_kwargs"),
        ("thinking", "effort"),
    ),
    "Sampling": (
        ("temperature", "top_p", "top_k", "stop_sequences"),
        ("temperature", "top_p", "top_k", "stop"),
        ("temperature", "top_p", "top_k", "stop_sequences"),
    ),
    "Output format": (("output_format",), ("response_format",), ("output_format",)),
    "Tool choice": (("tool_choice",), ("tool_choice", "parallel_tool_calls"), ("tool_choice", "parallel_tool_calls")),
    "Metadata": (("metadata",), ("user", "metadata", "prompt_cache_key", "safety_identifier"), ("metadata",)),
}
_CONTENT = {
    "System": ("system",),
    "Tools": ("tools", "server_tools"),
    "Messages": ("messages", "content", "images", "documents", "tool_results"),
    "Answer": ("tool_arguments",),
}
_ELSEWHERE = {"thinking.not_replayed": "Messages", "server_tools.history_dropped": "Messages"}
OTHER = "Other fields"


class Note(NamedTuple):
    """text: details, "" where there are none."""

    code: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One line of the comparison. sent, received: what stands on either side; None: nothing."""

    kind: Literal["field", "system", "tool", "message"]
    title: str
    sent: Any
    received: Any
    notes: Sequence[Note] = field(default=())


def compare(request: Any, upstream: Any, notes: Iterable[Note]) -> list[Part]:
    """request: Anthropic's; upstream: what the provider got, None where it was not asked. Notes that belong to no part
    stand at the first."""
    sent = dict(request) if isinstance(request, dict) else {}
    received = dict(upstream) if isinstance(upstream, dict) else {}
    by_title = _by_title(notes)
    parts = [
        Part("field", title, _take(sent, ours), _take(received, theirs), by_title.pop(title, ()))
        for title, (ours, theirs, _) in _PARTS.items()
    ]
    messages = _list(received.pop("messages", None))
    instructions = _instructions(messages)
    system = Part("system", "System", sent.pop("system", None), instructions or None, by_title.pop("System", ()))
    content = [
        system,
        *_tools(_list(sent.pop("tools", None)), _list(received.pop("tools", None)), by_title.pop("Tools", ())),
    ]
    turns = _turns(_list(sent.pop("messages", None)), messages[len(instructions) :], by_title.pop("Messages", ()))
    parts.append(Part("field", OTHER, sent or None, received or None, by_title.pop(OTHER, ())))
    shown = [
        part for part in [*parts, *content, *turns] if part.sent is not None or part.received is not None or part.notes
    ]
    rest = [note for found in by_title.values() for note in found]
    return [Part("field", "Answer", None, None, rest), *shown] if rest else shown


def title_of(code: str) -> str:
    """The part that a note is about."""
    if code in _ELSEWHERE:
        return _ELSEWHERE[code]
    subject = code.partition(".")[0]
    for title, (_, _, subjects) in _PARTS.items():
        if subject in subjects:
            return title
    return next((title for title, subjects in _CONTENT.items() if subject in subjects), OTHER)


def _by_title(notes: Iterable[Note]) -> dict[str, list[Note]]:
    found: dict[str, list[Note]] = {}
    for note in notes:
        found.setdefault(title_of(note.code), []).append(note)
    return found


def _take(body: dict[str, Any], names: Sequence[str]) -> dict[str, Any] | None:
    return {name: body.pop(name) for name in names if name in body} or None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _instructions(messages: Sequence[Any]) -> list[Any]:
    """The messages at the beginning that hold the system prompt."""
    count = 0
    while count < len(messages) and _role(messages[count]) in ("system", "developer"):
        count += 1
    return list(messages[:count])


def _role(message: Any) -> str:
    return str(message.get("role")) if isinstance(message, dict) else ""


def _tools(sent: Sequence[Any], received: Sequence[Any], notes: Sequence[Note]) -> Iterator[Part]:
    """By name; a tool that was renamed stands apart from itself. Notes name their tool, or stand before them all."""
    theirs = {_tool_name(tool): tool for tool in received}
    pairs = [(tool, theirs.pop(_tool_name(tool), None)) for tool in sent]
    pairs += [(None, tool) for tool in theirs.values()]
    names = {_tool_name(tool) for pair in pairs for tool in pair if tool is not None}
    if general := [note for note in notes if note.text not in names]:
        yield Part("tool", "All tools", None, None, general)
    for ours, other in pairs:
        name = _tool_name(other if ours is None else ours)
        yield Part("tool", name, ours, other, [note for note in notes if note.text == name])


def _tool_name(tool: Any) -> str:
    described = tool.get("function", tool) if isinstance(tool, dict) else None
    return str(described.get("name", "?")) if isinstance(described, dict) else "?"


def _turns(sent: Sequence[Any], received: Sequence[Any], notes: Sequence[Note]) -> Iterator[Part]:
    number = 0
    for index, (ours, theirs) in enumerate(zip_longest(_segments(sent), _segments(received))):
        count = len(ours or ())
        places = f"{number}" if count == 1 else f"{number} to {number + count - 1}" if count else "(none)"
        roles = dict.fromkeys(_role(message) or "?" for message in ours or theirs or ())
        number += count
        yield Part("message", f"{places}: {', '.join(roles)}", ours, theirs, notes if index == 0 else ())


def _segments(messages: Sequence[Any]) -> list[list[Any] | None]:
    """What came between the assistant's turns and these turns, in alternation; the first and the last may be none."""
    segments: list[list[Any] | None] = [None]
    for message in messages:
        is_assistant = _role(message) == "assistant"
        if is_assistant == (len(segments) % 2 == 0):
            last = segments[-1]
            segments[-1] = [*last, message] if last else [message]
        else:
            segments.append([message])
    return segments
