"""The size of an image, read from the first bytes of its base64 text."""

from __future__ import annotations

import base64
import binascii
from typing import Literal

_HEAD = 64
_JPEG_HEAD = 64 * 1024


def image_size(data: str) -> tuple[int, int] | None:
    """(width, height) in pixels of a PNG, GIF, WebP or JPEG in base64, or None where the head does not tell."""
    head = _decode(data[:_HEAD])
    if head.startswith(b"\x89PNG") and len(head) >= 24:
        return _pair(head, 16, 4, "big")
    if head.startswith(b"GIF8") and len(head) >= 10:
        return _pair(head, 6, 2, "little")
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP" and len(head) >= 30:
        return _webp(head)
    if head.startswith(b"\xff\xd8"):
        return _jpeg(_decode(data[:_JPEG_HEAD]))
    return None


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text[: len(text) // 4 * 4])
    except (binascii.Error, ValueError):
        return b""


def _pair(head: bytes, at: int, width: int, order: Literal["big", "little"]) -> tuple[int, int]:
    return int.from_bytes(head[at : at + width], order), int.from_bytes(head[at + width : at + 2 * width], order)


def _webp(head: bytes) -> tuple[int, int] | None:
    kind = head[12:16]
    if kind == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if kind == b"VP8 ":
        width, height = _pair(head, 26, 2, "little")
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return None


_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def _jpeg(head: bytes) -> tuple[int, int] | None:
    """Walks the segments to the frame header."""
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        if head[at + 1] in _FRAMES:
            height, width = _pair(head, at + 5, 2, "big")
            return width, height
        at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return None
