"""Three states of one record -> what becomes of each field. Pure; the table of the contract, and nothing else.

A field is a leaf of the normalised spec, named by its path. Lists are one field, and so is `api_key`, of which half
would be another key; client tokens are fields by their name. What is not there is ABSENT: null is a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal

Field = tuple[str, ...]
Drift = Literal["keep", "revert"]
#: take: the file's value is written; agree: it is live already; drift, conflict: the live value stays
Outcome = Literal["take", "agree", "drift", "conflict"]

_DEPTH = 3  # `upstream.headers.X-Title`: what lies below is a value
_WHOLE = (("upstream", "api_key"),)


class Absent(Enum):
    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent.ABSENT
Fields = Mapping[Field, Any]


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field whose three values are not all the same. last: what was last applied from the file."""

    field: Field
    last: Any
    file: Any
    live: Any
    outcome: Outcome

    @property
    def name(self) -> str:
        return show_field(self.field)

    @property
    def result(self) -> Any:
        """What is live afterwards."""
        return self.file if self.outcome == "take" else self.live


def merge_fields(last: Fields, file: Fields, live: Fields, drift: Drift, *, force: bool = False) -> list[FieldChange]:
    """In the order of the fields' names.

    drift  `revert`: the file wins over every change made elsewhere
    force  the file wins where both changed
    """
    changes = []
    for field in sorted({*last, *file, *live}):
        three = last.get(field, ABSENT), file.get(field, ABSENT), live.get(field, ABSENT)
        outcome = _merge(*three, drift, force)
        if outcome is not None:
            changes.append(FieldChange(field, *three, outcome))
    return changes


def _merge(last: Any, file: Any, live: Any, drift: Drift, force: bool) -> Outcome | None:
    if _same(file, live):
        return None if _same(last, file) else "agree"
    if _same(last, live) or drift == "revert":
        return "take"
    if _same(last, file):
        return "drift"
    return "take" if force else "conflict"


def _same(one: Any, other: Any) -> bool:
    """To Python 1 is True, to JSON it is not."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def read_fields(spec: Mapping[str, Any]) -> dict[Field, Any]:
    """Of a normalised spec; a token's value is its SHA-256."""
    return dict(_leaves(spec, ()))


def _leaves(value: Mapping[str, Any], path: Field) -> Iterator[tuple[Field, Any]]:
    for name, inner in value.items():
        field = (*path, name)
        if field == ("tokens",):
            yield from (((*field, token["name"]), token["sha256"]) for token in inner)
        elif isinstance(inner, Mapping) and len(field) < _DEPTH and field not in _WHOLE:
            yield from _leaves(inner, field)
        else:
            yield field, inner


def build_spec(fields: Fields) -> dict[str, Any]:
    """The way back. Tokens in the order of their names."""
    spec: dict[str, Any] = {}
    for field, value in sorted(fields.items()):
        if field[0] == "tokens":
            spec.setdefault("tokens", []).append({"name": field[1], "sha256": value})
            continue
        inner = spec
        for step in field[:-1]:
            inner = inner.setdefault(step, {})
        inner[field[-1]] = value
    return spec


def without_tokens(fields: Fields) -> dict[Field, Any]:
    return {field: value for field, value in fields.items() if field[0] != "tokens"}


def replace_fields(fields: Fields, values: Iterable[tuple[Field, Any]]) -> dict[Field, Any]:
    """Those of `values` set, or taken out where they are ABSENT."""
    changed = {**fields, **dict(values)}
    return {field: value for field, value in changed.items() if value is not ABSENT}


def show_field(field: Field) -> str:
    """`upstream.headers.X-Title`, `tokens.laptop`; `parse_field` is the way back."""
    return ".".join(field)


def parse_field(name: str) -> Field:
    """Names of headers and tokens may hold dots themselves."""
    depth = 2 if name.startswith("tokens.") else _DEPTH
    return tuple(name.split(".", depth - 1))
