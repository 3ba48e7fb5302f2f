"""Seals: provider data that travels through the client in a thinking block's `signature`, packed and authenticated.

So that a provider gets back what it must (encrypted reasoning, thought signatures) without any state in the server. A
seal that is foreign, broken or made with another key opens to None; it is never an error.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

_PREFIX = "gwd1."
_TAG_BYTES = 16
_MAX_BYTES = 8 * 1024 * 1024  # of an opened payload; a bomb ends here


class Seal:
    """keys: secret bytes; the first one seals, all of them open (rotation)."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = [hashlib.sha256(b"gatewayd seal\0" + key).digest() for key in keys]

    def seal(self, payload: dict[str, Any]) -> str:
        packed = zlib.compress(orjson.dumps(payload), 1)
        tag = hmac.digest(self._keys[0], packed, "sha256")[:_TAG_BYTES]
        return _PREFIX + base64.urlsafe_b64encode(tag + packed).decode()

    def unseal(self, text: str) -> dict[str, Any] | None:
        if not text.startswith(_PREFIX):
            return None
        try:
            data = base64.urlsafe_b64decode(text[len(_PREFIX) :].encode("ascii"))
        except (binascii.Error, ValueError):
            return None
        tag, packed = data[:_TAG_BYTES], data[_TAG_BYTES:]
        if not any(hmac.compare_digest(tag, hmac.digest(key, packed, "sha256")[:_TAG_BYTES]) for key in self._keys):
            return None
        try:
            payload = orjson.loads(zlib.decompressobj().decompress(packed, _MAX_BYTES))
        except (zlib.error, ValueError):
            return None
        return payload if isinstance(payload, dict) else None


class Cargo:
    """Provider data that waits for a block to travel in."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal
        self._payload: dict[str, Any] = {}

    def __bool__(self) -> bool:
        return bool(self._payload)

    def add(self, payload: Mapping[str, Any]) -> None:
        """Joins what waits already: lists and objects grow."""
        for key, value in payload.items():
            known = self._payload.get(key)
            if isinstance(known, list) and isinstance(value, list):
                value = known + value
            elif isinstance(known, dict) and isinstance(value, dict):
                value = known | value
            self._payload[key] = value

    def load(self) -> str:
        """Everything that waited, sealed; nothing waits any more."""
        payload, self._payload = self._payload, {}
        return self._seal.seal(payload)
