"""Stop sequences that the gateway enforces: found as if each character had come alone, and nothing held too long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.protocol.stops import StopSequences


def enforce(sequences: tuple[str, ...], pieces: list[str]) -> tuple[str, str | None]:
    stops, out = StopSequences(sequences), ""
    for piece in pieces:
        shown, sequence = stops.feed(piece)
        out += shown
        if sequence is not None:
            return out, sequence
    return out + stops.flush(), None


@pytest.mark.parametrize(
    ("sequences", "text", "shown", "sequence"),
    [
        (("END",), "a END b", "a ", "END"),
        (("END",), "a EN", "a EN", None),
        (("END",), "a ENEND", "a EN", "END"),
        (("aab",), "aaab", "a", "aab"),
        (("END", "a"), "xENDa", "x", "END"),
        (("ENDING", "END"), "ENDING", "", "END"),
        (("bcd", "c"), "abcd", "ab", "c"),
        (("bc", "c"), "abc", "a", "bc"),
        (("\n\nHuman:",), "x\n\nHuman: y", "x", "\n\nHuman:"),
    ],
)
def test_whole_and_character_by_character(sequences, text: str, shown: str, sequence: str | None) -> None:
    assert enforce(sequences, [text]) == (shown, sequence)
    assert enforce(sequences, list(text)) == (shown, sequence)


@given(
    sequences=st.lists(st.text(alphabet="ab", min_size=1, max_size=4), min_size=1, max_size=3).map(tuple),
    text=st.text(alphabet="abc"),
    ends=st.sets(st.integers(0, 30)),
)
def test_any_cut_shows_the_same(sequences: tuple[str, ...], text: str, ends: set[int]) -> None:
    pieces = [text[start:end] for start, end in zip([0, *sorted(ends)], [*sorted(ends), None], strict=True)]
    shown, sequence = enforce(sequences, pieces)
    assert (shown, sequence) == enforce(sequences, [text])
    assert text.startswith(shown + (sequence or ""))
    assert (sequence is None) is not any(sequence in text for sequence in sequences)
    assert not any(sequence in shown for sequence in sequences)


def test_only_what_may_begin_a_sequence_is_held() -> None:
    stops = StopSequences(("END", "NO"))
    assert stops.feed("one EN") == ("one ", None)
    assert stops.feed("ter N") == ("ENter ", None)
    assert stops.flush() == "N"
    assert stops.flush() == ""
