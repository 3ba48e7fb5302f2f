"""A consistent copy of the database, made while it is in use.

SQLite copies itself (`VACUUM INTO`); PostgreSQL's own pg_dump does it, in its custom format, given the password by the
environment and never by its arguments.
"""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from gatewayd.errors import ConfigurationError
from gatewayd.store.database import Store


async def back_up(store: Store, path: Path) -> None:
    """Writes `path`, readable by its owner alone. ConfigurationError where that fails; then there is no such file."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise ConfigurationError(f"{path} exists already; choose another name") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from None
    try:
        if store.address.engine == "sqlite":
            await _copy_sqlite(store, path)
        else:
            await _dump_postgresql(store, path)
    except BaseException:
        os.unlink(path)
        raise


async def _copy_sqlite(store: Store, path: Path) -> None:
    quoted = str(path).replace("'", "''")
    async with store.session() as session:
        await session.execute_script(f"VACUUM INTO '{quoted}'")


async def _dump_postgresql(store: Store, path: Path) -> None:
    dsn, password = _without_password(store.address.dsn)
    environ = os.environ | ({"PGPASSWORD": password} if password else {})
    arguments = ["--format=custom", f"--file={path}", f"--dbname={dsn}"]
    try:
        process = await asyncio.create_subprocess_exec("pg_dump", *arguments, env=environ, stdout=DEVNULL, stderr=PIPE)
    except FileNotFoundError:
        raise ConfigurationError("pg_dump is not installed; run: apt install postgresql-client") from None
    _, said = await process.communicate()
    if process.returncode != 0:
        reason = said.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise ConfigurationError(f"{store.address.shown}: {reason[-1]}")


def _without_password(dsn: str) -> tuple[str, str]:
    parts = urlsplit(dsn)
    user, at, hosts = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    password = query.pop("password", unquote(password))
    told = f"?{urlencode(query)}" if query else ""
    return f"{parts.scheme}://{name}{at}{hosts}{parts.path}{told}", password
