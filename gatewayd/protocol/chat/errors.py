"""A provider's error as one of ours: its kind by status and words, its text as `report` reads it, cut.

Context overflow is told in Anthropic's words (see `overflow`), so that clients can recover from it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

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
from gatewayd.protocol.chat.report import Report, read_report

MAX_MESSAGE = 2000


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
    report = read_report(body)
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
    r"|payment required|key limit exceeded|spend(?:ing)? limit|exceeded_current_quota",
    re.IGNORECASE,
)
# Gemini words a limit per minute as a spent quota.
_SOON = re.compile(
    r"per[ _]?(?:minute|min|second|hour|day)|retry in|try again in|retrydelay|free[ _-]?tier", re.IGNORECASE
)
_BUSY = re.compile(
    r"overloaded|over capacity|at capacity|engine_overloaded|server is busy|service is too busy", re.IGNORECASE
)


def _by_words(status: int, report: Report) -> _Build | None:
    """What the words say where they know better than the status."""
    words = f"{report.message} {report.labels}"
    if status == 401 or (status == 400 and _KEY.search(words)) or (status == 403 and _is_about_key(report, words)):
        return _key_refused
    if status == 402 or (status in (400, 403, 429) and _SPENT.search(words) and not _SOON.search(words)):
        return _spent
    if status >= 500 and _BUSY.search(words):
        return _overloaded
    return None


def _is_about_key(report: Report, words: str) -> bool:
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
    409: _failed,  # a conflict and "too early" pass: clients try again after a 502, but never after a 400
    413: lambda message, _wait: RequestTooLarge(message),
    425: _failed,
    429: _rate_limited,
    503: _overloaded,
    504: lambda message, _wait: TimedOut(message),
    524: lambda message, _wait: TimedOut(message),
    529: _overloaded,
}
_WAITING = frozenset({429, 500, 502, 503, 529})


# --- texts ------------------------------------------------------------------------------------------------------------


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
