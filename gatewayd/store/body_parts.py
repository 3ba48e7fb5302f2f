"""Pure: a body -> the parts that it is stored as, and back; what must not be stored is taken out before.

A request is split at its messages, so that the next request of a session, which repeats them, adds only what is new.
The first part is the body with what was split off replaced by `{"$parts": n}`; then come `system`, `tools`, messages.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

_WHOLE = ("system", "tools")
_EACH = "messages"
_MARK = "$parts"

#: Base64 of 768 bytes and more: images, documents, sound, signatures; no text has such runs.
_BINARY = re.compile(rb'"(data:[\w.+/;=-]{1,100};base64,)?([A-Za-z0-9+/]{1024,}={0,2})"')

_SECRET = re.compile(
    rb"sk-[A-Za-z0-9_-]{20,}|gwd_[A-Za-z0-9_-]{20,}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}"
    rb"|glpat-[A-Za-z0-9_-]{20,}|AKIA[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{35}|xox[abprs]-[A-Za-z0-9-]{10,}"
    rb"|hf_[A-Za-z0-9]{30,}|-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----.{1,8000}?-----END [A-Z ]{0,20}PRIVATE KEY-----"
)
_SIGNS = (b"sk-", b"gwd_", b"gh", b"glpat-", b"AKIA", b"AIza", b"xox", b"hf_", b"PRIVATE KEY")  # found far faster
REDACTED = b"[redacted]"


def split(body: dict[str, Any]) -> list[bytes]:
    """The parts as JSON, the first one first."""
    head = dict(body)
    parts: list[bytes] = []
    for name in (*_WHOLE, _EACH):
        value = head.get(name)
        if isinstance(value, list) and value:
            pieces = value if name == _EACH else [value]
            head[name] = {_MARK: len(pieces)}
            parts += map(encode, pieces)
    return [encode(head), *parts]


def join(parts: Sequence[Any]) -> Any:
    """The body from its decoded parts; None stands for a part that is not there any more."""
    if not parts or not isinstance(parts[0], dict):
        return None
    head, following = dict(parts[0]), iter(parts[1:])
    for name in (*_WHOLE, _EACH):
        mark = head.get(name)
        if isinstance(mark, dict) and isinstance(mark.get(_MARK), int):
            pieces = [next(following, None) for _ in range(min(mark[_MARK], len(parts)))]
            head[name] = pieces if name == _EACH else pieces[0] if pieces else None
    return head


def encode(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # a lone surrogate, or an integer beyond 64 bits
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def redact(part: bytes, secrets: Sequence[bytes] = ()) -> bytes:
    """Without binary data (its hash and size stand for it), the given secrets, and what looks like one."""
    if len(part) > 1024:
        part = _BINARY.sub(_told, part)
    for secret in secrets:
        part = part.replace(secret, REDACTED)
    return _SECRET.sub(REDACTED, part) if any(sign in part for sign in _SIGNS) else part


def _told(match: re.Match[bytes]) -> bytes:
    text = match[2]
    try:
        data = base64.b64decode(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        data = text
    return b'"%s[sha256 %s, %d bytes]"' % (match[1] or b"", hashlib.sha256(data).hexdigest().encode(), len(data))


def hashes(parts: bytes) -> Iterator[bytes]:
    """The SHA-256 of each part, from the column that holds them in a row."""
    return (parts[start : start + 32] for start in range(0, len(parts), 32))
