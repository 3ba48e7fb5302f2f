"""A provider's error, in any of the shapes that providers have for it, as one of ours.

Everything here is hostile text: what goes to the client is cut, stripped of control characters, and never a page of
HTML. Context overflow is told in Anthropic's words (see `overflow`), so that clients can recover from it.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from gatewayd.errors import (
    ApiError,
    BillingFailed,
    InvalidRequest,
    NotFound,
    Overloaded,
    PermissionDenied,
    RateLimited,
    RequestTooLarge,
    TimedOut,
    UpstreamFailed,
)
from gatewayd.protocol.chat.overflow import is_overflow, overflow_line

MAX_MESSAGE = 2000
_MAX_WORDS = 20_000  # of a provider's text that is looked at


def read_error(
    status: int,
    body: bytes | dict[str, Any] | list[Any] | str,
    *,
    context_window: int | None,
    estimate: int,
    retry_after: str | None = None,
) -> ApiError:
    """The error to raise for a provider's answer.

    status: the HTTP status, 200 for an error inside an answer; body: as received, or what `error_in` found;
    context_window: the model's, None: unknown; estimate: tokens of the request; retry_after: the header's value.
    """
    report = _read_report(body)
    status = status if status >= 400 else report.status or 502
    words = f"{report.message} {report.labels}"
    message = report.message or f"the provider answered {status} without a message"
    if status not in (401, 402, 403, 429) and is_overflow(words):
        line = overflow_line(words, context_window=context_window, estimate=estimate)
        return InvalidRequest(_cut(message if message.startswith(line) else f"{line}\n{message}"))
    build = _by_words(status, report) or _BY_STATUS.get(status) or (_invalid if status < 500 else _failed)
    return build(_cut(message), _seconds(retry_after, words) if status in _WAITING else None)


def error_in(data: dict[str, Any]) -> Any | None:
    """The error that a 200 answer or a chunk carries, in a form for `read_error`; None where there is none."""
    if data.get("error"):
        return data
    if (base := data.get("base_resp")) and isinstance(base, dict) and base.get("status_code"):
        return {"base_resp": base}
    if (groq := data.get("x_groq")) and isinstance(groq, dict) and groq.get("error"):
        return groq
    choices = data.get("choices")
    if choices and isinstance(choices, list):
        found = (choice["error"] for choice in choices if isinstance(choice, dict) and choice.get("error"))
        return next(({"error": error} for error in found), None)
    if data.get("detail") or data.get("object") == "error" or data.get("errors"):
        return data
    return data if isinstance(data.get("message"), str) and "id" not in data and "choices" not in data else None


# --- what it says ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Report:
    """message: for people, may be empty; labels: codes and types; status: an HTTP status told inside, or None."""

    message: str
    labels: str
    status: int | None


def _read_report(body: bytes | dict[str, Any] | list[Any] | str) -> _Report:
    value = _decode(body) if isinstance(body, bytes | str) else body
    messages: list[str] = []
    labels: list[str] = []
    for kind, text in _walk(value, 0):
        (messages if kind == "message" else labels).append(text)
    message = ": ".join(dict.fromkeys(text for text in map(_plain, messages) if text))
    return _Report(message[:_MAX_WORDS], " ".join(labels)[:_MAX_WORDS], _status_in(labels))


def _decode(body: bytes | str) -> Any:
    """JSON, the JSON of the first event of a stream, or the text itself."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    for candidate in _json_texts(text.strip()):
        try:
            return orjson.loads(candidate)
        except orjson.JSONDecodeError:
            continue
    return text


def _json_texts(text: str) -> Iterator[str]:
    if text.startswith(("{", "[", '"')):
        yield text
    for line in text[:_MAX_WORDS].split("\n"):
        name, colon, value = line.partition(":")
        if colon and name in ("data", "error"):
            yield value.strip()


