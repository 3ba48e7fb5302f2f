"""A provider's refusal (400 or 422) that names its own remedy -> one change of the dialect that cures it.

A table: wordings on the left, the habit and its new value on the right. A row counts only where the refused thing is in
the body that was sent and the dialect does not have that value already, so that no body is ever sent twice. Not here:
context overflow (the client's to cure), and whatever blames the user's own data.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gatewayd.protocol.chat.dialect import Dialect
from gatewayd.protocol.chat.overflow import is_overflow
from gatewayd.protocol.chat.report import read_report

LEARNABLE = (400, 422)

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """A habit of the dialect and its new value, a JSON value as in `upstream.capabilities`."""

    habit: str
    value: Any


@dataclass(frozen=True, slots=True)
class Row:
    """words: what the provider says, lower case; value: the new value, or a function of (words, body, dialect) that
    gives None where the row does not fit; sent: is the refused thing in the body?"""

    words: str
    habit: str
    value: Any | Callable[[str, Body, Dialect], Any]
    sent: Callable[[Body], bool]


# How providers say no to a field. Not among them: "invalid", which blames a value.
_NO = (
    r"(?:unsupported|not supported|n[o']t support|unrecognized|unknown|unexpected|not permitted|extra inputs|"
    r"extra_forbidden|not allowed|cannot find field|unavailable|not available|not accept|does not accept|"
    r"additional propert|only the default|must not be set|no longer supported|not compatible)"
)


def _says_no(field: str) -> str:
    """The field and a no, in either order, near each other."""
    name = rf"(?<![\w.-]){field}(?!\w)"
    return rf"{name}.{{0,120}}{_NO}|{_NO}.{{0,60}}{name}"


def _has(*fields: str) -> Callable[[Body], bool]:
    return lambda body: any(field in body for field in fields)


def _messages(test: Callable[[dict[str, Any]], bool]) -> Callable[[Body], bool]:
    return lambda body: any(test(message) for message in body["messages"])


def _parts(kind: str) -> Callable[[Body], bool]:
    def test(message: dict[str, Any]) -> bool:
        content = message.get("content")
        return isinstance(content, list) and any(part.get("type") == kind for part in content)

    return _messages(test)


def _stated_limit(words: str, body: Body, _dialect: Dialect) -> int | None:
    """The largest number in the text that is below what was asked for: the others are the request's own."""
    asked = body.get("max_tokens", body.get("max_completion_tokens"))
    numbers = [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]{0,11}", words)]
    return max((number for number in numbers if asked and 16 <= number < asked), default=None)


def _stated_stops(words: str, body: Body, _dialect: Dialect) -> int | None:
    numbers = [int(number) for number in re.findall(r"(?:maximum length|at most|up to|maximum of|max) (\d)\b", words)]
    return max((number for number in numbers if number < len(body["stop"])), default=None)


_OFFERS = r"(?:supported values|one of|expected|must be|options)"
_EFFORTS = ("minimal", "low", "medium", "high", "xhigh")


def _levels(words: str, _body: Body, dialect: Dialect) -> list[str] | None:
    """The efforts that the text offers, behind the refused one."""
    offered = re.split(_OFFERS, words, maxsplit=1)[-1]
    names = [name for name in _EFFORTS if re.search(rf"\b{name}\b", offered)]
    return names if names and tuple(names) != dialect.effort_levels else None


def _poorer_format(_words: str, _body: Body, dialect: Dialect) -> str | None:
    return {"json_schema": "json_object", "json_object": "none"}.get(dialect.response_format)


_KEYWORDS = {
    name.lower(): name
    for name in (
        "$schema", "$id", "exclusiveMinimum", "exclusiveMaximum", "additionalProperties", "propertyNames",
        "patternProperties", "multipleOf", "const", "format", "default", "minLength", "maxLength", "minItems",
        "maxItems", "uniqueItems", "pattern", "minimum", "maximum",
    )
}  # fmt: skip


