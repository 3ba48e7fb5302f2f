"""JSON Schemas of tool parameters, cleaned for providers that refuse parts of the language.

The client's schema is never changed: what needs no cleaning is returned as it is, the rest is rebuilt. Cleaning only
widens a schema: whatever was valid stays valid.
"""

from __future__ import annotations

from typing import Any

from gatewayd.protocol.chat.dialect import Dialect

_UNIONS = ("anyOf", "oneOf", "allOf")
# Keywords whose values map names to schemas: a property may be called `const` or `$schema`.
_NAMED_SCHEMAS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
# Keywords whose values are data, not schemas.
_DATA = frozenset({"enum", "const", "default", "examples", "required"})
_DEFINITIONS = frozenset({"$defs", "definitions"})
_MAX_REF_DEPTH = 8
_MAX_NODES = 10_000


def clean_parameters(schema: dict[str, Any] | None, dialect: Dialect) -> tuple[dict[str, Any], bool]:
    """The `parameters` of a function, always an object schema with properties, and whether its meaning was widened."""
    cleaned, widened = dict(schema or {}), False
    if dialect.schema_inline_refs and not _DEFINITIONS.isdisjoint(cleaned):
        cleaned = _Inliner(cleaned).inline(cleaned)
    if dialect.schema_flat_root:
        cleaned, flattened = _flatten_root(cleaned)
        widened |= flattened
    drop = frozenset(dialect.schema_drop)
    if drop == {"$schema"}:
        cleaned.pop("$schema", None)  # it stands at the root; a walk would cost more than it finds
    elif drop:
        result = _drop(cleaned, drop)
        widened |= result != {key: value for key, value in cleaned.items() if key != "$schema"}
        cleaned = result
    return _as_object(cleaned), widened


def _as_object(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
        return schema
    properties = schema.get("properties")
    return {**schema, "type": "object", "properties": properties if isinstance(properties, dict) else {}}


def _drop(schema: Any, drop: frozenset[str]) -> Any:
    """`schema` without the keywords in `drop`; `const` becomes an `enum` of one."""
    if isinstance(schema, list):
        return [_drop(item, drop) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result: dict[str, Any] = {}
    for key, value in schema.items():
        if key in drop:
            if key == "const" and isinstance(value, str):
                result["enum"] = [value]
        elif key in _NAMED_SCHEMAS and isinstance(value, dict):
            result[key] = {name: _drop(item, drop) for name, item in value.items()}
        elif key in _DATA:
            result[key] = value
        else:
            result[key] = _drop(value, drop)
    return result


def _flatten_root(schema: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Unions at the root become one object with the properties of all branches; none of them is required any more."""
    forbidden = [key for key in (*_UNIONS, "enum", "not") if key in schema]
    if not forbidden:
        return schema, False
    unions = [schema[key] for key in _UNIONS if isinstance(schema.get(key), list)]
    branches = [branch for union in unions for branch in union if isinstance(branch, dict)]
    properties: dict[str, Any] = {}
    for part in (schema, *branches):
        if isinstance(found := part.get("properties"), dict):
            properties = {**found, **properties}
    rest = {key: value for key, value in schema.items() if key not in forbidden}
    rest.pop("additionalProperties", None)
    return {**rest, "properties": properties}, True


class _Inliner:
    """Replaces local `$ref`s by their targets. References that recurse, or that would multiply the schema beyond
    `_MAX_NODES`, allow any object: a few hundred bytes of schema can name millions of nodes."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._left = _MAX_NODES

    def inline(self, schema: Any, depth: int = 0) -> Any:
        if isinstance(schema, list):
            return [self.inline(item, depth) for item in schema]
        if not isinstance(schema, dict):
            return schema
        self._left -= 1
        if isinstance(reference := schema.get("$ref"), str):
            siblings = {key: value for key, value in schema.items() if key != "$ref"}
            return {**self._target(reference, depth), **siblings}
        return {key: self.inline(value, depth) for key, value in schema.items() if key not in _DEFINITIONS}

    def _target(self, reference: str, depth: int) -> dict[str, Any]:
        found = _resolve(reference, self._root)
        if not isinstance(found, dict) or depth >= _MAX_REF_DEPTH or self._left <= 0:
            return {"type": "object"}
        return dict(self.inline(found, depth + 1))


def _resolve(reference: str, root: dict[str, Any]) -> Any:
    if not reference.startswith("#/"):
        return None
    found: Any = root
    for step in reference[2:].split("/"):
        if not isinstance(found, dict):
            return None
        found = found.get(step.replace("~1", "/").replace("~0", "~"))
    return found
