"""reasoning_details: what comes back to the provider is what it sent, whole and in order."""

from __future__ import annotations

from typing import Any

import pytest

from gatewayd.protocol.chat.details import ReasoningDetails


def carried(*messages: Any) -> list[Any]:
    details = ReasoningDetails()
    for message in messages:
        details.add(message)
    return [part.payload["reasoning_details"] for part in details.flush()]


def text(text: str, **fields: Any) -> dict[str, Any]:
    return {"type": "reasoning.text", "text": text, "index": 0, **fields}


def encrypted(data: str, **fields: Any) -> dict[str, Any]:
    return {"type": "reasoning.encrypted", "data": data, "index": 0, **fields}


def test_plain_text_is_not_carried() -> None:
    assert carried([text("a")], [text("b")]) == []


def test_text_in_pieces_and_its_signature_are_one_detail() -> None:
    assert carried([text("a")], [text("b")], [{"type": "reasoning.text", "index": 0, "signature": "S"}]) == [
        [text("ab", signature="S")]
    ]


def test_an_empty_or_null_field_erases_nothing() -> None:
    pieces = [text("a", signature="S", format="f")], [text("", signature="", format=None)]
    assert carried(*pieces) == [[text("a", signature="S", format="f")]]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (encrypted("A"), encrypted("B")),
        (encrypted("A", id="1"), encrypted("A", id="2")),
        (encrypted("A"), encrypted("B", index=1)),
        (text("a", signature="S"), text("b", signature="T")),
        (text("a", signature="S"), text("b")),
        ({"type": "reasoning.summary", "summary": "s", "index": 0}, encrypted("A")),
    ],
)
def test_different_details_stay_apart(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert carried([first], [second]) == carried([first, second]) == [[first, second]]


def test_entries_of_one_list_are_never_pieces_of_each_other() -> None:
    assert carried([text("a"), text("b", signature="S")]) == [[text("a"), text("b", signature="S")]]


def test_pieces_of_a_summary_with_an_id_grow() -> None:
    pieces = [{"type": "reasoning.summary", "summary": piece, "id": "rs", "index": 0} for piece in "ab"]
    assert carried(*[[piece] for piece in pieces], [encrypted("A")]) == [
        [{"type": "reasoning.summary", "summary": "ab", "id": "rs", "index": 0}, encrypted("A")]
    ]


def test_what_was_flushed_does_not_come_again() -> None:
    details = ReasoningDetails()
    details.add([encrypted("A")])
    assert [part.payload for part in details.flush()] == [{"reasoning_details": [encrypted("A")]}]
    assert list(details.flush()) == []


def test_the_providers_own_objects_are_not_changed() -> None:
    first = text("a")
    carried([first], [text("b")])
    assert first == text("a")


@pytest.mark.parametrize("details", [None, {}, "x", 5, [None], ["x", 3]])
def test_other_types_say_nothing(details: Any) -> None:
    assert carried(details) == []
