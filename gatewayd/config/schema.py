"""The JSON Schema of the YAML: made from the models, with what their validators say besides, as far as a schema can.

`configs/gatewayd.schema.json` is what `build_schema` gives, for editors. What
only the whole configuration can tell (that a fallback exists, that a URL may be called) is left to `load`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from gatewayd.config.load import ConfigFile
from gatewayd.gateways import RESERVED_HEADERS
from gatewayd.protocol.chat.dialects import DIALECTS, Dialect

Schema = dict[str, Any]


def build_schema() -> Schema:
    """Draft 2020-12."""
    schema = _without_titles(ConfigFile.model_json_schema())
    schema["properties"]["gateways"]["additionalProperties"] = False
    definitions = schema["$defs"]
    definitions["SecretRef"] = _secret_ref(definitions["SecretRef"])
    upstream = definitions["Upstream"]["properties"]
    upstream["base_url"] |= {"pattern": r"^\s*[Hh][Tt][Tt][Pp][Ss]?://[^@?#]+$", "format": "uri"}
    upstream["dialect"] |= {"enum": ["", *sorted(DIALECTS)]}
    upstream["capabilities"] |= {"properties": _habits(), "additionalProperties": False}
    upstream["headers"]["propertyNames"] = _header_name()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "gatewayd configuration",
        **schema,
        "description": "Gateways of gatewayd. Check a file with: gatewayd validate FILE",
    }


def print_schema() -> str:
    return json.dumps(build_schema(), indent=2, ensure_ascii=False) + "\n"


def _without_titles(value: Any) -> Any:
    """pydantic's titles only repeat the names."""
    if isinstance(value, list):
        return [_without_titles(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _without_titles(inner) for name, inner in value.items() if name != "title" or not isinstance(inner, str)
    }


def _secret_ref(definition: Schema) -> Schema:
    """Exactly one of two: a stored one belongs to the UI."""
    env, file = definition["properties"]["env"], definition["properties"]["file"]
    name = r"^(?!ADMIN_|GATEWAYD_)[A-Za-z_][A-Za-z0-9_]*(?:_API_KEY|_TOKEN)$"
    return {
        "description": "Where the secret is; the secret itself never stands in a file.",
        "type": "object",
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
        "properties": {
            "env": {"type": "string", "pattern": name, "description": env["description"]},
            "file": {"type": "string", "minLength": 1, "description": file["description"]},
        },
    }


def _header_name() -> Schema:
    reserved = "|".join(sorted(RESERVED_HEADERS))
    any_case = "".join(f"[{c.upper()}{c}]" if c.isalpha() else c for c in reserved)
    return {"pattern": rf"^(?!(?:{any_case})$)[A-Za-z0-9!#$%&'*+.^_`|~-]{{1,100}}$"}


def _habits() -> Schema:
    """Each habit of a dialect, with what `Dialect` says of it."""
    hints, texts = get_type_hints(Dialect), _described()
    names = [field.name for field in fields(Dialect) if field.name not in ("name", "hosts")]
    return {name: _type_of(hints[name]) | {"description": texts[name]} for name in names}


def _described() -> Mapping[str, str]:
    found = re.findall(r"^ {6}(\w+(?:, \w+)*) {2,}(\S.*)$", Dialect.__doc__ or "", re.MULTILINE)
    return {name: text for names, text in found for name in names.split(", ")}


def _type_of(hint: Any) -> Schema:
    origin = get_origin(hint)
    if origin is Literal:
        return {"enum": list(get_args(hint))}
    if origin is tuple:
        return {"type": "array", "items": {"type": "string"}}
    if hint == str | None:
        return {"type": ["string", "null"]}
    simple: Mapping[Any, Schema] = {
        bool: {"type": "boolean"},
        int: {"type": "integer", "minimum": 0},
        str: {"type": "string"},
    }
    return dict(simple[hint]) if hint in simple else {"type": "object"}
