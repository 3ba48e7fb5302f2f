"""Values that fit a schema."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gatewayd.simulator.samples import sample

Json = dict[str, Any]

SCHEMAS: dict[str, Json] = {
    "nothing required": {"type": "object", "properties": {"a": {"type": "string"}}},
    "draft 2020-12 head": {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"},
    "enum": {"enum": ["b", "a"]},
    "const": {"const": 7},
    "default": {"type": "integer", "default": 9},
    "nested": {
        "type": "object",
        "properties": {
            "todos": {
                "type": "array",
                "minItems": 2,
                "items": {
                    "type": "object",
                    "properties": {"content": {"type": "string", "minLength": 1}, "status": {"enum": ["pending"]}},
                    "required": ["content", "status"],
                },
            }
        },
        "required": ["todos"],
        "additionalProperties": False,
    },
    "reference": {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/point"}},
        "required": ["a"],
        "$defs": {"point": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}},
    },
    "anyOf": {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "null"}]},
    "allOf": {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]},
            {"properties": {"b": {"type": "null"}}, "required": ["b"]},
        ]
    },
    "nullable": {"type": ["null", "integer"]},
    "date": {"type": "string", "format": "date"},
    "required without a description": {"type": "object", "required": ["a"]},
    "empty": {},
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_fits(name: str) -> None:
    jsonschema.validate(sample(SCHEMAS[name], "some words"), SCHEMAS[name])


@st.composite
def number_schemas(draw: st.DrawFn) -> Json:
    low = draw(st.integers(-50, 50))
    schema: Json = {"type": draw(st.sampled_from(["integer", "number"]))}
    schema[draw(st.sampled_from(["minimum", "exclusiveMinimum"]))] = low
    if draw(st.booleans()):
        schema[draw(st.sampled_from(["maximum", "exclusiveMaximum"]))] = low + draw(st.integers(10, 50))
    if draw(st.booleans()):
        schema["multipleOf"] = draw(st.integers(1, 4))
    return schema


@given(number_schemas())
@example({"type": "integer", "minimum": -9, "maximum": 1, "multipleOf": 2})
def test_numbers_keep_their_bounds(schema: Json) -> None:
    jsonschema.validate(sample(schema, ""), schema)


LEAVES = st.one_of(
    number_schemas(),
    st.builds(lambda low: {"type": "string", "minLength": low, "maxLength": low + 3}, st.integers(0, 40)),
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"enum": [1, "a"]}, {"const": None}]),
)


def _object(properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


SCHEMA_TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.dictionaries(st.text(max_size=4), inner, max_size=3).map(_object),
        st.builds(lambda items, count: {"type": "array", "items": items, "minItems": count}, inner, st.integers(0, 2)),
    ),
    max_leaves=8,
)


@given(SCHEMA_TREES, st.text(max_size=20))
def test_any_tree_of_schemas_is_filled(schema: Json, words: str) -> None:
    jsonschema.validate(sample(schema, words), schema)


def test_a_circle_of_references_ends() -> None:
    assert sample({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, "words") == "words"
    tree: Json = {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]}
    assert str(sample(tree, "words")).count("next") == 12


def test_hints_name_properties_that_are_not_required() -> None:
    schema: Json = {"type": "object", "properties": {"path": {"type": "string"}, "depth": {"type": "integer"}}}
    assert sample(schema, "", {"path": "/tmp", "absent": "x"}) == {"path": "/tmp"}
