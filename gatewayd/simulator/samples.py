"""A small value that fits a JSON Schema: only what is required, the least that the bounds allow. Pure.

Covers what tool schemas use: types, enums, constants, bounds, nesting, local references and combinations. A `pattern`
is not solved; a reference that goes round in a circle ends in an empty object.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_MAX_DEPTH = 12
_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def sample(schema: Any, words: str, hints: Mapping[str, str] | None = None) -> Any:
    """A value for the schema. `words` fills strings; `hints` names the strings of properties, which are then set even
    where they are not required."""
    root = schema if isinstance(schema, dict) else {}
    return _value(root, root, words, hints or {}, _MAX_DEPTH)


def _value(schema: Any, root: dict[str, Any], words: str, hints: Mapping[str, str], depth: int) -> Any:
    schema = _resolve(schema, root)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    kind = _type(schema)
    if depth == 0:
        return {} if kind == "object" else None
    if kind == "object":
        return _object(schema, root, words, hints, depth)
    if kind == "array":
        count = schema.get("minItems", 0)
        return [_value(schema.get("items", {}), root, words, {}, depth - 1) for _ in range(count)]
    if kind in ("integer", "number"):
        return _number(schema, kind)
    if kind == "string":
        return _string(schema, words)
    return {"boolean": False, "null": None}[kind]


def _resolve(schema: Any, root: dict[str, Any]) -> dict[str, Any]:
    """The schema with local references followed and combinations folded into it."""
    for _ in range(_MAX_DEPTH):
        if not isinstance(schema, dict):
            return {}
        if isinstance(reference := schema.get("$ref"), str):
            schema = _follow(reference, root)
        elif options := schema.get("anyOf") or schema.get("oneOf"):
            schema = {**_without(schema, "anyOf", "oneOf"), **_resolve(options[0], root)}
        elif pieces := schema.get("allOf"):
            schema = _merge([_without(schema, "allOf"), *(_resolve(piece, root) for piece in pieces)])
        else:
            return schema
    return {}


def _follow(reference: str, root: dict[str, Any]) -> Any:
    found: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        if step:
            found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    return found


def _without(schema: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name not in names}


def _merge(pieces: list[dict[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for piece in pieces:
        for name, value in piece.items():
            if name == "properties":
                value = {**merged.get(name, {}), **value}
            elif name == "required":
                value = [*merged.get(name, []), *value]
            merged[name] = value
    return merged


def _type(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((name for name in kind if name != "null"), "null")
    if kind in ("object", "array", "integer", "number", "string", "boolean", "null"):
        return str(kind)
    return "object" if "properties" in schema else "string"


def _object(
    schema: dict[str, Any], root: dict[str, Any], words: str, hints: Mapping[str, str], depth: int
) -> dict[str, Any]:
    properties = schema.get("properties") or {}
    required = [name for name in schema.get("required") or () if isinstance(name, str)]
    wanted = [name for name in properties if name in required or name in hints]
    wanted += [name for name in required if name not in properties]
    return {
        name: hints[name] if name in hints else _value(properties.get(name, {}), root, words, {}, depth - 1)
        for name in wanted
    }


def _number(schema: dict[str, Any], kind: str) -> int | float:
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    step = schema.get("multipleOf") or (1 if kind == "integer" else 0.5)
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    low = max(low, above + step) if isinstance(above, int | float) else low
    high = min(high, below - step) if isinstance(below, int | float) else high
    value = min(max(1, low), high)
    if kind == "integer" or "multipleOf" in schema:
        value = math.ceil(value / step) * step
        value = value if value <= high else math.floor(high / step) * step
    return int(value) if kind == "integer" else value


def _string(schema: dict[str, Any], words: str) -> str:
    if known := _FORMATS.get(schema.get("format", "")):
        return known
    text = words or "simulated"
    text = text[: schema.get("maxLength", len(text))]
    return text.ljust(schema.get("minLength", 0), "x")
