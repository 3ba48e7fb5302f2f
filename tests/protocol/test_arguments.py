"""Tool arguments: whatever comes in whatever pieces, what was passed on is one JSON object."""

from __future__ import annotations

import json

import jiter
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.protocol.arguments import Arguments, parse_arguments
from gatewayd.relay.repair import repair_json

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)
_objects = st.dictionaries(st.text(), _json)
_cuts = st.lists(st.integers(0, 10_000))


def pass_on(raw: str, cuts: list[int], *, cut: bool = False) -> tuple[list[str], Arguments]:
    arguments, out, last = Arguments(repair_json), [], 0
    for at in [*sorted({cut % (len(raw) + 1) for cut in cuts}), len(raw)]:
        out.append(arguments.feed(raw[last:at]))
        last = at
    return [*out, arguments.finish(cut=cut)], arguments


def strict(text: str) -> object:
    """What a strict parser reads; Python's own takes NaN too."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


@given(value=_objects, cuts=_cuts, ascii_only=st.booleans(), indent=st.sampled_from([None, 1]))
def test_an_object_passes_unchanged(value: dict, cuts: list[int], ascii_only: bool, indent: int | None) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    out, arguments = pass_on(raw, cuts)
    assert "".join(out) == raw
    assert arguments.whole
    assert not arguments.repaired


@given(
    value=_objects,
    at=st.integers(0, 100_000),
    junk=st.text(alphabet='{}[]":,\\ abtr', max_size=3),
    drop=st.integers(0, 3),
    cuts=_cuts,
)
def test_a_damaged_object_still_ends_as_an_object(value: dict, at: int, junk: str, drop: int, cuts: list[int]) -> None:
    raw = json.dumps(value)
    at %= len(raw) + 1
    out, _ = pass_on(raw[:at] + junk + raw[at + drop :], cuts)
    assert isinstance(strict("".join(out)), dict)


_token = st.sampled_from(
    [*'{}[]":,\\ ab10.-e\n\x00', "true", "null", "NaN", "-Infinity", "1e999", "\\u00e9", "\\ud800", '"a":']
)


@given(raw=st.lists(_token).map("".join), cuts=_cuts)
def test_any_text_ends_as_an_object(raw: str, cuts: list[int]) -> None:
    out, _ = pass_on(raw, cuts)
    assert isinstance(strict("".join(out)), dict)


@pytest.mark.parametrize(
    ("raw", "value", "repaired"),
    [
        ("", {}, False),
        ("null", {}, False),
        ("  {} ", {}, False),
        ('{"a":1}{"a":1}', {"a": 1}, True),
        ('{}{"a":1}', {"a": 1}, True),
        ('"{\\"a\\":1}"', {"a": 1}, True),
        ("{'a': 'b'}", {"a": "b"}, True),
        ('{"a": "x", }', {"a": "x"}, True),
        ('{"a": 1}</tool_call>', {"a": 1}, True),
        ('{"a": NaN}', {"a": None}, True),
        ('{"content": "say "hi" there"}', {"content": 'say "hi" there'}, True),
        ("[1]", {}, True),
    ],
)
def test_what_providers_send_beside_objects(raw: str, value: dict, repaired: bool) -> None:
    for cuts in ([], list(range(len(raw)))):
        out, arguments = pass_on(raw, cuts)
        assert json.loads("".join(out)) == value
        assert arguments.repaired is repaired
    assert parse_arguments(raw, repair_json) == value


def test_pieces_flow_on_as_they_come() -> None:
    arguments = Arguments()
    assert arguments.feed('{"path": "a') == '{"path": "a'
    assert arguments.feed("b") == "b"
    assert arguments.feed('", "n": 1') == ""  # the number may go on
    assert arguments.feed('2, "s": "') == '", "n": 12, "s": "'
    assert arguments.feed('"}') == ""
    assert arguments.finish() == '"}'


@given(value=_objects, length=st.integers(0, 100_000), cuts=_cuts, ascii_only=st.booleans())
def test_a_call_cut_by_the_length_limit_goes_out_as_it_came(
    value: dict, length: int, cuts: list[int], ascii_only: bool
) -> None:
    whole = json.dumps(value, ensure_ascii=ascii_only)
    raw = whole[: length % (len(whole) + 1)]
    out, _ = pass_on(raw, cuts, cut=True)
    assert "".join(out) == raw


@pytest.mark.parametrize(
    ("raw", "passed"),
    [
        ("  ", ""),
        ("}", ""),
        ('{"a": tr', '{"a": tr'),
        ('{"a": x', '{"a": '),
        ('{"a":"\\u1', '{"a":"\\u1'),
        ("{} }", "{}"),
    ],
)
def test_a_cut_call_that_is_no_beginning_of_an_object_ends_where_it_was_one(raw: str, passed: str) -> None:
    for cuts in ([], list(range(len(raw)))):
        assert "".join(pass_on(raw, cuts, cut=True)[0]) == passed


@given(raw=st.lists(_token).map("".join), cuts=_cuts)
def test_a_cut_call_is_the_beginning_of_an_object_whatever_came(raw: str, cuts: list[int]) -> None:
    """As the SDKs read it: nothing, or what their parser of partial JSON takes."""
    out, _ = pass_on(raw, cuts, cut=True)
    text = "".join(out)
    assert raw.startswith(text)
    assert text == "" or isinstance(jiter.from_json(text.encode(), partial_mode=True), dict)


def test_arguments_nested_beyond_reason_are_closed_where_they_became_so() -> None:
    deep = '{"a":' + "[" * 5000 + "]" * 5000 + "}"
    out, arguments = pass_on(deep, list(range(0, len(deep), 7)))
    assert arguments.repaired
    assert "".join(out) == '{"a":' + "[" * 199 + "]" * 199 + "}"
    assert parse_arguments(deep) == {}


def test_what_is_parsed_can_be_written_again() -> None:
    for raw in ('{"a":"\\ud83d"}', '{"a":1' + "0" * 30 + "}", "{'a':1" + "0" * 5000 + "}", "{'a':'\\ud83d'}"):
        orjson.dumps(parse_arguments(raw, repair_json))
    assert parse_arguments('{"a":"x\\ud83d"}') == {"a": "x\ufffd"}
