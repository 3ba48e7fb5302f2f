"""A gateway's record as the fields of a form, and back; every error at the field that it is about. Pure.

The names of the fields are the record's own, dotted: `upstream.base_url`, `models.0.price.input`. What is empty is
absent. Secrets are written and never shown: a header's value, or a key, that is left empty stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from gatewayd.admin.visit import Form
from gatewayd.gateways import Gateway
from gatewayd.store.gateways import Spec

MOST_ROWS = 200
_TIMEOUTS = ("connect", "first_byte", "idle", "total")
_LIMITS = ("requests_per_minute", "tokens_per_minute", "concurrent")
_PRICES = ("input", "output", "cache_read", "cache_write")
_MODEL = ("name", "upstream_model", "context_window", "max_output_tokens")
PLAIN = (
    "name", "upstream.base_url", "upstream.dialect", "server_tools", "logging.bodies",
    *(f"upstream.timeouts.{name}" for name in _TIMEOUTS),
    *(f"{kind}.{name}" for kind in ("limits", "token_limits") for name in _LIMITS),
)  # fmt: skip

_WORDS = {
    "int_parsing": "write a whole number",
    "int_from_float": "write a whole number",
    "float_parsing": "write a number",
    "bool_parsing": "write yes or no",
    "string_too_short": "must not be empty",
    "finite_number": "write a number",
    "missing": "is missing",
}
_PATTERNS = {"fallback": "not the id of a gateway", "env": "not the name of an environment variable"}


class InvalidForm(Exception):
    """errors: what is wrong, by the name of the field; "" for the form as a whole."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("the form has errors")
        self.errors = dict(errors)


@dataclass(frozen=True, slots=True)
class Shown:
    """What the form shows.

    values   by the names of its plain fields; `api_key`: `none`, `env`, `file` or `stored`
    models   a mapping for each row of the model map, by the names of its fields; `vision` is `yes` or `no`
    headers  the names of the headers that have a value, which is not shown
    """

    values: dict[str, str] = field(default_factory=dict)
    models: list[dict[str, str]] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)


def show_spec(spec: Spec) -> Shown:
    """spec: normalised, of a record that is valid or not."""
    values = {name: _text(_at(spec, name)) for name in PLAIN}
    values["fallback"] = ", ".join(map(str, _list(spec.get("fallback"))))
    upstream = _mapping(spec.get("upstream"))
    key = _mapping(upstream.get("api_key"))
    values["api_key"] = next(iter(key), "none")
    values["api_key.env"], values["api_key.file"] = _text(key.get("env")), _text(key.get("file"))
    capabilities = _mapping(upstream.get("capabilities"))
    values["upstream.capabilities"] = "\n".join(f"{name}: {_json(value)}" for name, value in capabilities.items())
    models = [_show_model(_mapping(row)) for row in _list(spec.get("models"))] or [_show_model({"name": "*"})]
    return Shown(values, models, list(_mapping(upstream.get("headers"))))


def show_form(form: Form) -> Shown:
    """What was typed, secrets aside."""
    values = {name: _first(form, name) for name in (*PLAIN, "fallback", "api_key", "api_key.env", "api_key.file")}
    values["upstream.capabilities"] = _first(form, "upstream.capabilities")
    names = [name for index in _indexes(form, "headers") if (name := _first(form, f"headers.{index}.name"))]
    return Shown(values, _rows(form), names)


def change_rows(rows: list[dict[str, str]], action: str) -> list[dict[str, str]]:
    """action: `add`, or `remove`, `up`, `down` with the row's number: what the form's buttons say."""
    verb, _, number = action.partition("-")
    if verb == "add" and len(rows) < MOST_ROWS:
        return [*rows, _show_model({})]
    index = int(number) if number.isdecimal() else len(rows)
    if verb == "remove" and index < len(rows):
        return rows[:index] + rows[index + 1 :]
    other = index + (1 if verb == "down" else -1)
    if verb in ("up", "down") and 0 <= other < len(rows) and index < len(rows):
        changed = list(rows)
        changed[index], changed[other] = changed[other], changed[index]
        return changed
    return rows


