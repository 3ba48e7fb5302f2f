"""What the database drivers raise -> `StoreUnavailable`, one line that says what to do. No text holds the password."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from sqlite3 import Error as SQLiteError
from typing import Any

from gatewayd.errors import ConfigurationError, RowRefused, StoreUnavailable, StoreUnreachable
from gatewayd.store.urls import Address

_NO_TABLES = "has no tables of gatewayd yet; run: gatewayd db upgrade"

_SQLITE = {
    "unable to open": "cannot be opened; this user must be allowed to read and write the file and its directory",
    "readonly": "cannot be written; this user must be allowed to write the file and its directory",
    "not a database": "is not an SQLite database; move the file away or point DATABASE_URL elsewhere",
    "malformed": "is damaged; restore a backup",
    "locked": "has been locked by another program for too long; end that program",
    "full": "cannot grow: the disk is full",
    "no such table": _NO_TABLES,
}

_POSTGRESQL = {
    "InvalidPasswordError": "refuses this user and password; correct DATABASE_URL",
    "InvalidAuthorizationSpecificationError": "refuses this user; correct DATABASE_URL",
    "InvalidCatalogNameError": "has no such database; create it (createdb) or correct DATABASE_URL",
    "InsufficientPrivilegeError": "does not allow this user to do that; grant it the database and its schema",
    "UndefinedTableError": _NO_TABLES,
    "LockNotAvailableError": "has been locked by another gatewayd for too long; end that one",
    "TooManyConnectionsError": "has no free connection left",
    "ReadOnlySQLTransactionError": "is read-only; point DATABASE_URL at the primary",
    "ClientConfigurationError": "cannot be used as DATABASE_URL says; check sslmode and sslrootcert",
}


@contextmanager
def mapped(address: Address) -> Iterator[None]:
    """Around calls of the drivers, and only these."""
    try:
        yield
    except ConfigurationError:
        raise
    except Exception as error:
        reason = _sqlite_reason(error) if address.engine == "sqlite" else _postgresql_reason(error)
        if reason is None:
            raise
        raise _kind(_innermost(error), address)(f"{address.shown} {reason}") from error


#: IntegrityError, and what the drivers' standard calls data exceptions
_ROW_REFUSED = frozenset({"IntegrityError", "IntegrityConstraintViolationError", "DataError"})
#: CannotConnectNowError: it is starting, or stopping
_AWAY = frozenset({"OSError", "CannotConnectNowError", "TooManyConnectionsError", "PostgresConnectionError"})
_MISCONFIGURED = frozenset({"FileNotFoundError", "PermissionError", "SSLError"})


def _kind(error: BaseException, address: Address) -> type[StoreUnavailable]:
    """By name, over both drivers' trees."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & _ROW_REFUSED:
        return RowRefused
    away = address.engine == "postgresql" and names & _AWAY and not names & _MISCONFIGURED
    return StoreUnreachable if away else StoreUnavailable


def _sqlite_reason(error: BaseException) -> str | None:
    error = _innermost(error)
    if isinstance(error, OSError):
        return f"cannot be opened: {error.strerror or 'unknown error'}"
    if not isinstance(error, SQLiteError):
        return None
    text = str(error)
    return next((reason for part, reason in _SQLITE.items() if part in text), f"failed: {text}")


def _postgresql_reason(error: BaseException) -> str | None:
    from asyncpg.exceptions import InterfaceError, InternalClientError, PostgresError  # loaded already, by who raised

    error = _innermost(error)
    for kind in type(error).__mro__:
        if kind.__name__ in _POSTGRESQL:
            return _POSTGRESQL[kind.__name__]
    if isinstance(error, InternalClientError):  # what a statement meets just when the connection is being lost
        return "lost the connection"
    if isinstance(error, (PostgresError, InterfaceError)):
        return f"failed: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
    if isinstance(error, ssl.SSLError):
        return f"cannot be reached over TLS: {error.reason or 'handshake failed'}; check sslmode and sslrootcert"
    if isinstance(error, TimeoutError):
        return "does not answer in time; is it running, and reachable from here?"
    if isinstance(error, FileNotFoundError):
        return f"cannot be reached: {error.filename or 'a file that DATABASE_URL names'} does not exist"
    if isinstance(error, OSError):
        return f"cannot be reached: {_plain(error)}; is it running, and reachable from here?"
    return None


def _innermost(error: Any) -> BaseException:
    """SQLAlchemy, which only the migrations use, wraps what the drivers raise."""
    while getattr(error, "orig", None) is not None:
        error = error.orig
    # its asyncpg adapter wraps once more, by `raise ... from`
    if type(error).__module__.startswith("sqlalchemy.") and error.__cause__ is not None:
        return _innermost(error.__cause__)
    return error  # type: ignore[no-any-return]  # duck-typed above


def _plain(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
        return "connection refused"
    return error.strerror or str(error) or type(error).__name__
