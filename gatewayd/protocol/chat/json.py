"""Wire JSON of providers, read leniently: what strict parsers refuse but real answers hold (NaN, lone surrogates,
broken UTF-8) is read all the same and comes out clean."""

from __future__ import annotations

import json
from typing import Any

import orjson

_MAX_DEPTH = 200


def parse_json(data: bytes) -> Any:
    """bytes -> JSON value whose strings are valid Unicode; ValueError where it is no JSON at all."""
    try:
        return orjson.loads(data)
    except ValueError:
        pass
    try:
        value = json.loads(data.decode("utf-8", "replace"), parse_constant=lambda _: None)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return _clean(value, 0)


def _clean(value: Any, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_clean(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {_clean(key, depth + 1): _clean(item, depth + 1) for key, item in value.items()}
    return value
