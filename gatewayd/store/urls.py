"""DATABASE_URL in the shapes that people and hosting platforms write it -> one `Address`.

The drivers disagree about schemes and silently ignore what they do not know (`sslmode` above all), so nothing but this
module reads the URL: a parameter is either honoured, known to be meaningless here, or refused by name. No text made
here holds the password.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from gatewayd.errors import ConfigurationError

#: Understood by asyncpg in a DSN, with libpq's meaning.
_PASSED_ON = frozenset(
    {
        "sslmode",
        "sslrootcert",
        "sslcert",
        "sslkey",
        "sslcrl",
        "sslpassword",
        "sslnegotiation",
        "ssl_min_protocol_version",
    }
    | {"ssl_max_protocol_version", "target_session_attrs", "application_name", "options", "passfile", "search_path"}
    | {"host", "port", "user", "password", "dbname"}
)
#: Written by platforms for other drivers; leaving them out changes nothing that matters here.
_MEANINGLESS = frozenset(
    {
        "channel_binding",
        "connect_timeout",
        "connection_limit",
        "gssencmode",
        "keepalives",
        "keepalives_idle",
        "pool_timeout",
    }
    | {
        "keepalives_interval",
        "keepalives_count",
        "schema",
        "client_encoding",
        "serverVersion",
        "charset",
        "uselibpqcompat",
    }
)
#: Any of these says that a pooler in transaction mode stands between; it cannot keep prepared statements.
_POOLER = frozenset({"pgbouncer", "statement_cache_size", "prepared_statement_cache_size"})

#: One or more `host[:port]`, separated by commas; may be empty (sockets).
_HOSTS = re.compile(r"((\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]*)(:[0-9]{1,5})?(,|$))*")

_SQLITE_EXAMPLE = "sqlite:///./gatewayd.db (relative) or sqlite:////data/gatewayd.db (absolute)"


@dataclass(frozen=True, slots=True)
class Address:
    """Where the database is.

    path     SQLite: the file's path, as written
    dsn      PostgreSQL: what asyncpg takes, password included
    options  PostgreSQL: further keyword arguments of asyncpg's connect
    shown    the address for people, without password
    """

    engine: Literal["sqlite", "postgresql"]
    shown: str
    path: str = ""
    dsn: str = field(default="", repr=False)
    options: dict[str, Any] = field(default_factory=dict, repr=False)


def parse_database_url(url: str) -> Address:
    """ConfigurationError says what to write instead, without repeating the URL."""
    scheme, separator, rest = url.strip().partition(":")
    dialect = scheme.lower().partition("+")[0]
    if separator and dialect in ("sqlite", "sqlite3"):
        return _sqlite(rest)
    if separator and dialect in ("postgres", "postgresql", "pgsql"):
        return _postgresql(rest)
    raise ConfigurationError(f"DATABASE_URL: write {_SQLITE_EXAMPLE}, or postgresql://user:password@host:5432/database")


def _sqlite(rest: str) -> Address:
    path, _, query = rest.partition("?")
    if path.startswith("//"):
        if not path.startswith("///"):
            raise ConfigurationError(f"DATABASE_URL: SQLite takes three slashes and a path: {_SQLITE_EXAMPLE}")
        path = path[3:]
    path = unquote(path)
    if not path or path.endswith("/") or ":memory:" in path or "mode=memory" in query:
        raise ConfigurationError(f"DATABASE_URL: SQLite needs a file: {_SQLITE_EXAMPLE}")
    if query:
        raise ConfigurationError(
            f"DATABASE_URL: parameters after ? have no meaning for SQLite; write {_SQLITE_EXAMPLE}"
        )
    return Address("sqlite", shown=f"SQLite {path}", path=path)


def _postgresql(rest: str) -> Address:
    try:
        parts = urlsplit(f"postgresql:{rest}")
        parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
    except ValueError:
        raise ConfigurationError(f"DATABASE_URL: not a URL; {_ENCODE}") from None
    if not rest.startswith("//"):
        raise ConfigurationError("DATABASE_URL: write postgresql://user:password@host:5432/database")
    if "#" in rest or "@" in parts.path + parts.query:  # the password holds a mark that ends it early
        raise ConfigurationError(f"DATABASE_URL: not a usable URL; {_ENCODE}")
    options: dict[str, Any] = {}
    if _POOLER & parameters.keys():
        options["statement_cache_size"] = 0
    passed = _passed_on(parameters)
    if passed.get("sslrootcert") == "system":
        options["ssl"] = _system_certificates()
        passed = {name: value for name, value in passed.items() if not name.startswith("ssl")}
    dsn, where = _rebuild(parts, passed)
    return Address("postgresql", shown=f"PostgreSQL {where}", dsn=dsn, options=options)


_ENCODE = "write special characters of user and password as %XX (@ is %40, # is %23, / is %2F, % is %25)"


def _passed_on(parameters: dict[str, str]) -> dict[str, str]:
    """The parameters for asyncpg; unknown ones are refused, so that a misspelt sslmode is not silently insecure."""
    if "ssl" in parameters and "sslmode" not in parameters:
        parameters["sslmode"] = "disable" if parameters["ssl"].lower() in ("false", "0", "disable") else "require"
    for name in parameters:
        if name not in _PASSED_ON | _MEANINGLESS | _POOLER | {"ssl"}:
            raise ConfigurationError(f"DATABASE_URL: the parameter {name!r} is not known; leave it out or correct it")
    return {name: value for name, value in parameters.items() if name in _PASSED_ON}


def _rebuild(parts: SplitResult, parameters: dict[str, str]) -> tuple[str, str]:
    """(the DSN, `user@host/database` for people). The last @ ends the password, whatever it holds."""
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    database = unquote(parts.path.removeprefix("/"))
    if "/" in database or not _HOSTS.fullmatch(hosts):
        raise ConfigurationError(f"DATABASE_URL: not a usable URL; {_ENCODE}")
    quoted = quote(unquote(user), safe="") + (f":{quote(unquote(password), safe='')}" if password else "")
    query = f"?{urlencode(parameters)}" if parameters else ""
    dsn = f"postgresql://{f'{quoted}@' if quoted else ''}{hosts}/{quote(database, safe='')}{query}".replace("/?", "?")
    who = unquote(user) or parameters.get("user", "")
    where = hosts or parameters.get("host", "(default host)")
    return dsn, f"{f'{who}@' if who else ''}{where}/{database or parameters.get('dbname', '')}"


def _system_certificates() -> Any:
    import ssl  # only where the URL asks for it

    return ssl.create_default_context()
