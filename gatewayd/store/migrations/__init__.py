"""The schema's history: forward only, one file per step under `versions/`, run under the writers' lock.

File names start with the revision, four digits. Alembic is 17 MB in memory, so it is imported by `run` alone;
whether there is anything to do is decided by one SELECT.

A new step: copy the newest file of `versions/`, raise the number, change `tables.py` to match (a test compares).
"""

from __future__ import annotations

import asyncio
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from gatewayd.errors import ConfigurationError, StoreUnavailable
from gatewayd.store.backup import back_up
from gatewayd.store.database import Session, Store
from gatewayd.store.tables import metadata

VERSIONS = tuple(sorted(path.name[:4] for path in Path(__file__).parent.glob("versions/[0-9]*.py")))


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """current: the database's revision, None before the first migration; newest: this program's.

    foreign  a table of another program, where gatewayd has never been and would not be alone
    """

    current: str | None
    newest: str = VERSIONS[-1]
    foreign: str | None = None

    @property
    def is_newer(self) -> bool:
        """The database was migrated by a later program."""
        return self.current is not None and self.current not in VERSIONS

    @property
    def is_current(self) -> bool:
        return self.current == self.newest


@dataclass(frozen=True, slots=True)
class Upgraded:
    """backup: the copy of the database from before, SQLite's alone, where it held anything."""

    backup: Path | None = None


async def read_status(store: Store) -> SchemaStatus:
    async with store.session() as session:
        if store.address.engine == "sqlite":
            exists = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
        else:
            exists = "SELECT 1 WHERE to_regclass('alembic_version') IS NOT NULL"
        if await session.fetch_one(exists) is None:
            return SchemaStatus(None, foreign=await _find_foreign_table(session))
        row = await session.fetch_one("SELECT version_num FROM alembic_version")
    return SchemaStatus(str(row["version_num"]) if row else None)


async def _find_foreign_table(session: Session) -> str | None:
    """An SQLite file is one program's alone; PostgreSQL's tables may stand beside others that are named otherwise."""
    if session.engine == "sqlite":
        query = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
        names = [str(row["name"]) for row in await session.fetch_all(query)]
    else:
        query = "SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename"
        names = [str(row["name"]) for row in await session.fetch_all(query) if row["name"] in metadata.tables]
    return next(iter(names), None)


async def check_schema(store: Store) -> None:
    """For readers that do not migrate. ConfigurationError unless the schema is this program's."""
    status = await read_status(store)
    refuse_unknown(store, status)
    if not status.is_current:
        raise ConfigurationError(f"{store.address.shown} has an old schema, or none; run: gatewayd db upgrade")


async def upgrade(store: Store, *, apart: bool = False) -> Upgraded | None:
    """Brings the schema to this program's revision. None when there was nothing to do.

    On SQLite a copy of an older database is written beside it first, and removed again where the upgrade fails, as that
    changes nothing. ConfigurationError when the copy cannot be written: there is no upgrade without it.

    apart: in a process of its own, which takes Alembic's memory with it when it ends; for those who go on serving.
    """
    status = await read_status(store)
    refuse_unknown(store, status)
    if status.is_current:
        return None
    backup = plan_backup(store, status)
    if backup is not None:
        await back_up(store, backup)
    try:
        await _migrate(store, apart)
    except BaseException:
        if backup is not None:
            backup.unlink(missing_ok=True)
        raise
    return Upgraded(backup)


def plan_backup(store: Store, status: SchemaStatus) -> Path | None:
    """Where `upgrade` copies the database to before it changes it; None where it does not."""
    if store.address.engine != "sqlite" or status.current is None or status.is_current:
        return None
    first = f"{store.address.path}.schema-{status.current}"
    names = (Path(first if number == 1 else f"{first}-{number}") for number in count(1))
    return next(path for path in names if not path.exists())


async def _migrate(store: Store, apart: bool) -> None:
    if not (apart and await _migrate_apart(store)):
        from gatewayd.store.migrations.run import run_migrations  # Alembic: see above

        await run_migrations(store.address)
    status = await read_status(store)
    if not status.is_current:
        raise StoreUnavailable(f"{store.address.shown}: the migration to {status.newest} did not take effect")


async def _migrate_apart(store: Store) -> bool:
    """False when the process could not do it for a reason of its own, such as an import path it did not inherit."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, stdin=PIPE, stdout=PIPE, stderr=DEVNULL
    )  # the URL goes by stdin: arguments are for everyone to see
    output, _ = await process.communicate(store.database_url.encode())
    if process.returncode == 1 and output:
        raise StoreUnavailable(output.decode())
    return process.returncode == 0


def refuse_unknown(store: Store, status: SchemaStatus) -> None:
    """ConfigurationError where the database is another program's, or a later gatewayd's."""
    other = "that is another program's; point DATABASE_URL at a database of gatewayd's own"
    if status.foreign is not None:
        raise ConfigurationError(f"{store.address.shown} holds a table {status.foreign[:64]!r}: {other}")
    if status.current is not None and not re.fullmatch(r"\d{4}", status.current):
        raise ConfigurationError(f"{store.address.shown} has schema {status.current[:64]!r}: {other}")
    if status.is_newer:
        raise ConfigurationError(
            f"{store.address.shown} has schema {status.current}, newer than this gatewayd knows ({status.newest}); "
            "install the newer gatewayd, or restore the backup from before its upgrade"
        )
