"""A record as a form and back: nothing gets lost, every error is at its field, secrets are not shown."""

from __future__ import annotations

from typing import Any

import pytest

from gatewayd.admin.gateway_form import InvalidForm, Shown, change_rows, parse_gateway, show_form, show_spec
from gatewayd.gateways import Gateway

FULL: dict[str, Any] = {
    "name": "Every field",
    "upstream": {
        "base_url": "https://a.example/v1",
        "api_key": {"env": "A_API_KEY"},
        "dialect": "deepseek",
        "capabilities": {"stream_options": False},
        "headers": {"X-Title": "secret-title"},
        "timeouts": {"connect": 2.5, "first_byte": 100, "idle": 50, "total": 1000},
    },
    "models": [
        {
            "name": "claude-*", "upstream_model": "m", "context_window": 1000, "max_output_tokens": 100,
            "vision": False, "price": {"input": 0.28, "output": 0.42, "cache_read": 0.028, "cache_write": 0.3},
        },
        {"name": "*", "price": {"input": 0.0, "output": 0.0}},
    ],
    "fallback": ["b", "c"],
    "limits": {"requests_per_minute": 1, "tokens_per_minute": 2, "concurrent": 3},
    "token_limits": {"requests_per_minute": 4, "tokens_per_minute": 5, "concurrent": 6},
    "logging": {"bodies": "all"},
    "server_tools": "reject",
}  # fmt: skip


def form_of(shown: Shown) -> dict[str, list[str]]:
    """What a browser sends back."""
    form = {name: [value] for name, value in shown.values.items()}
    for index, row in enumerate(shown.models):
        form |= {f"models.{index}.{name}": [value] for name, value in row.items()}
    for index, name in enumerate(shown.headers):
        form |= {f"headers.{index}.name": [name], f"headers.{index}.value": [""]}
    return form


def changed(**fields: str) -> dict[str, list[str]]:
    form = form_of(show_spec(FULL))
    return form | {name.replace("__", "."): [value] for name, value in fields.items()}


def errors_of(form: dict[str, list[str]]) -> dict[str, str]:
    with pytest.raises(InvalidForm) as raised:
        parse_gateway(form, FULL)
    return raised.value.errors


def test_every_field_of_a_record_comes_back() -> None:
    gateway = Gateway.model_validate(FULL)
    assert parse_gateway(form_of(show_spec(gateway.spec())), gateway.spec()) == gateway


def test_the_form_has_every_field_of_the_model() -> None:
    """A field that is new in the record must be in the form too."""
    assert set(Gateway.model_validate(FULL).spec()) == set(Gateway.model_fields) - {"tokens"}


@pytest.mark.parametrize("key", [{"file": "/run/secrets/k"}, {"stored": True}, {"env": "B_TOKEN"}, None])
def test_a_key_is_told_by_where_it_is(key: dict[str, Any] | None) -> None:
    spec = {"upstream": {"base_url": "https://a.example/v1"} | ({"api_key": key} if key else {})}
    gateway = Gateway.model_validate(spec)
    assert parse_gateway(form_of(show_spec(gateway.spec())), {}) == gateway


def test_an_empty_record_is_one_row_for_all_models() -> None:
    assert show_spec({}).models[0]["name"] == "*"
    assert show_spec({"upstream": "broken", "models": 3, "fallback": None}).values["api_key"] == "none"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("upstream.base_url", "", "is missing"),
        ("upstream.base_url", "ftp://x", "http:// or https://"),
        ("upstream.base_url", "https://u:p@x", "refused"),
        ("upstream.base_url", "http://169.254.169.254/v1", "never called"),
        ("upstream.dialect", "nonsense", "unknown"),
        ("upstream.timeouts.connect", "soon", "write a number"),
        ("upstream.timeouts.total", "0", "above 0"),
        ("limits.requests_per_minute", "1.5", "whole number"),
        ("limits.concurrent", "0", "at least 1"),
        ("token_limits.tokens_per_minute", "x", "whole number"),
        ("models.0.context_window", "many", "whole number"),
        ("models.1.name", "", "must not be empty"),
        ("models.0.price.output", "-1", "at least 0"),
        ("api_key.env", "DATABASE_URL", "…_API_KEY"),
        ("api_key.env", "ADMIN_PASSWORD", "belongs to gatewayd"),
        ("api_key.env", "", "not the name"),
        ("fallback", "A b", "not the id"),
        ("upstream.capabilities", "no colon here", "name: value"),
        ("upstream.capabilities", "no_such_habit: true", "no_such_habit"),
        ("headers.0.name", "authorization", "has no value"),
        ("name", "x" * 201, "at most 200"),
        ("server_tools", "maybe", "drop"),
    ],
)
def test_an_error_is_told_at_its_field(name: str, value: str, says: str) -> None:
    errors = errors_of(form_of(show_spec(FULL)) | {name: [value]})
    expected = {"headers.0.name": "upstream.headers"}.get(name, name)
    assert says in errors[expected], errors


def test_all_errors_are_told_at_once() -> None:
    errors = errors_of(changed(upstream__base_url="x", limits__concurrent="x", models__0__name=""))
    assert set(errors) == {"upstream.base_url", "limits.concurrent", "models.0.name"}


def test_header_values_are_kept_but_not_shown() -> None:
    shown = show_spec(FULL)
    assert "secret-title" not in str(shown)
    form = form_of(shown) | {"headers.5.name": ["X-New"], "headers.5.value": ["new"], "headers.6.name": [""]}
    assert parse_gateway(form, FULL).upstream.headers == {"X-Title": "secret-title", "X-New": "new"}
    form["headers.0.name"] = [""]
    assert parse_gateway(form, FULL).upstream.headers == {"X-New": "new"}
    assert "authorization" not in str(parse_gateway(form, FULL)).lower()


def test_what_was_typed_is_shown_again_but_for_secrets() -> None:
    form = changed(name="New <name>", api_key="stored") | {"provider_key": ["sk-secret-key-typed"]}
    form |= {"headers.0.value": ["typed-secret"]}
    shown = show_form(form)
    assert shown.values["name"] == "New <name>"
    assert shown.models == show_spec(FULL).models
    assert "sk-secret" not in str(shown)
    assert "typed-secret" not in str(shown)


def test_rows_are_added_removed_and_moved() -> None:
    rows = [{"name": name} for name in "abc"]

    def names(action: str) -> str:
        return "".join(row["name"] or "-" for row in change_rows(rows, action))

    assert [names(action) for action in ("add", "remove-1", "up-2", "down-0")] == ["abc-", "ac", "acb", "bac"]
    for action in ("up-0", "down-2", "remove-9", "up-x", "", "remove", "down--1", "nothing"):
        assert names(action) == "abc"
    assert len(change_rows([{"name": "x"}] * 200, "add")) == 200


def test_hostile_forms_are_errors_and_no_failures() -> None:
    for form in (
        {"models.x.name": ["a"]},
        {"models.99999999999.name": ["a"]},
        {"models.-1.name": ["a"], "upstream.base_url": ["\0"]},
        {"upstream.capabilities": ["a: " + "[" * 100_000]},
        {"upstream.base_url": ["http://[::1"]},
        {"limits.concurrent": ["9" * 5000]},
    ):
        with pytest.raises(InvalidForm):
            parse_gateway(form, {})
