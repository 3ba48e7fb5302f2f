"""The table of the merge, field by field: every pattern of three values, with both settings of drift."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.config.merge import (
    ABSENT,
    Drift,
    build_spec,
    merge_fields,
    parse_field,
    read_fields,
    replace_fields,
    show_field,
)
from gatewayd.gateways import Gateway

A, B, C = "a", "b", "c"

#: last applied, file, live -> what `keep` makes of it, what `revert` does
TABLE = [
    (A, A, A, None, None),
    (A, B, A, "take", "take"),
    (A, A, B, "drift", "take"),
    (A, B, B, "agree", "agree"),
    (A, B, C, "conflict", "take"),
    (ABSENT, A, ABSENT, "take", "take"),
    (ABSENT, ABSENT, A, "drift", "take"),
    (ABSENT, A, A, "agree", "agree"),
    (ABSENT, A, B, "conflict", "take"),
    (A, ABSENT, A, "take", "take"),
    (A, A, ABSENT, "drift", "take"),
    (A, ABSENT, ABSENT, "agree", "agree"),
    (A, ABSENT, B, "conflict", "take"),
    (A, B, ABSENT, "conflict", "take"),
    (ABSENT, ABSENT, ABSENT, None, None),
]


def merged(last: Any, file: Any, live: Any, drift: Drift, *, force: bool = False) -> str | None:
    states = [{} if value is ABSENT else {("name",): value} for value in (last, file, live)]
    changes = merge_fields(*states, drift, force=force)
    return changes[0].outcome if changes else None


@pytest.mark.parametrize(("last", "file", "live", "keep", "revert"), TABLE)
def test_each_row_of_the_table(last: Any, file: Any, live: Any, keep: str | None, revert: str | None) -> None:
    assert merged(last, file, live, "keep") == keep
    assert merged(last, file, live, "revert") == revert
    assert merged(last, file, live, "keep", force=True) == ("take" if keep == "conflict" else keep)


def test_the_table_has_every_pattern() -> None:
    """With the values named in the order in which they appear; ABSENT is a value of its own."""

    def pattern(values: tuple[Any, ...]) -> tuple[Any, ...]:
        seen: list[Any] = []
        for value in values:
            if value is not ABSENT and value not in seen:
                seen.append(value)
        return tuple(ABSENT if value is ABSENT else seen.index(value) for value in values)

    told = {pattern(row[:3]) for row in TABLE}
    assert told == {pattern(values) for values in product((ABSENT, A, B, C), repeat=3)}


def test_null_is_a_value_and_true_is_not_one() -> None:
    assert merged(ABSENT, None, ABSENT, "keep") == "take"
    assert merged(1, True, 1, "keep") == "take"
    assert merged(1, 1.0, 1, "keep") is None


def test_fields_are_the_leaves_of_a_spec() -> None:
    gateway = Gateway.model_validate(
        {
            "upstream": {
                "base_url": "https://api.example.com",
                "api_key": {"env": "X_API_KEY"},
                "headers": {"X.Title": "t"},
                "timeouts": {"idle": 9},
                "capabilities": {"extra_body": {"a": {"b": 1}}},
            },
            "models": [{"name": "m", "price": {"input": 1}}],
            "fallback": ["other"],
            "tokens": [{"name": "my.laptop", "sha256": "1" * 64}],
            "limits": {"concurrent": 3},
        }
    )
    fields = read_fields(gateway.spec())
    assert {show_field(field) for field in fields} == {
        "upstream.base_url",
        "upstream.api_key",
        "upstream.headers.X.Title",
        "upstream.timeouts.idle",
        "upstream.capabilities.extra_body",
        "models",
        "fallback",
        "tokens.my.laptop",
        "limits.concurrent",
    }
    assert {parse_field(show_field(field)) for field in fields} == set(fields)
    assert build_spec(fields) == gateway.spec()


_values = st.none() | st.integers(0, 3) | st.text(max_size=2) | st.lists(st.integers(0, 2), max_size=2)
_names = st.sampled_from(["a", "b", "c.d", "e"])
_specs = st.dictionaries(
    st.sampled_from(["name", "models", "limits"]), _values | st.dictionaries(_names, _values, min_size=1), max_size=3
)


@given(_specs)
def test_a_spec_comes_back_from_its_fields(spec: dict[str, Any]) -> None:
    assert build_spec(read_fields(spec)) == spec


@given(_specs, _specs, _specs, st.sampled_from(["keep", "revert"]), st.booleans())
def test_merging_again_finds_nothing_to_write(last: Any, file: Any, live: Any, drift: Drift, force: bool) -> None:
    """Once its result is live, and `applied` has taken what is no conflict."""
    before, wanted, now = read_fields(last), read_fields(file), read_fields(live)
    changes = merge_fields(before, wanted, now, drift, force=force)
    after = replace_fields(now, ((change.field, change.result) for change in changes))
    applied = replace_fields(
        before, ((change.field, change.file) for change in changes if change.outcome != "conflict")
    )
    again = merge_fields(applied, wanted, after, drift)
    assert {change.outcome for change in again} <= {"drift", "conflict"}
    left = {change.field: change.outcome for change in changes if change.outcome in ("drift", "conflict")}
    assert {change.field: change.outcome for change in again} == left
    if drift == "revert":
        assert after == wanted