def _keywords(words: str, _body: Body, dialect: Dialect) -> list[str] | None:
    """JSON Schema keywords that the text names in quotes, added to those that are dropped."""
    named = [_KEYWORDS[word] for word in re.findall(r"['`]([$a-z]+)['`]", words) if word in _KEYWORDS]
    added = [name for name in dict.fromkeys(named) if name not in dialect.schema_drop]
    return [*dialect.schema_drop, *added] if added else None


def _chooses(kind: type) -> Callable[[Body], bool]:
    """Is `tool_choice` a demand of that kind: a word (`required`), or one tool by name?"""

    def sent(body: Body) -> bool:
        choice = body.get("tool_choice")
        return choice is not None and isinstance(choice, kind) and choice not in ("auto", "none")

    return sent


def _any(*patterns: str) -> str:
    return "|".join(patterns)


_THINKING = _has("thinking", "enable_thinking", "chat_template_kwargs", "reasoning", "reasoning_effort")
_REASONING = ("reasoning_content", "reasoning", "reasoning_details")
_CALLS = _messages(lambda message: bool(message.get("tool_calls")))
_LIMIT = _any(
    r"max_(?:completion_|output_)?tokens\b.{0,200}(?:at most|less than or equal|<=|maximum|range|large|exceed|> ?\d)",
    r"(?:at most|maximum|exceed|range of).{0,60}max_tokens",
    "output tokens",
)
_NO_STRING = (
    r"(?:must be a string|expect(?:ed|s) (?:a )?string|be a valid string|not a string|of type string|string_type)"
)
_NO_IMAGE = _any(
    r"(?:n[o']t support|not supported|unsupported|endpoints found that support|n[o']t accept|only text).{0,60}image",
    r"image.{0,80}(?:not supported|n[o']t support|unsupported|not allowed|not enabled)",
    r"unknown variant `image_url`",
    r"image_url is only supported",
)
_NOT_FIRST = _any(
    r"system.{0,60}(?:must be|should be|only).{0,30}(?:first|beginning|start)",
    r"roles must alternate",
    r"only user and assistant roles",
    r"unexpected role.{0,20}system",
    r"multiple system",
)

