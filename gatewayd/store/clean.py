"""Hostile values -> what both databases take: no NUL, no lone surrogate, bounded text, 63-bit integers."""

from __future__ import annotations

import math
from typing import Any

LARGEST = 2**63 - 1


def clean_text(value: Any, limit: int) -> str | None:
    """At most `limit` characters; None for None and for nothing."""
    if value is None or value == "":
        return None
    text = str(value)[:limit]
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text.replace("\0", "\ufffd") if "\0" in text else text


def clean_number(value: Any, largest: int = LARGEST) -> int | None:
    """0 up to `largest`; None for what is no number."""
    if value is None or not isinstance(value, (int, float)) or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return min(max(int(value), 0), largest)