_MESSAGE_KEYS = ("message", "msg", "detail", "status_msg", "error_msg", "error_message", "error_description", "title")
_LABEL_KEYS = ("code", "type", "status", "status_code", "raw_status_code")
_NESTED_KEYS = ("error", "errors", "base_resp")


def _walk(value: Any, depth: int) -> Iterator[tuple[str, str]]:
    """("message" | "label", text) of every part that says something, outer parts first."""
    if depth > 4 or value is None or isinstance(value, bool):
        return
    if isinstance(value, str | int | float):
        yield "message", str(value)
    elif isinstance(value, list):
        for item in value[:5]:
            yield from _walk(item, depth + 1)
    elif isinstance(value, dict):
        yield from _walk_object(value, depth)


def _walk_object(value: dict[str, Any], depth: int) -> Iterator[tuple[str, str]]:
    for key in _LABEL_KEYS:
        if isinstance(label := value.get(key), str | int) and not isinstance(label, bool):
            yield "label", str(label)
    found = next((value[key] for key in _MESSAGE_KEYS if value.get(key)), None)
    yield from _walk(_inner_json(found), depth + 1)
    for key in _NESTED_KEYS:
        yield from _walk(_inner_json(value.get(key)), depth + 1)
    if isinstance(metadata := value.get("metadata"), dict):
        yield from _walk(_inner_json(metadata.get("raw")), depth + 1)


