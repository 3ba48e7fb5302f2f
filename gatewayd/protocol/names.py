"""Tool names and tool-call ids as each side accepts them. Every mapping is a pure function of its input, so that a
conversation gives the same bytes turn after turn and no state is kept.

Names   clients may use names that providers refuse: `wire_name` gives the accepted form; the caller keeps the way back.
Ids     providers may use ids that clients refuse: `encode_id` gives a conforming form and `decode_id` undoes it, so
        that the provider gets its own id back. `wire_id` then bends any id to a provider's rule.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Literal

IdRule = Literal["any", "max40", "alnum9"]

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ALNUM9 = re.compile(r"[a-zA-Z0-9]{9}")
_ENCODED = "toolu_gw_"
_HASHED = "toolu_gwh_"
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def wire_name(name: str) -> str:
    """The name that goes upstream: `name` where it fits `^[a-zA-Z0-9_-]{1,64}$`, else a readable part and a hash."""
    if _NAME.fullmatch(name):
        return name
    readable = re.sub(r"[^a-zA-Z0-9_-]+", "_", name)[:53].strip("_") or "tool"
    return f"{readable}_{_digest(name, 10)}"


def encode_id(provider_id: str) -> str:
    """A tool_use id that clients accept: the provider's own where it conforms, else a form that `decode_id` undoes.

    Ids too long to be carried reversibly become a hash, which then goes upstream as it is.
    """
    if _ID.fullmatch(provider_id) and not provider_id.startswith(_ENCODED):
        return provider_id
    packed = base64.urlsafe_b64encode(provider_id.encode("utf-8", "replace")).rstrip(b"=").decode()
    encoded = _ENCODED + packed
    return encoded if len(encoded) <= 64 else _HASHED + _digest(provider_id, 22)


def decode_id(client_id: str) -> str:
    """The provider's id behind a client's; an id that `encode_id` did not make is returned unchanged."""
    if not client_id.startswith(_ENCODED):
        return client_id
    packed = client_id.removeprefix(_ENCODED)
    try:
        provider_id = base64.b64decode(packed + "=" * (-len(packed) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        return client_id
    return provider_id if provider_id and encode_id(provider_id) == client_id else client_id


def wire_id(client_id: str, rule: IdRule) -> str:
    """The id that goes upstream for a client's id: the provider's own form, bent to the provider's rule."""
    own = decode_id(client_id)
    if rule == "alnum9" and not _ALNUM9.fullmatch(own):
        return _digest(own, 9)
    if rule == "max40" and len(own) > 40:
        return f"call_{_digest(own, 24)}"
    return own


def _digest(text: str, length: int) -> str:
    number = int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest(), "big")
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(digits)
