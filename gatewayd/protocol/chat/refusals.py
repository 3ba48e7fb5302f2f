"""A provider's refusal (400 or 422) that names its own remedy -> one change of the dialect that cures it.

A table: wordings on the left, the habit and its new value on the right. A row counts only where the refused thing is in
the body that was sent and the dialect does not have that value already, so that no body is ever sent twice. Not here:
context overflow (the client's to cure), and whatever blames the user's own data. A habit that leaves content out
(images, files) cures every complaint about that content, so its row must name the model or the kind, never the picture.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gatewayd.protocol.chat.dialect import Dialect
from gatewayd.protocol.chat.overflow import is_overflow
from gatewayd.protocol.chat.remedies import (
    OFFERS,
    Body,
    next_placeholder,
    offered_efforts,
    poorer_format,
    refused_keywords,
    stated_limit,
    stated_stops,
)
from gatewayd.protocol.chat.report import read_report

LEARNABLE = (400, 422)
_MAX_WORDS = 4_000  # of the provider's that are searched
_MAX_REASON = 200


@dataclass(frozen=True, slots=True)
class Change:
    """A habit of the dialect and its new value (JSON, as in `upstream.capabilities`). reason: the provider's words."""

    habit: str
    value: Any
    reason: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Row:
    """words: what the provider says, lower case; value: the new value, or a function of (words, body, dialect) that
    gives None where the row does not fit; sent: is the refused thing in the body?"""

    words: str
    habit: str
    value: Any | Callable[[str, Body, Dialect], Any]
    sent: Callable[[Body], bool]


# --- how providers say no --------------------------------------------------------------------------------------------

# Not among them: "invalid", which blames a value.
_NO = (
    r"(?:unsupported|not supported|not currently supported|not yet supported|n[o']t support|no longer support|"
    r"unrecognized|unknown|unexpected|not permitted|extra inputs|extra_forbidden|not allowed|cannot find field|"
    r"unavailable|not available|not implemented|not enabled|not recognized|n[o']t accept|additional propert|"
    r"only the default|must not be set|must be unset|should not exist|not compatible|deprecated|不支持|no such field|"
    r"invalid field)"
)
_STEP = r"(?:(?!\. ).)"  # any character of one sentence


def _says_no(name: str) -> str:
    """The field and a no, in either order, near each other in one sentence."""
    whole = rf"(?<![\w-]){name}(?!\w)"
    return rf"{whole}{_STEP}{{0,120}}?{_NO}|{_NO}{_STEP}{{0,60}}?{whole}"


def _any(*patterns: str) -> str:
    return "|".join(patterns)


_NO_STRING = (
    r"(?:must be a string|expect(?:ed|s)(?: an?)? string|be a valid string|not a string|of type string|string_type|"
    r"should be a string)"
)
_MODEL = r"(?:model|endpoint|endpoints|provider|server|deployment|api|it)"
_IMAGES = (
    r"(?<!the )(?<!this )(?<!your )(?<!an )(?:image|images|vision|image_url|multimodal|multi-modal|multimedia)"
    r"(?!/| (?:format|media|type|of type|mime|url)\b)"
)
_NO_IMAGES = _any(
    rf"\b{_MODEL}\b{_STEP}{{0,60}}?(?:n[o']t support|not accept|cannot (?:read|process|see)|supports? no)"
    rf"{_STEP}{{0,30}}?{_IMAGES}",
    rf"endpoints found that support {_IMAGES}",
    rf"{_IMAGES}(?: inputs?| content| parts?| understanding)?(?: is| are)? "
    rf"(?:not supported|unsupported|not enabled|not available)"
    rf"(?: (?:by|for|with|on|in) (?:this|the) {_MODEL}|\.|$| [-|])",
    r"is not a (?:multimodal|vision)|text-only|only (?:supports? )?text (?:content|input|messages)",
    r"unknown variant `image_url`|'?image_url'? is only supported",
    r"(?:content|part) type:? '?image_url'?[^.]{0,30}(?:not supported|unsupported|not allowed)",
    r"(?:unsupported|unknown|unexpected) (?:content|part)[ -]?(?:part )?type[^.]{0,40}image_url",
    r"untagged enum chatcompletionrequestcontent",
    r"input should be 'text'",
    r"at most 0 image",
    r"不支持(?:图片|图像|视觉)",
)
_NOT_FIRST = _any(
    r"system.{0,60}(?:must be|should be|only).{0,30}(?:first|beginning|start)",
    r"roles must alternate",
    r"only user and assistant roles",
    r"unexpected role.{0,20}system",
    r"multiple system",
)
_OUTPUT_LIMIT = (
    r"max_(?:completion_|output_|new_)?tokens|maxoutputtokens|max(?:imum)? tokens|(?:output|completion) tokens"
)
_TOOL_CHOICE = _any(_says_no("tool_choice"), r"invalid tool_choice", r"tool_choice.{0,40}must (?:either )?be")
_EFFORT = r"reasoning[._]?effort"
_SWITCH = rf"(?:{_EFFORT}|reasoning|thinking|enable_thinking|chat_template_kwargs)"
_REASONING = ("reasoning_content", "reasoning", "reasoning_details")


