"""Notes: what a translation dropped, changed or downgraded. Nothing is lost silently: each such place leaves one.

A note is a stable code and a short text for people. Codes go into the `x-gatewayd-notes` header, both into the record.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Note:
    """code: `subject.what_happened`, lower case, stable; text: details for people, may be empty."""

    code: str
    text: str = ""


class Notes:
    """The notes of one request, in order, each code and text once."""

    __slots__ = ("_notes",)

    def __init__(self) -> None:
        self._notes: dict[Note, None] = {}

    def add(self, code: str, text: str = "") -> None:
        self._notes[Note(code, text)] = None

    def __iter__(self) -> Iterator[Note]:
        return iter(self._notes)

    def codes(self) -> list[str]:
        """Distinct codes in order of appearance."""
        return list(dict.fromkeys(note.code for note in self._notes))
