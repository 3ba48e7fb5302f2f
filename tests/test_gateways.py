"""The gateway record: normal form, model map, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gatewayd.gateways import ActiveGateway, Gateway, SecretRef
from gatewayd.protocol.chat.dialects import DIALECTS


def build(**values: Any) -> Gateway:
    return Gateway.model_validate({"upstream": {"base_url": "https://api.example.com"}, **values})


def test_a_url_without_a_path_gets_v1() -> None:
    assert build().upstream.base_url == "https://api.example.com/v1"


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("http://localhost:11434/", "http://localhost:11434/v1"),
        ("https://API.example.com/openai/v1/", "https://api.example.com/openai/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        (" https://api.example.com ", "https://api.example.com/v1"),
    ],
)
def test_urls_have_one_normal_form(written: str, normal: str) -> None:
    assert build(upstream={"base_url": written}).upstream.base_url == normal


def test_writing_a_default_out_changes_nothing_in_the_spec() -> None:
    written = build(
        name="",
        upstream={"base_url": "https://api.example.com/v1/", "timeouts": {"connect": 5.0}, "headers": {}},
        models=[{"name": "*", "vision": True}],
        fallback=[],
        limits={},
        logging={"bodies": None},
    )
    assert written.spec() == build().spec() == {"upstream": {"base_url": "https://api.example.com/v1"}}


def test_a_spec_validates_to_the_same_record() -> None:
    record = build(models=[{"name": "a*", "price": {"input": 1}}], limits={"concurrent": 3}, fallback=["other"])
    assert Gateway.model_validate(record.spec()) == record


def test_the_first_row_of_the_model_map_that_matches_wins() -> None:
    record = build(models=[{"name": "claude-*opus*"}, {"name": "a.b"}, {"name": "*"}])
    assert [
        record.models.index(row)
        for name in ("claude-opus", "claude-x-opus-4", "a.b", "axb", "")
        if (row := record.route(name))
    ] == [0, 0, 1, 2, 2]


def test_a_model_that_no_row_matches_has_no_route() -> None:
    assert build(models=[{"name": "gpt-*"}]).route("claude-opus") is None


@pytest.mark.parametrize(
    "name", ["ADMIN_API_KEY", "GATEWAYD_METRICS_TOKEN", "DATABASE_URL", "HOME", "AWS_SECRET", "X_API_KEY_"]
)
def test_only_variables_of_providers_can_be_named(name: str) -> None:
    with pytest.raises(ValidationError):
        SecretRef(env=name)


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "HF_TOKEN"])
def test_variables_of_providers_can_be_named(name: str) -> None:
    assert SecretRef(env=name).env == name


def test_capabilities_are_checked_against_the_dialect_that_applies() -> None:
    with pytest.raises(ValidationError, match="telepathy"):
        build(upstream={"base_url": "https://api.example.com", "capabilities": {"telepathy": True}})


def test_the_named_dialect_goes_before_the_host() -> None:
    name = next(iter(DIALECTS))
    record = build(upstream={"base_url": "https://api.deepseek.com", "dialect": name})
    assert record.upstream.resolve_dialect() == DIALECTS[name]


def test_an_active_gateway_never_shows_its_key() -> None:
    record = build()
    active = ActiveGateway(
        "demo", record, record.upstream.resolve_dialect(), api_key="sk-secret", token_hashes={b"digest": "a"}
    )
    assert "sk-secret" not in repr(active)
    assert "digest" not in repr(active)
