"""The JSON Schema is what the models say, describes every field, and judges files as the loader does where it can."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gatewayd.config.document import parse_document
from gatewayd.config.schema import build_schema, print_schema
from gatewayd.paths import configs_folder

CONFIGS = Path(__file__).parents[1] / "configs"
EXAMPLES = configs_folder() / "examples"
BAD = sorted(CONFIGS.glob("*.bad.yaml"))
GOOD = sorted([*CONFIGS.glob("*.good.yaml"), *EXAMPLES.glob("*.yaml")])

#: What a schema cannot tell, because it stands in the text, in another place, or in a list of addresses.
ONLY_THE_LOADER = {
    "control-character.bad.yaml": "characters",
    "surrogate.bad.yaml": "characters",
    "duplicate-key.bad.yaml": "the text",
    "complex-key.bad.yaml": "the text",
    "fallback.bad.yaml": "what is named elsewhere",
    "fallback-twice.bad.yaml": "what is named elsewhere",
    "tokens.bad.yaml": "what is named elsewhere",
}


def validator() -> Draft202012Validator:
    return Draft202012Validator(build_schema())


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(build_schema())


def test_the_shipped_file_is_the_schema() -> None:
    """If this fails: gatewayd schema > configs/gatewayd.schema.json"""
    assert (configs_folder() / "gatewayd.schema.json").read_text(encoding="utf-8") == print_schema()


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if "properties" in schema and isinstance(schema["properties"], dict):
            yield schema
        for inner in schema.values():
            yield from objects(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from objects(inner)


def test_every_field_is_described_and_no_unknown_one_is_allowed() -> None:
    found = list(objects(build_schema()))
    assert len(found) >= 10
    for schema in found:
        assert schema["additionalProperties"] is False
        for name, field in schema["properties"].items():
            assert field.get("description"), name


def test_the_envelope_is_part_of_it() -> None:
    schema = build_schema()
    assert list(schema["properties"]) == ["version", "source", "gateways"]
    assert schema["required"] == ["version"]
    ids = schema["properties"]["gateways"]
    assert list(ids["patternProperties"]) == ["^[a-z0-9][a-z0-9-]{0,62}$"]
    assert ids["additionalProperties"] is False


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.name)
def test_a_good_file_fits(path: Path) -> None:
    assert list(validator().iter_errors(parse_document("x", path.read_bytes()).value)) == []


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.name)
def test_a_bad_file_that_is_yaml_does_not_fit(path: Path) -> None:
    document = parse_document("x", path.read_bytes())
    if document.value is None and document.problems:
        return  # no YAML at all
    fits = not list(validator().iter_errors(document.value))
    assert fits == (path.name in ONLY_THE_LOADER), document.value


def test_what_the_loader_alone_can_tell_is_still_there() -> None:
    assert set(ONLY_THE_LOADER) <= {path.name for path in BAD}


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("OPENAI_API_KEY", True),
        ("GITHUB_TOKEN", True),
        ("TODO_DEMO_API_KEY", True),
        ("ADMIN_TOKEN", False),
        ("GATEWAYD_METRICS_TOKEN", False),
        ("DATABASE_URL", False),
    ],
)
def test_only_secrets_of_providers_can_be_named(name: str, fits: bool) -> None:
    upstream = {"base_url": "https://x.example", "api_key": {"env": name}}
    value = {"version": 1, "gateways": {"demo": {"upstream": upstream}}}
    assert validator().is_valid(value) is fits


def test_the_file_is_plain_json() -> None:
    assert json.loads(print_schema()) == build_schema()
