"""Plain values -> YAML text, in one form only: the same value is the same bytes, and any YAML reader gets it back.

Records, their upstream and lists of rows are written as blocks, everything below in one line; so a change of one value
changes one line. Texts stand without quotes only where neither YAML 1.1 nor 1.2 could take them for something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Path = tuple[str | int, ...]

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@+-]*(?:://?[A-Za-z0-9_./@+-]+)?(?::[0-9]+[A-Za-z0-9_./@+-]*)?")
_WORDS = re.compile(r"[A-Za-z0-9_./@+-]+(?: [A-Za-z0-9_./@+-]+)*")
_NOT_TEXT = frozenset("null true false yes no on off y n nan inf".split())
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}


def canonical_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A normalised spec in the form in which it is written: numbers as people write them, free names by alphabet.

    Capabilities keep their numbers: what is sent to a provider is not always the same with and without `.0`.
    """
    upstream = {name: _numbers(value) for name, value in spec["upstream"].items() if name != "capabilities"}
    if "headers" in upstream:
        upstream["headers"] = dict(sorted(upstream["headers"].items()))
    if "capabilities" in spec["upstream"]:
        upstream["capabilities"] = _sorted(spec["upstream"]["capabilities"])
    return {name: upstream if name == "upstream" else _numbers(value) for name, value in spec.items()}


def _numbers(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _numbers(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return value


def write_document(value: Mapping[str, Any]) -> str:
    """A whole file: {"version": 1, "source": …, "gateways": {id: spec}}."""
    return "".join(f"{line}\n" for name, inner in value.items() for line in write_pair((name,), inner))


def write_pair(path: Path, value: Any) -> list[str]:
    """`key: value` in lines without indentation. path: of the value, from the file's root."""
    key = write_scalar(path[-1])
    if not value or not is_block(path, value):
        return [f"{key}: {write_flow(value)}"]
    return [f"{key}:", *(f"  {line}" for line in _block(path, value))]


def is_block(path: Path, value: Any) -> bool:
    """Of the places that have a form of their own; `*` stands for any id."""
    place = ("gateways", "*", *path[2:]) if len(path) > 1 else path
    if isinstance(value, Mapping):
        return place in (("gateways",), ("gateways", "*"), ("gateways", "*", "upstream"))
    return isinstance(value, list) and place in (("gateways", "*", "models"), ("gateways", "*", "tokens"))


def _block(path: Path, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from write_pair((*path, name), inner)
    else:
        for item in value:
            yield f"- {write_flow(item)}"


def write_flow(value: Any) -> str:
    """In one line, as JSON would have it, with fewer quotes."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{write_scalar(name)}: {write_flow(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(write_flow, value)) + "]"
    return write_scalar(value)


def write_scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    text = str(value)
    is_plain = (_PLAIN.fullmatch(text) or (text[:1].isalpha() and _WORDS.fullmatch(text))) and text.isascii()
    if is_plain and text.lower() not in _NOT_TEXT:
        return text
    return '"' + "".join(map(_escape, text)) + '"'


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
