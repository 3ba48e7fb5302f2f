"""What a provider's error says, in any of the shapes that providers have for it: an object, a string, a list, plain
text, an event of a stream, a page of HTML, an error that another gateway wrapped into its own.

Everything here is hostile text: only messages and codes are taken (never account ids beside them), stripped of control
characters, and of a page nothing but its title.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

_MAX_WORDS = 20_000  # of a provider's text that is looked at


@dataclass(frozen=True, slots=True)
class Report:
    """message: for people, may be empty; labels: codes and types; status: an HTTP status told inside, or None;
    words: all of it in order, the fields that are blamed (`param`, `loc`) behind what is said of them."""

    message: str
    labels: str
    status: int | None
    words: str


def read_report(body: bytes | dict[str, Any] | list[Any] | str) -> Report:
    value = _decode(body) if isinstance(body, bytes | str) else body
    found = [(kind, _plain(text)) for kind, text in _walk(value, 0)]
    labels = [text for kind, text in found if kind == "label"]
    message = ": ".join(dict.fromkeys(text for kind, text in found if kind == "message" and text))
    words = " | ".join(text.rstrip(" .") for _kind, text in found if text)
    return Report(message[:_MAX_WORDS], " ".join(labels)[:_MAX_WORDS], _status_in(labels), words[:_MAX_WORDS])


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
_PLACE_KEYS = ("param", "loc", "field")


def _walk(value: Any, depth: int) -> Iterator[tuple[str, str]]:
    """("message" | "label" | "place", text) of every part that says something, outer parts first."""
    if depth > 6 or value is None or isinstance(value, bool):
        return
    if isinstance(value, str | int | float):
        yield "message", str(value)
    elif isinstance(value, list):
        for item in value[:5]:
            yield from _walk(item, depth + 1)
    else:
        yield from _walk_object(value, depth)


def _walk_object(value: dict[str, Any], depth: int) -> Iterator[tuple[str, str]]:
    for key in _LABEL_KEYS:
        if isinstance(label := value.get(key), str | int) and not isinstance(label, bool):
            yield "label", str(label)
    found = next((value[key] for key in _MESSAGE_KEYS if value.get(key)), None)
    yield from _walk(_inner_json(found), depth + 1)
    for key in _PLACE_KEYS:
        place = value.get(key)
        steps = place if isinstance(place, list) else [place]
        if text := " ".join(str(step) for step in steps[:20] if isinstance(step, str | int)):
            yield "place", text
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


# --- texts ------------------------------------------------------------------------------------------------------------

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
