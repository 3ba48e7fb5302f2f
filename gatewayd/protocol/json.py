"""JSON that others wrote, read leniently: what strict parsers refuse but real answers hold (NaN, lone surrogates,
broken UTF-8) is read all the same and comes out clean.

Rule: what came in can go out again. Strings are valid Unicode, numbers are finite and integers fit 64 bits, nothing is
nested deeper than MAX_DEPTH: a strict writer takes every value that is returned here.
"""

from __future__ import annotations

import json
import math
from typing import Any

import orjson

MAX_DEPTH = 200  # the writer ends at 254, and what is read is written inside of something else


def parse_json(data: bytes | str) -> Any:
    """-> a clean JSON value; ValueError where there is none, or one that is nested too deeply."""
    try:
        value = orjson.loads(data)
    except ValueError:
        return clean(_parse_leniently(data.decode("utf-8", "replace") if isinstance(data, bytes) else data))
    if _brackets(data) > MAX_DEPTH and _is_deep(value):
        raise ValueError("nested too deeply")
    return value


def clean(value: Any, depth: int = 0) -> Any:
    """A value that another parser made, as the rule demands; ValueError where it is nested too deeply."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return float(value) if abs(value) < 10**300 else None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list | dict) and depth >= MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(value, list):
        return [clean(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {clean(key): clean(item, depth + 1) for key, item in value.items()}
    return value


def _parse_leniently(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=lambda _: None, parse_int=_parse_int)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _parse_int(digits: str) -> int | float:
    return int(digits) if len(digits) < 20 else float(digits)  # `int` refuses thousands of digits


def _brackets(data: bytes | str) -> int:
    """No value is nested deeper than this."""
    if isinstance(data, str):
        return data.count("[") + data.count("{")
    return data.count(b"[") + data.count(b"{")


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for container in level
            for child in (container.values() if isinstance(container, dict) else container)
            if isinstance(child, list | dict)
        ]
        if not level:
            return False
    return True