# --- what was sent ---------------------------------------------------------------------------------------------------


def _has(*fields: str) -> Callable[[Body], bool]:
    return lambda body: any(name in body for name in fields)


def _all(*fields: str) -> Callable[[Body], bool]:
    return lambda body: all(name in body for name in fields)


def _messages(test: Callable[[dict[str, Any]], bool]) -> Callable[[Body], bool]:
    return lambda body: any(test(message) for message in body["messages"])


def _parts(kind: str) -> Callable[[Body], bool]:
    def test(message: dict[str, Any]) -> bool:
        content = message.get("content")
        return isinstance(content, list) and any(part.get("type") == kind for part in content)

    return _messages(test)


def _chooses(kind: type) -> Callable[[Body], bool]:
    """Is `tool_choice` a demand of that kind: a word (`required`), or one tool by name?"""

    def sent(body: Body) -> bool:
        choice = body.get("tool_choice")
        return choice is not None and isinstance(choice, kind) and choice not in ("auto", "none")

    return sent


def _lost_thinking(message: dict[str, Any]) -> bool:
    return message["role"] == "assistant" and not message.get("reasoning_content")


def _asks_effort(body: Body) -> bool:
    return "reasoning_effort" in body and body["reasoning_effort"] != "none"


_THINKING = _has("thinking", "enable_thinking", "chat_template_kwargs", "reasoning", "reasoning_effort")
_CALLS = _messages(lambda message: bool(message.get("tool_calls")))
_PREFILL = _messages(lambda message: message["role"] == "assistant" and not message.get("tool_calls"))


# --- the table -------------------------------------------------------------------------------------------------------

_MISSING_THINKING = _any(
    r"reasoning_content.{0,80}(?:missing|must be passed|required|is expected|must be provided|cannot be empty)",
    r"missing.{0,40}reasoning_content",
)

