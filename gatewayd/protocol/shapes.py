"""Checks of a client's JSON: each takes a value and its place, and raises InvalidRequest in Anthropic's words.

Null counts as absent; whether a field may be absent is said where the fields are listed (`object_with`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gatewayd.errors import InvalidRequest

MAX_DEPTH = 100

Check = Callable[[Any, str], None]


def check_string(value: Any, place: str) -> None:
    if not isinstance(value, str):
        raise InvalidRequest(f"{place}: Input should be a valid string")


def check_name(value: Any, place: str) -> None:
    check_string(value, place)
    if not value:
        raise InvalidRequest(f"{place}: String should have at least 1 character")
    if len(value) > 256:
        raise InvalidRequest(f"{place}: String should have at most 256 characters")


def check_object(value: Any, place: str) -> None:
    if not isinstance(value, dict):
        raise InvalidRequest(f"{place}: Input should be an object")


def check_list(value: Any, place: str) -> None:
    if not isinstance(value, list):
        raise InvalidRequest(f"{place}: Input should be a valid list")


def check_boolean(value: Any, place: str) -> None:
    if not isinstance(value, bool):
        raise InvalidRequest(f"{place}: Input should be a valid boolean")


def integer_from(least: int) -> Check:
    """A check for whole numbers of at least that size."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            raise InvalidRequest(f"{place}: Input should be a valid integer")
        if value < least:
            raise InvalidRequest(f"{place}: Input should be greater than or equal to {least}")

    return check


def check_fraction(value: Any, place: str) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidRequest(f"{place}: Input should be a valid number")
    if not 0 <= value <= 1:
        raise InvalidRequest(f"{place}: Input should be between 0 and 1")


def check_shallow(value: Any, place: str) -> None:
    """An object of the client's own making, no deeper than MAX_DEPTH, so that walking it cannot exhaust the stack."""
    check_object(value, place)
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for node in level
            for item in (node.values() if isinstance(node, dict) else node)
            if isinstance(item, dict | list)
        ]
        if not level:
            return
    raise InvalidRequest(f"{place}: Input is nested deeper than {MAX_DEPTH} levels")


def object_with(**checks: Check) -> Check:
    """A check for objects whose fields are there and pass; a name that ends in `_` is optional (and may be null)."""
    table = tuple((name.removesuffix("_"), not name.endswith("_"), check) for name, check in checks.items())

    def check(value: Any, place: str) -> None:
        check_object(value, place)
        for name, required, check_field in table:
            if (item := value.get(name)) is not None:
                check_field(item, f"{place}.{name}")
            elif required:
                raise InvalidRequest(f"{place}.{name}: Field required")

    return check