ROWS = (
    Row(
        r"max_completion_tokens.{0,20}instead|use .{0,4}max_completion_tokens",
        "max_tokens_field",
        "max_completion_tokens",
        _has("max_tokens"),
    ),
    Row(_says_no("max_completion_tokens"), "max_tokens_field", "max_tokens", _has("max_completion_tokens")),
    Row(_LIMIT, "max_output_tokens", _stated_limit, _has("max_tokens", "max_completion_tokens")),
    Row(_any(_says_no("temperature"), r"temperature.{0,20}only"), "temperature", False, _has("temperature")),
    Row(_any(_says_no("top_p"), r"top_p.{0,20}only"), "top_p", False, _has("top_p")),
    Row(_says_no("top_k"), "top_k", False, _has("top_k")),
    Row(
        r"\bstop\b.{0,80}(?:array too long|maximum length|at most|up to|maximum of|max )",
        "max_stop",
        _stated_stops,
        _has("stop"),
    ),
    Row(_says_no("stop"), "max_stop", 0, _has("stop")),
    Row(_says_no("(?:stream_options|include_usage)"), "stream_options", False, _has("stream_options")),
    Row(_says_no("parallel_tool_calls"), "parallel_tool_calls", False, _has("parallel_tool_calls")),
    Row(
        r"tool_choice.{0,160}think|think.{0,160}tool_choice|reasoning.{0,80}tool_choice",
        "tool_choice_thinking",
        False,
        _chooses(object),
    ),
    Row(_says_no("tool_choice"), "tool_choice_named", False, _chooses(dict)),
    Row(_says_no("tool_choice"), "tool_choice_required", "", _chooses(str)),
    Row(_says_no("tool_choice"), "tool_choice", False, _has("tool_choice")),
    Row(
        r"(?:reasoning|thinking).{0,60}(?:is mandatory|cannot be (?:disabled|turned off))",
        "thinking_off",
        False,
        _THINKING,
    ),
    Row(rf"effort.{{0,160}}{_OFFERS}|{_OFFERS}.{{0,160}}effort", "effort_levels", _levels, _THINKING),
    Row(
        _says_no("(?:reasoning_effort|reasoning|thinking|enable_thinking|chat_template_kwargs)"),
        "thinking_switch",
        "none",
        _THINKING,
    ),
    Row(
        r"reasoning_content.{0,80}(?:missing|must be passed|required|is expected)|missing.{0,40}reasoning_content",
        "thinking_replay",
        "reasoning_content",
        _messages(lambda message: message["role"] == "assistant" and "reasoning_content" not in message),
    ),
    Row(
        _any(_says_no("(?:reasoning_content|reasoning|reasoning_details)"), "wrong_api_format"),
        "thinking_replay",
        "none",
        _messages(lambda message: any(key in message for key in _REASONING)),
    ),
    Row(_says_no("cache_control"), "cache_control", False, lambda body: "cache_control" in str(body["messages"])),
    Row(r"tool call id.{0,80}length of 9", "tool_ids", "alnum9", _CALLS),
    Row(r"(?:tool_calls?|tool_call_id).{0,120}maximum length 40", "tool_ids", "max40", _CALLS),
    Row(_NO_IMAGE, "images", False, _parts("image_url")),
    Row(_any(r"unknown variant `file`", _says_no("file")), "pdf", "text", _parts("file")),
    Row(
        _any(
            rf"(?:content|messages).{{0,120}}{_NO_STRING}",
            rf"{_NO_STRING}.{{0,80}}content",
            "invalid type: sequence, expected a string",
        ),
        "list_content",
        False,
        _messages(lambda message: isinstance(message.get("content"), list)),
    ),
    Row(
        rf"content.{{0,80}}(?:null|none|nil|{_NO_STRING})",
        "null_content",
        False,
        _messages(lambda message: "content" in message and message["content"] is None),
    ),
    Row(
        _NOT_FIRST,
        "late_system",
        False,
        lambda body: any(message["role"] in ("system", "developer") for message in body["messages"][1:]),
    ),
    Row(
        _any(_says_no("developer"), r"developer.{0,40}(?:not one of|role)", r"unknown variant `developer`"),
        "system_role",
        "system",
        _messages(lambda message: message["role"] == "developer"),
    ),
    Row(
        r"role.{0,60}system.{0,60}(?:n[o']t support|unsupported)|n[o']t support.{0,30}'system'",
        "system_role",
        "developer",
        _messages(lambda message: message["role"] == "system"),
    ),
    Row(
        _says_no("(?:response_format|json_schema|json_object|structured outputs?)"),
        "response_format",
        _poorer_format,
        _has("response_format"),
    ),
    Row(r"unknown name|cannot find field|schema|keyword|parameters", "schema_drop", _keywords, _has("tools")),
)

_TABLE = tuple((re.compile(row.words, re.DOTALL), row) for row in ROWS)

# What blames the user's data, whatever field it names.
_NOT_OURS = re.compile(
    r"could not process image|invalid image|image (?:data|url) is|failed to (?:download|decode)|base64|content policy"
    r"|moderation|safety|api key|per minute|model .{0,60}(?:not exist|not found|decommissioned)",
)


def read_refusal(status: int, told: Any, dialect: Dialect, body: Body) -> Change | None:
    """The one change that the provider's words ask for; None where they explain nothing that is ours to change.

    told: the error's body as it came; body: the Chat Completions body that was refused.
    """
    if status not in LEARNABLE:
        return None
    report = read_report(told)
    words = f"{report.message} {report.labels}".lower().replace('"', "'")
    if is_overflow(words) or _NOT_OURS.search(words):
        return None
    for pattern, row in _TABLE:
        if not row.sent(body) or not pattern.search(words):
            continue
        value = row.value(words, body, dialect) if callable(row.value) else row.value
        if value is not None and _as_json(getattr(dialect, row.habit)) != value:
            return Change(row.habit, value)
    return None


def _as_json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
