"""Cleaning of tool schemas."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.protocol.chat.dialects import DIALECTS
from gatewayd.protocol.chat.schemas import clean_parameters

PLAIN = {"type": "object", "properties": {"a": {"type": "string"}}}


def clean(schema: dict[str, Any], dialect: str) -> tuple[dict[str, Any], bool]:
    return clean_parameters(schema, DIALECTS[dialect])


@pytest.mark.parametrize("schema", [{}, {"type": "object"}, {"properties": None}, {"type": ["object", "null"]}])
def test_parameters_are_always_an_object_with_properties(schema: dict[str, Any]) -> None:
    assert clean(schema, "generic") == ({"type": "object", "properties": {}}, False)


def test_the_dialect_of_the_schema_is_removed_and_nothing_else() -> None:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **PLAIN, "additionalProperties": False}
    assert clean(schema, "generic") == ({**PLAIN, "additionalProperties": False}, False)


def test_the_clients_schema_is_left_alone() -> None:
    schema = {
        "$schema": "x",
        "anyOf": [PLAIN],
        "$defs": {"d": {"const": 1}},
        "properties": {"b": {"$ref": "#/$defs/d"}},
    }
    before = deepcopy(schema)
    for dialect in DIALECTS:
        clean(schema, dialect)
    assert schema == before


def test_keywords_that_gemini_refuses_are_removed_at_any_depth() -> None:
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "n": {"type": "integer", "exclusiveMinimum": 0, "maximum": 9},
            "kind": {"const": "file"},
            "list": {"type": "array", "items": {"type": "object", "propertyNames": {"pattern": "x"}}},
        },
    }
    assert clean(schema, "gemini") == (
        {
            "type": "object",
            "properties": {
                "n": {"type": "integer", "maximum": 9},
                "kind": {"enum": ["file"]},
                "list": {"type": "array", "items": {"type": "object"}},
            },
        },
        True,
    )


def test_properties_that_are_named_like_keywords_stay() -> None:
    properties = {"const": {"type": "string"}, "$schema": {"type": "string"}, "not": {"type": "boolean"}}
    assert clean({"type": "object", "properties": properties}, "gemini")[0]["properties"] == properties


def test_values_that_look_like_schemas_stay() -> None:
    property_ = {"type": "object", "default": {"const": 1}, "enum": [{"not": 2}]}
    assert clean({"properties": {"a": property_}}, "gemini")[0]["properties"]["a"] == property_


def test_unions_at_the_root_become_one_object_of_all_their_properties() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "anyOf": [
            {"properties": {"b": {"type": "string"}}, "required": ["b"]},
            {"properties": {"a": {"type": "null"}}},
            True,
        ],
        "additionalProperties": False,
    }
    assert clean(schema, "openai") == (
        {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}},
        True,
    )


@pytest.mark.parametrize("union", [None, 5, "x", [], [None]])
def test_an_odd_union_at_the_root_is_survived(union: Any) -> None:
    assert clean({**PLAIN, "anyOf": union}, "openai") == (PLAIN, True)


def test_references_are_replaced_by_what_they_point_to() -> None:
    schema = {
        "type": "object",
        "$defs": {"p/q": {"type": "string", "description": "a path"}},
        "properties": {"a": {"$ref": "#/$defs/p~1q", "description": "own"}, "b": {"$ref": "#/nowhere"}},
    }
    assert clean(schema, "gemini") == (
        {"type": "object", "properties": {"a": {"type": "string", "description": "own"}, "b": {"type": "object"}}},
        False,
    )


def test_a_recursive_reference_ends() -> None:
    schema = {
        "$defs": {"n": {"properties": {"next": {"$ref": "#/$defs/n"}}}},
        "properties": {"n": {"$ref": "#/$defs/n"}},
    }
    assert len(orjson.dumps(clean(schema, "gemini")[0])) < 1000


KEYWORDS = st.sampled_from(
    ["anyOf", "allOf", "properties", "$ref", "$defs", "const", "enum", "items", "not", "type", "required", "$schema"]
)
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["object", "#/$defs/const", "#", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYWORDS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(KEYWORDS, ODD, max_size=5))
def test_no_schema_breaks_the_cleaning(schema: dict[str, Any]) -> None:
    for dialect in DIALECTS:
        parameters = clean(schema, dialect)[0]
        assert parameters["type"] == "object"
        assert isinstance(parameters["properties"], dict)


def test_references_that_multiply_are_cut_off() -> None:
    definitions = {
        f"d{level}": {"properties": {f"p{item}": {"$ref": f"#/$defs/d{level + 1}"} for item in range(20)}}
        for level in range(8)
    }
    schema = {"$defs": definitions, "properties": {"a": {"$ref": "#/$defs/d0"}}}
    assert len(orjson.dumps(clean(schema, "gemini")[0])) < 1_000_000
