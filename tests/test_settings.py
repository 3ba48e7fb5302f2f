"""The environment -> settings: every variable of the contract, one clear line per bad one, no secret repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatewayd.errors import ConfigurationError
from gatewayd.settings import SECRETS, Settings, load_settings

CONTRACT = {
    "ADMIN_USERNAME": ("root", "admin_username", "root"),
    "HOST": ("0.0.0.0", "host", "0.0.0.0"),
    "PORT": ("9000", "port", 9000),
    "GATEWAYD_CONFIG_DIR": ("/etc/gatewayd", "config_dir", Path("/etc/gatewayd")),
    "GATEWAYD_CONFIG_MODE": ("Seed", "config_mode", "seed"),
    "GATEWAYD_CONFIG_DRIFT": ("revert", "config_drift", "revert"),
    "GATEWAYD_CONFIG_POLL_SECONDS": ("0", "config_poll_seconds", 0),
    "GATEWAYD_UI": ("off", "ui", False),
    "GATEWAYD_PUBLIC_URL": ("https://llm.example.com/", "public_url", "https://llm.example.com"),
    "GATEWAYD_UPSTREAM_NETWORK": ("public", "upstream_network", "public"),
    "GATEWAYD_LOG_BODIES": ("all", "log_bodies", "all"),
    "GATEWAYD_LOG_RETENTION_DAYS": ("7", "log_retention_days", 7),
    "GATEWAYD_BODY_RETENTION_DAYS": ("1", "body_retention_days", 1),
    "GATEWAYD_DRAIN_SECONDS": ("3.5", "drain_seconds", 3.5),
    "GATEWAYD_LOG_FORMAT": ("json", "log_format", "json"),
    "GATEWAYD_LOG_LEVEL": ("DEBUG", "log_level", "debug"),
    "GATEWAYD_ALLOW_WEAK_PASSWORD": ("1", "allow_weak_password", True),
}
SECRET_VALUES = {
    "ADMIN_PASSWORD": ("correct horse battery", "admin_password"),
    "DATABASE_URL": ("postgres://u:p@h/d", "database_url"),
    "GATEWAYD_SECRET_KEY": ("key-one,key-two", "secret_key"),
    "GATEWAYD_METRICS_TOKEN": ("scrape-me", "metrics_token"),
    "GATEWAYD_RATE_LIMIT_STORAGE": ("redis://:pw@host/0", "rate_limit_storage"),
}

PUBLIC_URL_HINT = "write the http:// or https:// address that clients use, such as https://llm.example.com"


def test_the_defaults_are_those_of_the_contract() -> None:
    settings = load_settings({})
    assert settings.database_url.get_secret_value() == "sqlite:///./gatewayd.db"
    assert (settings.host, settings.port, settings.admin_username) == ("127.0.0.1", 8080, "admin")
    assert (settings.config_dir, settings.config_mode, settings.config_drift) == (Path("configs"), "sync", "keep")
    assert (settings.config_poll_seconds, settings.ui, settings.upstream_network) == (5, True, "local")
    assert (settings.log_bodies, settings.log_retention_days, settings.body_retention_days) == ("errors", 90, 14)
    assert (settings.drain_seconds, settings.log_format, settings.log_level) == (110, None, "info")
    assert (settings.metrics_token, settings.rate_limit_storage.get_secret_value()) == (None, "memory")


@pytest.mark.parametrize("name", CONTRACT)
def test_each_variable_is_read_under_its_name(name: str) -> None:
    text, field, value = CONTRACT[name]
    assert getattr(load_settings({name: text}), field) == value


@pytest.mark.parametrize("name", SECRET_VALUES)
def test_each_secret_is_read_and_never_shown(name: str) -> None:
    text, field = SECRET_VALUES[name]
    settings = load_settings({name: text})
    assert getattr(settings, field).get_secret_value() == text
    assert text not in repr(settings)


@pytest.mark.parametrize("name", SECRET_VALUES)
def test_each_secret_may_come_from_a_file(name: str, tmp_path: Path) -> None:
    text, field = SECRET_VALUES[name]
    file = tmp_path / "secret"
    file.write_text(text + "\n")
    assert getattr(load_settings({f"{name}_FILE": str(file)}), field).get_secret_value() == text


def test_every_field_is_covered_by_these_tests() -> None:
    assert {field for _, field, _ in CONTRACT.values()} | SECRETS == set(Settings.model_fields)
    assert {field for _, field in SECRET_VALUES.values()} == SECRETS


def test_what_is_no_secret_is_not_read_from_a_file() -> None:
    assert load_settings({"PORT_FILE": "/nonexistent"}).port == 8080


def test_a_secret_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    with pytest.raises(ConfigurationError) as error:
        load_settings({"ADMIN_PASSWORD_FILE": f"{tmp_path}/none", "GATEWAYD_SECRET_KEY_FILE": str(empty)})
    assert str(error.value).splitlines() == [
        f"ADMIN_PASSWORD_FILE: cannot read {tmp_path}/none: No such file or directory",
        f"GATEWAYD_SECRET_KEY_FILE: {empty} is empty",
    ]


def test_a_variable_and_its_file_together_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ADMIN_PASSWORD and ADMIN_PASSWORD_FILE are both set"):
        load_settings({"ADMIN_PASSWORD": "x", "ADMIN_PASSWORD_FILE": str(tmp_path)})


def test_an_empty_variable_counts_as_unset() -> None:
    assert load_settings({"PORT": "", "ADMIN_PASSWORD": "", "GATEWAYD_CONFIG_MODE": " "}) == load_settings({})


def test_each_bad_variable_has_one_line_that_says_what_to_write() -> None:
    with pytest.raises(ConfigurationError) as error:
        load_settings(
            {
                "PORT": "http",
                "GATEWAYD_CONFIG_MODE": "synch",
                "GATEWAYD_UI": "maybe",
                "GATEWAYD_DRAIN_SECONDS": "-1",
                "GATEWAYD_PUBLIC_URL": "llm.example.com",
            }
        )
    assert sorted(str(error.value).splitlines()) == [
        "GATEWAYD_CONFIG_MODE: 'synch' cannot be used: write one of 'sync', 'seed', 'off'",
        "GATEWAYD_DRAIN_SECONDS: '-1' cannot be used: it should be greater than or equal to 0",
        f"GATEWAYD_PUBLIC_URL: 'llm.example.com' cannot be used: {PUBLIC_URL_HINT}",
        "GATEWAYD_UI: 'maybe' cannot be used: write on or off",
        "PORT: 'http' cannot be used: write a whole number",
    ]


def test_the_value_of_a_secret_is_not_repeated_in_an_error() -> None:
    with pytest.raises(ConfigurationError) as error:
        load_settings({"GATEWAYD_RATE_LIMIT_STORAGE": "http://user:hunter2@host"})
    assert str(error.value) == "GATEWAYD_RATE_LIMIT_STORAGE: write memory, or a redis:// or valkey:// URL"


def test_a_missing_admin_password_says_the_line_to_run() -> None:
    with pytest.raises(ConfigurationError) as error:
        load_settings({}).check_admin_password()
    assert 'export ADMIN_PASSWORD="$(openssl rand -base64 18)"' in str(error.value)


def test_a_short_admin_password_is_refused_unless_allowed() -> None:
    short = {"ADMIN_PASSWORD": "elevenchars"}
    with pytest.raises(ConfigurationError, match="fewer than 12 characters"):
        load_settings(short).check_admin_password()
    load_settings({**short, "GATEWAYD_ALLOW_WEAK_PASSWORD": "1"}).check_admin_password()
    load_settings({"ADMIN_PASSWORD": "twelve chars"}).check_admin_password()


def test_no_admin_password_is_needed_without_the_ui() -> None:
    load_settings({"GATEWAYD_UI": "off"}).check_admin_password()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::", "http://[::1]:8080"),
        ("::1", "http://[::1]:8080"),
        ("localhost", "http://localhost:8080"),
    ],
)
def test_an_address_for_all_interfaces_is_reached_over_loopback(host: str, url: str) -> None:
    assert load_settings({"HOST": host}).listening_url() == url


def test_the_public_url_is_what_clients_use() -> None:
    settings = load_settings({"GATEWAYD_PUBLIC_URL": "https://llm.example.com"})
    assert settings.base_url() == "https://llm.example.com"
    assert settings.listening_url() == "http://127.0.0.1:8080"