ROWS = (
    Row(
        r"max_completion_tokens.{0,20}instead|use .{0,4}max_completion_tokens",
        "max_tokens_field",
        "max_completion_tokens",
        _has("max_tokens"),
    ),
    Row(_OUTPUT_LIMIT, "max_output_tokens", stated_limit, _has("max_tokens", "max_completion_tokens")),
    Row(_says_no("max_completion_tokens"), "max_tokens_field", "max_tokens", _has("max_completion_tokens")),
    Row(r"temperature.{0,12}and.{0,4}top_p.{0,20}both", "top_p", False, _all("temperature", "top_p")),
    Row(_any(_says_no("temperature"), r"temperature.{0,20}only"), "temperature", False, _has("temperature")),
    Row(_any(_says_no("top_p"), r"top_p.{0,20}only"), "top_p", False, _has("top_p")),
    Row(_says_no("top_k"), "top_k", False, _has("top_k")),
    Row(
        r"\bstop\b.{0,80}(?:array too long|maximum length|at most|up to|maximum of|max )",
        "max_stop",
        stated_stops,
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
    Row(_TOOL_CHOICE, "tool_choice_named", False, _chooses(dict)),
    Row(_TOOL_CHOICE, "tool_choice_required", "", _chooses(str)),
    Row(_TOOL_CHOICE, "tool_choice", False, _has("tool_choice")),
    Row(
        r"(?:reasoning|thinking).{0,60}(?:is mandatory|cannot be (?:disabled|turned off))",
        "thinking_off",
        False,
        _THINKING,
    ),
    Row(
        rf"effort.{{0,160}}(?:{OFFERS}|{_NO})|{OFFERS}.{{0,160}}effort",
        "thinking_off",
        False,
        lambda body: body.get("reasoning_effort") == "none",
    ),
    Row(
        rf"both '?(?:thinking'? and '?{_EFFORT}|{_EFFORT}'? and '?thinking)",
        "effort_levels",
        [],
        _all("thinking", "reasoning_effort"),
    ),
    Row(rf"effort.{{0,160}}{OFFERS}|{OFFERS}.{{0,160}}effort", "effort_levels", offered_efforts, _THINKING),
    Row(_any(_says_no(_EFFORT), rf"{_EFFORT}.{{0,20}}must be one of"), "effort_levels", [], _asks_effort),
    Row(_says_no(_SWITCH), "thinking_switch", "none", _THINKING),
    Row(
        r"enable_thinking must be set to false",
        "thinking_switch",
        "enable_thinking",
        lambda body: not body.get("stream") and "enable_thinking" not in body,
    ),
    Row(
        _MISSING_THINKING,
        "thinking_replay",
        "reasoning_content",
        _messages(lambda message: message["role"] == "assistant" and "reasoning_content" not in message),
    ),
    Row(_MISSING_THINKING, "thinking_placeholder", next_placeholder, _messages(_lost_thinking)),
    Row(
        _says_no("(?:reasoning_content|reasoning|reasoning_details)"),
        "thinking_replay",
        "none",
        _messages(lambda message: any(key in message for key in _REASONING)),
    ),
    Row(_says_no("cache_control"), "cache_control", False, lambda body: "cache_control" in str(body["messages"])),
    Row(r"tool call id.{0,80}length of 9", "tool_ids", "alnum9", _CALLS),
    Row(r"(?:tool_calls?|tool_call_id).{0,120}maximum length 40", "tool_ids", "max40", _CALLS),
    Row(_NO_IMAGES, "images", False, _parts("image_url")),
    Row(_any(r"unknown variant `file`", _says_no("(?:file|input_file|pdf)")), "pdf", "text", _parts("file")),
    Row(
        _any(
            rf"(?:content|messages)(?![\[.\w]).{{0,120}}{_NO_STRING}",
            rf"{_NO_STRING}.{{0,80}}content(?![\[.\w])",
            r"messages.{0,20}invalid type: sequence, expected a string",
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
        r"(?:assistant|content).{0,60}(?:must not be empty|cannot be empty|should not be empty|must be non-empty)",
        "null_content",
        True,
        _messages(lambda message: bool(message.get("tool_calls")) and message.get("content") == ""),
    ),
    Row(r"assistant with prefix true", "prefill_flag", "prefix", _PREFILL),
    Row(
        _NOT_FIRST,
        "late_system",
        False,
        lambda body: any(message["role"] in ("system", "developer") for message in body["messages"][1:]),
    ),
    Row(
        _any(
            _says_no("developer"),
            r"developer.{0,40}(?:not one of|role)",
            r"unknown variant `developer`",
            r"incorrect role information|角色信息不正确",
        ),
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
        poorer_format,
        _has("response_format"),
    ),
    Row(
        r"not have 'oneof'.{0,60}at the top level|(?:anyof|oneof|allof).{0,60}(?:top level|root).{0,60}parameters",
        "schema_flat_root",
        True,
        _has("tools"),
    ),
    Row(rf"'\$ref'.{{0,80}}{_NO}|{_NO}.{{0,40}}'\$ref'", "schema_inline_refs", True, _has("tools")),
    Row(
        r"unknown name|cannot find field|schema|keyword|parameters|for string type",
        "schema_drop",
        refused_keywords,
        _has("tools"),
    ),
)

_TABLE = tuple((re.compile(row.words), row) for row in ROWS)

# What blames the user's data, whatever field it names.
_NOT_OURS = re.compile(
    r"could not process image|invalid image|unsupported image|image (?:data|url|file) (?:is|was|could|you)"
    r"|image.{0,40}(?:too large|too small|corrupt|exceeds|dimensions|resolution|of the following formats)"
    r"|failed to (?:download|decode|fetch)|base64|content policy|content_filter|moderation|safety (?:system|filter)"
    r"|flagged|api key|per minute|per day|model .{0,60}(?:not exist|not found|decommissioned)"
)
_SUGGESTION = re.compile(r"did you mean [^?]{0,60}\?")  # names a field that nobody refused


def read_refusal(status: int, told: Any, dialect: Dialect, body: Body) -> Change | None:
    """The one change that the provider's words ask for; None where they explain nothing that is ours to change.

    status: the HTTP status, 200 for an error inside an answer; told: the error as `read_report` takes it; body: the
    Chat Completions body that was refused.
    """
    report = read_report(told)
    if (status if status >= 400 else report.status) not in LEARNABLE:
        return None
    plain = report.words[:_MAX_WORDS].lower().replace('"', "'").replace("\\", "")  # JSON inside text is escaped
    words = _SUGGESTION.sub("", " ".join(plain.split()))
    if is_overflow(words) or _NOT_OURS.search(words):
        return None
    for pattern, row in _TABLE:
        if not row.sent(body) or not pattern.search(words):
            continue
        value = row.value(words, body, dialect) if callable(row.value) else row.value
        if value is not None and _as_json(getattr(dialect, row.habit)) != value:
            return Change(row.habit, value, report.message[:_MAX_REASON])
    return None


def _as_json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
