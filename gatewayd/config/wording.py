"""pydantic's verdicts in plain words that say what to write, each at the exact place in the file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from gatewayd.config.document import MERGE_KEY, Document, Path

_BY_TYPE = {
    "string_type": "write text",
    "int_type": "write a whole number",
    "int_from_float": "write a whole number",
    "int_parsing_size": "this number is too large",
    "float_type": "write a number",
    "bool_type": "write true or false",
    "tuple_type": "write a list: [first, second], or one item per line with a dash before it",
    "dict_type": "write a mapping: keys with their values, indented below this key",
    "model_type": "write a mapping: keys with their values, indented below this key",
    "finite_number": "write a number",
    "string_too_short": "must not be empty",
}

_EXAMPLES = {
    "version": "version: 1",
    "upstream": "upstream: {base_url: https://…}",
    "base_url": "base_url: https://…",
    "name": "name: …",
    "sha256": "sha256: … (the 64 hexadecimal digits of the token's SHA-256)",
}

_BY_FIELD = {
    "env": "write the name of an environment variable and nothing else, such as DEEPSEEK_API_KEY",
    "sha256": "write the 64 hexadecimal digits (0-9, a-f) of the token's SHA-256",
    "source": "write 1 to 63 characters: a-z, 0-9 and -, not starting with -",
}
_GATEWAY_ID = "a gateway id has 1 to 63 characters: a-z, 0-9 and -, and does not start with -"


def report_all(document: Document, model: type[BaseModel], error: ValidationError) -> None:
    """Adds each error to the document's problems."""
    for item in error.errors(include_url=False):
        _report(document, model, item)


def _report(document: Document, model: type[BaseModel], item: Any) -> None:
    path: Path = tuple(item["loc"])
    kind = item["type"]
    if kind == "extra_forbidden":
        known = _keys_at(model, path[:-1])
        document.report(document.place_of_key(path), path, f"unknown key; {suggest(str(path[-1]), known)}")
    elif kind == "missing":
        key = str(path[-1])
        if (*path[:-1], MERGE_KEY) in document.keys:
            return  # that one is refused and may have held it
        document.report(_place_of_parent(document, path), path, f"is missing; write {_EXAMPLES.get(key, f'{key}: …')}")
    elif path and path[-1] == "[key]":
        document.report(document.place_of_key(path[:-1]), path[:-1], _message(item, path))
    else:
        path = _narrow(document, path, item)
        document.report(document.place_of_value(path), path, _message(item, path))


def _message(item: Any, path: Path) -> str:
    kind, context = item["type"], item.get("ctx", {})
    field = next((str(step) for step in reversed(path) if isinstance(step, str)), "")
    if item["input"] is None and kind.endswith("_type"):
        return "has no value; write one, or remove the key"
    if kind == "value_error":
        return str(context["error"]).removeprefix("capabilities: ")
    if kind == "literal_error":
        return f"write {'one of ' if ' or ' in context['expected'] else ''}{_plain_choice(context['expected'])}" + (
            ", without quotes" if item["input"] == context["expected"] else ""
        )
    if kind == "string_pattern_mismatch":
        return _BY_FIELD.get(field, _GATEWAY_ID)
    if kind == "string_too_long":
        return f"at most {context['max_length']} characters"
    for limit, words in (("ge", "of at least"), ("gt", "above"), ("le", "of at most")):
        if limit in context:
            return f"write a number {words} {context[limit]:g}"
    return _BY_TYPE.get(kind, str(item["msg"])) + _hint(kind, item["input"])


def _hint(kind: str, written: Any) -> str:
    """Why what looks like the wanted type is none: what YAML 1.2 makes of it."""
    if kind == "string_type" and isinstance(written, int | float):
        return "; put it into quotes to make it text"
    if kind not in ("int_type", "float_type", "bool_type") or not isinstance(written, str):
        return ""
    text = written.strip().lower()
    if text in ("yes", "no", "on", "off", "y", "n"):
        return f"; {text} is text in YAML 1.2"
    if re.fullmatch(r"[-+]?0[0-9_]+", text):
        return f"; {text} begins with 0, which some read as octal"
    if re.fullmatch(r"[-+]?[0-9]+([_:,][0-9]+)+", text):
        return f"; {text} is text in YAML 1.2, write digits alone"
    if re.fullmatch(r"[-+]?([0-9]{40,}|[0-9.]+e[0-9]{3,})", text):
        return "; this one is too large"
    if re.fullmatch(r"[-+]?[0-9]*\.?[0-9]+(e[-+]?[0-9]+)?|true|false", text):
        return ", without quotes"
    return ""


def _plain_choice(expected: str) -> str:
    return expected.replace("'", "").replace(" or ", ", ")


def suggest(written: str, known: Iterable[str]) -> str:
    """`did you mean X?`, or everything there is."""
    known = sorted(known)
    near = difflib.get_close_matches(written, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    return f"known: {', '.join(known)}" if known else "nothing is known here"


def _place_of_parent(document: Document, path: Path) -> Any:
    """A missing key is told at the key that should hold it, or at the list item."""
    parent = path[:-1]
    is_item = bool(parent) and isinstance(parent[-1], int)
    return document.place_of_value(parent) if is_item else document.place_of_key(parent)


def _narrow(document: Document, path: Path, item: Any) -> Path:
    """A validator of a whole mapping or list names what it means in quotes; point there."""
    if item["type"] != "value_error":
        return path
    text = str(item["ctx"]["error"])
    for quoted, capability in re.findall(r"'([^']+)'|^capabilities: (\w+)", text):
        name = quoted or capability
        if (*path, name) in document.keys:
            return (*path, name)
        named = [index for index in range(_length(item["input"])) if _name_of(item["input"][index]) == name]
        if named:
            return (*path, named[-1], "name")
    return path


def _length(value: Any) -> int:
    return len(value) if isinstance(value, (list, tuple)) else 0


def _name_of(item: Any) -> Any:
    return item.get("name") if isinstance(item, dict) else getattr(item, "name", None)


def _keys_at(model: Any, path: Path) -> list[str]:
    """The field names of the model that `path` leads to."""
    for step in path:
        fields = getattr(model, "model_fields", None)
        model = _one_type(fields[step].annotation) if fields else _item_type(model)
    return list(getattr(model, "model_fields", {}))


def _one_type(annotation: Any) -> Any:
    """`X | None` -> X."""
    if get_origin(annotation) in (Union, UnionType):
        return next(part for part in get_args(annotation) if part is not type(None))
    return annotation


def _item_type(container: Any) -> Any:
    """`tuple[X, ...]` and `dict[str, X]` -> X."""
    return get_args(container)[1 if get_origin(container) is dict else 0]
