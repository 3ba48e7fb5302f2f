"""DATABASE_URL as people and platforms write it."""

from __future__ import annotations

import ssl

import pytest

from gatewayd.errors import ConfigurationError
from gatewayd.store.urls import parse_database_url


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///./gatewayd.db", "./gatewayd.db"),
        ("sqlite:///gatewayd.db", "gatewayd.db"),
        ("sqlite:////data/gatewayd.db", "/data/gatewayd.db"),
        ("sqlite+aiosqlite:////data/gatewayd.db", "/data/gatewayd.db"),
        ("sqlite3:///gatewayd.db", "gatewayd.db"),
        ("sqlite:gatewayd.db", "gatewayd.db"),
        ("sqlite:./gatewayd.db", "./gatewayd.db"),
        ("sqlite:/data/gatewayd.db", "/data/gatewayd.db"),
        ("SQLite:////data/my%20file.db\n", "/data/my file.db"),
    ],
)
def test_sqlite_urls(url: str, path: str) -> None:
    address = parse_database_url(url)
    assert (address.engine, address.path, address.shown) == ("sqlite", path, f"SQLite {path}")


@pytest.mark.parametrize(
    ("url", "dsn"),
    [
        ("postgres://u:p@h:5432/d", "postgresql://u:p@h:5432/d"),
        ("postgresql://u:p@h/d", "postgresql://u:p@h/d"),
        ("postgresql+asyncpg://u:p@h/d", "postgresql://u:p@h/d"),
        ("postgresql+psycopg2://u:p@h/d?sslmode=require", "postgresql://u:p@h/d?sslmode=require"),
        ("postgres://u:p%40w@h/d", "postgresql://u:p%40w@h/d"),
        ("postgres://u:p@w@h/d", "postgresql://u:p%40w@h/d"),
        ("postgres://u:p@h1:1,h2:2/d", "postgresql://u:p@h1:1,h2:2/d"),
        ("postgres://u:p@[::1]:5432/d", "postgresql://u:p@[::1]:5432/d"),
        ("postgresql:///d?host=/cloudsql/x&user=u", "postgresql:///d?host=%2Fcloudsql%2Fx&user=u"),
        ("postgres://u@h", "postgresql://u@h/"),
        ("postgres://u:p@h/d?sslmode=verify-full&sslrootcert=/ca.crt", "postgresql://u:p@h/d?sslmode=verify-full&sslrootcert=%2Fca.crt"),
        ("postgres://u:p@h/d?sslmode=require&channel_binding=require&connect_timeout=9", "postgresql://u:p@h/d?sslmode=require"),
        ("postgres://u:p@h/d?ssl=true", "postgresql://u:p@h/d?sslmode=require"),
        ("postgres://u:p@h/d?ssl=false", "postgresql://u:p@h/d?sslmode=disable"),
    ],
)  # fmt: skip
def test_postgresql_urls(url: str, dsn: str) -> None:
    address = parse_database_url(url)
    assert (address.engine, address.dsn, address.options) == ("postgresql", dsn, {})


@pytest.mark.parametrize("parameter", ["pgbouncer=true", "statement_cache_size=0", "prepared_statement_cache_size=0"])
def test_a_pooler_gets_no_prepared_statements(parameter: str) -> None:
    address = parse_database_url(f"postgres://u:p@h/d?{parameter}&sslmode=require")
    assert address.options == {"statement_cache_size": 0}
    assert address.dsn == "postgresql://u:p@h/d?sslmode=require"


def test_the_systems_certificates_can_be_asked_for() -> None:
    address = parse_database_url("postgres://u:p@h/d?sslmode=verify-full&sslrootcert=system")
    assert isinstance(address.options["ssl"], ssl.SSLContext)
    assert address.options["ssl"].check_hostname
    assert address.dsn == "postgresql://u:p@h/d"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "sqlite:///"),
        ("gatewayd.db", "sqlite:///"),
        ("mysql://u:hunter2@h/d", "postgresql://"),
        ("sqlite://", "three slashes"),
        ("sqlite:///:memory:", "SQLite needs a file"),
        ("sqlite:////data/", "SQLite needs a file"),
        ("sqlite://gatewayd.db", "three slashes"),
        ("sqlite:///x.db?timeout=3", "no meaning for SQLite"),
        ("postgres:u:hunter2@h/d", "write postgresql://"),
        ("postgres://u:hunter2#1@h/d", "%23"),
        ("postgres://u:hunter2/1@h/d", "%2F"),
        ("postgres://u:hunter2?x@h/d", "%XX"),
        ("postgres://u:hunter2[@h/d", "%XX"),
        ("postgres://u:hunter2@h:port/d", "not a usable URL"),
        ("postgres://u:hunter2@h/d?sslmod=require", "'sslmod'"),
    ],
)
def test_what_cannot_be_used_is_refused_without_the_password(url: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        parse_database_url(url)
    assert says in str(error.value)
    assert "hunter2" not in str(error.value)


def test_no_text_of_an_address_shows_the_password() -> None:
    address = parse_database_url("postgres://user:hunter2@host:5432/data")
    assert address.shown == "PostgreSQL user@host:5432/data"
    assert "hunter2" not in repr(address)