def parse_gateway(form: Form, before: Spec) -> Gateway:
    """The record that the form asks for. before: the stored one, for the headers whose values stay. InvalidForm."""
    errors: dict[str, str] = {}
    upstream = _group(form, "upstream", ("base_url", "dialect"))
    upstream["timeouts"] = _group(form, "upstream.timeouts", _TIMEOUTS)
    upstream["headers"] = _parse_headers(form, _mapping(_mapping(before.get("upstream")).get("headers")), errors)
    upstream["capabilities"] = _parse_capabilities(_first(form, "upstream.capabilities"), errors)
    if (key := _parse_key(form)) is not None:
        upstream["api_key"] = key
    spec: dict[str, Any] = {
        "name": _first(form, "name"),
        "upstream": upstream,
        "models": [_parse_model(row) for row in _rows(form)],
        "fallback": [name.strip() for name in _first(form, "fallback").split(",") if name.strip()],
        "limits": _group(form, "limits", _LIMITS),
        "token_limits": _group(form, "token_limits", _LIMITS),
        "logging": _group(form, "logging", ("bodies",)),
    }
    spec |= {"server_tools": _first(form, "server_tools")} if _first(form, "server_tools") else {}
    try:
        gateway = Gateway.model_validate(spec)
    except ValidationError as error:
        errors = {**_explain(error), **errors}
    if errors:
        raise InvalidForm(errors)
    return gateway


def name_of_error(path: Sequence[Any]) -> str:
    """Of the form's field that a place in a record is about."""
    parts = [str(step) for step in path if step != "[key]"]
    if parts[:2] == ["upstream", "api_key"]:
        return ".".join(["api_key", *parts[2:3]]) if parts[2:3] in (["env"], ["file"]) else "api_key"
    if parts[:1] == ["fallback"]:
        return "fallback"
    for group in ("headers", "capabilities"):
        if parts[:2] == ["upstream", group]:
            return f"upstream.{group}"
    return ".".join(parts)


def _explain(error: ValidationError) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in error.errors(include_url=False, include_input=False):
        found.setdefault(name_of_error(item["loc"]), _words(item))
    return found


def _words(item: Any) -> str:
    kind, context = item["type"], item.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(next((str(step) for step in item["loc"] if step in _PATTERNS), ""), "has a wrong form")
    if kind == "string_too_long":
        return f"at most {context['max_length']} characters"
    for limit, words in (("ge", "of at least"), ("gt", "above"), ("le", "of at most")):
        if limit in context:
            return f"write a number {words} {context[limit]:g}"
    return _WORDS.get(kind, str(item["msg"]))


def _parse_key(form: Form) -> dict[str, Any] | None:
    kind = _first(form, "api_key")
    if kind in ("env", "file"):
        return {kind: _first(form, f"api_key.{kind}")}
    return {"stored": True} if kind == "stored" else None


def _parse_headers(form: Form, before: Mapping[str, Any], errors: dict[str, str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for index in _indexes(form, "headers"):
        name, value = _first(form, f"headers.{index}.name"), _first(form, f"headers.{index}.value")
        if not name:
            continue
        if not value and name not in before:
            errors["upstream.headers"] = f"{name} has no value"
        headers[name] = value or str(before.get(name, ""))
    return headers


def _parse_capabilities(text: str, errors: dict[str, str]) -> dict[str, Any]:
    """One a line, `name: value`; a value is JSON, or else text."""
    found: dict[str, Any] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or not name:
            errors["upstream.capabilities"] = f"write name: value, one a line; this is not: {line[:60]}"
            continue
        try:
            found[name] = json.loads(value)
        except (ValueError, RecursionError):
            found[name] = value
    return found


def _parse_model(row: Mapping[str, str]) -> dict[str, Any]:
    model: dict[str, Any] = {name: row[name] for name in _MODEL if row[name]}
    model.setdefault("name", "")
    model["vision"] = row["vision"] != "no"
    price = {name: value for name in _PRICES if (value := row[f"price.{name}"])}
    return model | ({"price": price} if price else {})


def _show_model(row: Mapping[str, Any]) -> dict[str, str]:
    shown = {name: _text(row.get(name)) for name in _MODEL}
    shown["vision"] = "no" if row.get("vision") is False else "yes"
    price = row.get("price")
    for name in _PRICES:
        missing = 0 if name in ("input", "output") and isinstance(price, Mapping) else None
        shown[f"price.{name}"] = _text(_mapping(price).get(name, missing))
    return shown


def _rows(form: Form) -> list[dict[str, str]]:
    names = (*_MODEL, "vision", *(f"price.{name}" for name in _PRICES))
    return [{name: _first(form, f"models.{index}.{name}") for name in names} for index in _indexes(form, "models")]


def _indexes(form: Form, group: str) -> Iterable[int]:
    """Of the rows that were sent, in their order."""
    numbers = {name.split(".")[1] for name in form if name.startswith(f"{group}.") and name.count(".") >= 2}
    return sorted(int(number) for number in numbers if number.isdecimal() and len(number) < 6)[:MOST_ROWS]


def _group(form: Form, group: str, names: Iterable[str]) -> dict[str, Any]:
    return {name: value for name in names if (value := _first(form, f"{group}.{name}"))}


def _first(form: Form, name: str) -> str:
    return form[name][0].strip() if form.get(name) else ""


def _at(spec: Spec, name: str) -> Any:
    value: Any = spec
    for step in name.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else ()
