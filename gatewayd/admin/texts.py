"""JSON values as texts that people read, and never more of them than a page may have. Pure.

Texts stand as they are, over several lines where they have such: what a page shows is for reading; the bundle of a
request holds its JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

_MAX_DEPTH = 40


class Allowance:
    """How many characters a page may still show. What is over is left out, and told."""

    def __init__(self, characters: int, each: int) -> None:
        self._left = characters
        self._each = each

    def cut(self, text: str) -> tuple[str, int]:
        """As much of the text as there is room for, and how many characters are left out."""
        shown = text[: max(min(self._left, self._each), 0)]
        self._left -= len(shown)
        return shown, len(text) - len(shown)


def as_text(value: Any) -> str:
    """Objects as `name: value` by the line, lists as `- value`; like YAML, but nothing is quoted."""
    return "\n".join(_lines(value, 0))


def _lines(value: Any, depth: int) -> Iterator[str]:
    if depth < _MAX_DEPTH and isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _named(f"{key}:", inner, depth)
    elif depth < _MAX_DEPTH and isinstance(value, list) and value:
        for inner in value:
            yield from _listed(inner, depth)
    else:
        yield from _scalar(value).split("\n")


def _named(name: str, value: Any, depth: int) -> Iterator[str]:
    lines = list(_lines(value, depth + 1))
    nested = isinstance(value, dict | list) and value
    if len(lines) == 1 and not nested:
        yield f"{name} {lines[0]}"
    else:
        yield name
        yield from (f"  {line}" for line in lines)


def _listed(value: Any, depth: int) -> Iterator[str]:
    mark = "- "
    for line in _lines(value, depth + 1):
        yield f"{mark}{line}"
        mark = "  "


def _scalar(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
