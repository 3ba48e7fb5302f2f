"""Where secrets may come from, and that a missing one is a name and never an exception."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatewayd.config.secrets import Resolved, SecretReader
from gatewayd.gateways import SecretRef


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    directory = tmp_path / "configs"
    directory.mkdir()
    return directory


def test_a_variable_is_read_without_blanks_around_it(configs: Path) -> None:
    reader = SecretReader({"X_API_KEY": "  sk-1\n"}, configs)
    assert reader.resolve(SecretRef(env="X_API_KEY")) == Resolved(value="sk-1")


@pytest.mark.parametrize("environ", [{}, {"X_API_KEY": ""}, {"X_API_KEY": " \n"}])
def test_an_unset_or_empty_variable_is_missing(environ: dict[str, str], configs: Path) -> None:
    assert SecretReader(environ, configs).resolve(SecretRef(env="X_API_KEY")) == Resolved(missing="X_API_KEY")


@pytest.mark.parametrize("value", ["sk-1\r\nX-Evil: 1", "clé", "a\x00b"])
def test_what_a_header_cannot_carry_is_missing_with_the_reason(value: str, configs: Path) -> None:
    resolved = SecretReader({"X_API_KEY": value}, configs).resolve(SecretRef(env="X_API_KEY"))
    assert resolved == Resolved(missing="X_API_KEY (it holds characters that a header cannot carry)")


def test_a_relative_file_starts_at_the_configuration_directory(configs: Path) -> None:
    (configs / "x.key").write_text("sk-2\n")
    assert SecretReader({}, configs).resolve(SecretRef(file="x.key")) == Resolved(value="sk-2")


def test_the_credentials_directory_may_be_read(configs: Path, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("sk-3")
    reader = SecretReader({"CREDENTIALS_DIRECTORY": str(tmp_path)}, configs)
    assert reader.resolve(SecretRef(file=f"{tmp_path}/x")) == Resolved(value="sk-3")


def test_a_file_elsewhere_is_never_read(configs: Path, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("sk-4")
    (configs / "link").symlink_to(tmp_path / "x")
    (tmp_path / "configs-evil").mkdir()
    (tmp_path / "configs-evil" / "x").write_text("sk-4")
    reader = SecretReader({}, configs)
    for file in (f"{tmp_path}/x", "../x", "link", f"{configs}-evil/x", "a/../../x", "x\0y"):
        assert reader.refusal(file) is not None, file
        resolved = reader.resolve(SecretRef(file=file))
        assert resolved.value is None
        assert resolved.missing is not None


@pytest.mark.parametrize("variable", ["ADMIN_PASSWORD_FILE", "DATABASE_URL_FILE", "GATEWAYD_SECRET_KEY_FILE"])
def test_a_file_that_holds_a_secret_of_gatewayd_is_never_read(variable: str, configs: Path) -> None:
    (configs / "own").write_text("secret")
    (configs / "link").hardlink_to(configs / "own")
    reader = SecretReader({variable: f"{configs}/own"}, configs)
    for name in ("own", f"{configs}/own", "../configs/own", "link"):
        assert reader.refusal(name) == f"{name} belongs to gatewayd itself and cannot be sent to a provider"
        assert reader.resolve(SecretRef(file=name)).value is None
    assert SecretReader({"OPENAI_API_KEY_FILE": f"{configs}/own"}, configs).resolve(SecretRef(file="own")).value


def test_the_key_file_of_sqlite_is_never_read(configs: Path) -> None:
    """Where the configuration directory is also that of the database."""
    (configs / "gatewayd.db").write_bytes(b"SQLite format 3\0")
    (configs / "gatewayd.db.key").write_text("secret")
    (configs / "openai.key").write_text("sk-6")
    reader = SecretReader({}, configs)
    assert reader.resolve(SecretRef(file="gatewayd.db.key")).value is None
    assert reader.resolve(SecretRef(file="openai.key")).value == "sk-6"


@pytest.mark.parametrize("name", ["none", "directory", "binary"])
def test_a_file_that_cannot_be_read_is_missing(name: str, configs: Path) -> None:
    (configs / "directory").mkdir()
    (configs / "binary").write_bytes(b"\xff\xfe")
    assert SecretReader({}, configs).resolve(SecretRef(file=name)) == Resolved(missing=name)


def test_a_resolved_secret_is_not_shown() -> None:
    assert "sk-5" not in repr(Resolved(value="sk-5"))