def _inner_json(value: Any) -> Any:
    """An error that a gateway on the way wrapped as text into its own."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


# Error numbers of MiniMax, which answers 200.
_BASE_RESP = {"1001": 504, "1002": 429, "1004": 401, "1008": 402, "1039": 429, "2013": 400, "2049": 401}
_LABELS = {
    "invalid_request_error": 400,
    "invalid_argument": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "insufficient_quota": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "resource_exhausted": 429,
    "overloaded_error": 529,
    "engine_overloaded_error": 529,
    "unavailable": 503,
    "timeout": 504,
}


def _status_in(labels: list[str]) -> int | None:
    numbers = [int(label) for label in labels if re.fullmatch(r"[45]\d\d", label)]
    named = [status for label in labels if (status := _LABELS.get(label.lower()) or _BASE_RESP.get(label)) is not None]
    return next(iter((*numbers, *named)), None)


# --- which error it is -----------------------------------------------------------------------------------------------

_Build = Callable[[str, int | None], ApiError]

_KEY = re.compile(
    r"\b(?:invalid|incorrect|wrong|missing|expired|malformed|no|bad)\b[^.\n]{0,30}?\bapi[ _-]?key"
    r"|\bapi[ _-]?key\b[^.\n]{0,40}?\b(?:invalid|not valid|incorrect|expired|missing|required|not found)"
    r"|invalid_api_key",
    re.IGNORECASE,
)
_KEY_403 = re.compile(r"api[ _-]?key|unauthori[sz]ed|authenticat|credential|access token", re.IGNORECASE)
_MODERATION = re.compile(r"moderation|flagged|content.polic|safety|sensitive|harmful", re.IGNORECASE)
_SPENT = re.compile(
    r"insufficient[ _](?:quota|balance|credit|fund)|exceeded your (?:current|monthly) quota|out of credits?"
    r"|not enough credits?|(?:credit|account) balance|requires more credits|arrears|overdue|billing_hard_limit"
    r"|payment required|spend(?:ing)? limit|exceeded_current_quota",
    re.IGNORECASE,
)
# Gemini words a limit per minute as a spent quota.
_SOON = re.compile(
    r"per[ _]?(?:minute|min|second|hour|day)|retry in|try again in|retrydelay|free[ _-]?tier", re.IGNORECASE
)
_BUSY = re.compile(
    r"overloaded|over capacity|at capacity|engine_overloaded|server is busy|service is too busy", re.IGNORECASE
)


def _by_words(status: int, report: _Report) -> _Build | None:
    """What the words say where they know better than the status."""
    words = f"{report.message} {report.labels}"
    if status == 401 or (status == 400 and _KEY.search(words)) or (status == 403 and _is_about_key(report, words)):
        return _key_refused
    if status == 402 or (status in (400, 403, 429) and _SPENT.search(words) and not _SOON.search(words)):
        return _spent
    if status >= 500 and _BUSY.search(words):
        return _overloaded
    return None


def _is_about_key(report: _Report, words: str) -> bool:
    """A 403 is moderation, a key without rights, or (without a reason) most likely a wrong key."""
    if report.message.strip(" .!").lower() in ("", "forbidden"):
        return True
    return bool(_KEY_403.search(words)) and not _MODERATION.search(words)


def _key_refused(message: str, _wait: int | None) -> ApiError:
    return UpstreamFailed(f"The provider refused the gateway's key: {message}"[:MAX_MESSAGE], should_retry=False)


def _spent(message: str, _wait: int | None) -> ApiError:
    return BillingFailed(message, should_retry=False)


def _overloaded(message: str, wait: int | None) -> ApiError:
    return Overloaded(message, retry_after=wait)


def _rate_limited(message: str, wait: int | None) -> ApiError:
    return RateLimited(message, retry_after=wait)


def _invalid(message: str, _wait: int | None) -> ApiError:
    return InvalidRequest(message)


def _failed(message: str, _wait: int | None) -> ApiError:
    return UpstreamFailed(message)


_BY_STATUS: dict[int, _Build] = {
    403: lambda message, _wait: PermissionDenied(message),
    404: lambda message, _wait: NotFound(message),
    408: lambda message, _wait: TimedOut(message),
    413: lambda message, _wait: RequestTooLarge(message),
    429: _rate_limited,
    503: _overloaded,
    504: lambda message, _wait: TimedOut(message),
    524: lambda message, _wait: TimedOut(message),
    529: _overloaded,
}
_WAITING = frozenset({429, 500, 502, 503, 529})


# --- texts -----------------------------------------------------------------------------------------------------------

# Control characters, lone surrogates, and marks that reorder what is shown; newline and tab may stay.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_MARKUP = re.compile(r"\s*(?:<!doctype|<\?xml|<html|<head|<body|<h\d|<p>|<center|<div|<title)", re.IGNORECASE)
_TITLE = re.compile(r"<(title|h1)[^<>]{0,200}>([^<]{1,300})", re.IGNORECASE)
_ACCOUNT = re.compile(r"\buser_[A-Za-z0-9]{8,}")


def _plain(text: str) -> str:
    """A provider's text without control characters and account ids; of a page of markup only its title."""
    text = text[:_MAX_WORDS]
    if _MARKUP.match(text):
        title = _TITLE.search(text)
        text = (
            f"the provider answered with a web page: {_bare(title[2])}"
            if title
            else "the provider answered with a web page"
        )
    return _ACCOUNT.sub("user_…", _CONTROL.sub("", text)).strip()


def _bare(title: str) -> str:
    return " ".join(re.sub(r"[<>]", "", html.unescape(title)).split())


def _cut(message: str) -> str:
    return message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"


_DELAY = re.compile(
    r"(?:try again|retry|wait)\D{0,40}?\b(?:(\d{1,3})h)?(?:(\d{1,4})m(?!s))?(\d{1,6}(?:\.\d{1,9})?) ?(ms|s\b|sec)",
    re.IGNORECASE,
)


def _seconds(header: str | None, words: str) -> int | None:
    """Whole seconds to wait, from the header (no date: there is no clock here), else from the words."""
    if header is not None and re.fullmatch(r"\d{1,9}(\.\d{1,9})?", header.strip()):
        return math.ceil(float(header))
    if found := _DELAY.search(words):
        hours, minutes, number, unit = found.groups()
        seconds = float(number) / 1000 if unit.lower() == "ms" else float(number)
        return math.ceil(int(hours or 0) * 3600 + int(minutes or 0) * 60 + seconds)
    return None
