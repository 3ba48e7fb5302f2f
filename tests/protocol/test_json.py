"""JSON of others: read leniently, clean afterwards, and never deeper than it can be written."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.protocol.json import MAX_DEPTH, clean, parse_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a":[1,"x",null,true]}', {"a": [1, "x", None, True]}),
        ('{"a":NaN,"b":-Infinity,"c":1e999}', {"a": None, "b": None, "c": None}),
        ('["\\ud83d\\ude00","x\\ud83d","\\ude00x"]', ["😀", "x\ufffd", "\ufffdx"]),
        ('{"\\ud83d":1}', {"\ufffd": 1}),
        (f"[1{'0' * 30}]", [1e30]),
        (f"[NaN,1{'0' * 30},{2**64 - 1},{-(2**63)}]", [None, 1e30, float(2**64 - 1), float(-(2**63))]),
        (f"[NaN,1{'0' * 5000}]", [None, None]),
        (" 5 ", 5),
    ],
)
def test_what_strict_parsers_refuse(text: str, value: Any) -> None:
    assert parse_json(text) == value
    assert parse_json(text.encode()) == value


def test_broken_utf8_is_replaced() -> None:
    assert parse_json(b'{"a":"caf\xe9 \xc3\xa9"}') == {"a": "caf\ufffd é"}


@pytest.mark.parametrize("text", ["", "{", "[DONE]", "{'a':1}", "[1,]", '{"a":1}}', "nul"])
def test_what_is_no_json_raises(text: str) -> None:
    with pytest.raises(ValueError, match=r"line \d+ column \d+"):
        parse_json(text)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize("odd", ["1", "NaN"])
def test_depth_has_a_limit_in_both_ways_of_reading(opening: str, odd: str) -> None:
    closing = {"[": "]", "{": "}"}[opening[0]]
    deepest = opening * MAX_DEPTH + odd + closing * MAX_DEPTH
    orjson.dumps({"and": [{"still": parse_json(deepest)}]})
    for levels in (1, 100, 5_000):
        with pytest.raises(ValueError, match="nested too deeply"):
            parse_json(opening * levels + deepest + closing * levels)


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert parse_json("[" + ",".join(["{}"] * 1000) + "]") == [{}] * 1000
    assert parse_json(json.dumps("[{" * 1000)) == "[{" * 1000


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=())), inner),
)


@given(value=_values)
def test_what_was_read_can_be_written_and_reads_the_same(value: Any) -> None:
    read = parse_json(json.dumps(value))
    assert parse_json(orjson.dumps(read)) == read
    orjson.dumps(clean(value))


@given(data=st.binary())
def test_any_bytes_are_a_value_or_a_value_error(data: bytes) -> None:
    with suppress(ValueError):
        orjson.dumps(parse_json(data))
