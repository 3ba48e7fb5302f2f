"""One connection to the database, on either engine: the only place that knows the `databases` package.

* SQLite: every connection runs the same PRAGMAs in the same order; the file is made with mode 0600.
* A write is one transaction inside `write_lock`: writers take turns on both engines, and what it committed is on disk.
* A read is one transaction with one view of the data. Transactions are begun in SQL: the package's own start deferred
  on SQLite, and lose a pooled connection when a commit fails.
* What the drivers raise leaves as `StoreUnavailable`; errors of the block inside a context manager pass unchanged.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from databases import Database
from databases.core import Connection
from sqlalchemy import Table
from sqlalchemy.sql import ClauseElement

from gatewayd.errors import RowRefused, StoreUnavailable
from gatewayd.store.driver_errors import mapped
from gatewayd.store.urls import Address, parse_database_url

BUSY_SECONDS = 10
#: Key of the advisory lock that every writer of the configuration, and every migration, takes on PostgreSQL.
LOCK_KEY = 0x67617465776179  # "gateway"

Row = Mapping[str, Any]
Query = ClauseElement | str


class SQLiteConnection(sqlite3.Connection):
    """`synchronous` and `foreign_keys` belong to the connection, so each one gets them; WAL lets readers read on."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for pragma in (
            f"busy_timeout={BUSY_SECONDS * 1000}",
            "auto_vacuum=INCREMENTAL",
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
        ):
            self._execute_in_turn(f"PRAGMA {pragma}")

    def _execute_in_turn(self, statement: str) -> None:
        """SQLite refuses at once, whatever `busy_timeout` says, to make a file WAL that somebody else is writing."""
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                self.execute(statement)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)  # in a thread: connections are opened in those alone
            else:
                return


class Session:
    """One connection for the length of a `with` block. Rows are plain mappings by column name."""

    def __init__(self, connection: Connection, address: Address) -> None:
        self._connection = connection
        self._address = address
        self.engine = address.engine
        self.key_file = f"{address.path}.key" if address.engine == "sqlite" else ""

    async def fetch_all(self, query: Query) -> list[Row]:
        with mapped(self._address):
            return [dict(record._mapping) for record in await self._connection.fetch_all(query)]

    async def fetch_one(self, query: Query) -> Row | None:
        with mapped(self._address):
            record = await self._connection.fetch_one(query)
        return None if record is None else dict(record._mapping)

    async def execute(self, query: Query) -> None:
        with mapped(self._address):
            await self._connection.execute(query)

    async def insert_many(self, table: Table, rows: Sequence[Sequence[Any]], conflict: str = "") -> None:
        """Rows in the order of the table's columns, in one go: a twentieth of what single inserts cost.

        conflict: an ON CONFLICT clause. RowRefused where the driver or the database does not take one of them.
        """
        marks = ("?" if self.engine == "sqlite" else f"${n}" for n in range(1, len(table.columns) + 1))
        statement = f"INSERT INTO {table.name} VALUES ({', '.join(marks)}) {conflict}"  # noqa: S608 - no data in it
        with mapped(self._address):
            try:
                await self._connection.raw_connection.executemany(statement, rows)
            except (OverflowError, TypeError, UnicodeError) as error:
                raise RowRefused(f"{self._address.shown} does not take a row: {type(error).__name__}") from error

    async def execute_script(self, script: str) -> None:
        """SQLite: statements whose results are stepped through to their end, as `incremental_vacuum` wants."""
        with mapped(self._address):
            await self._connection.raw_connection.executescript(script)


class Store:
    """The database of one DATABASE_URL. `connect` binds it to the running event loop; it may be connected again later.

    ConfigurationError when the URL cannot be understood, StoreUnavailable when the database does not answer.
    """

    def __init__(self, database_url: str) -> None:
        self.address = parse_database_url(database_url)
        self.database_url = database_url
        self._database: Database | None = None

    @property
    def connected(self) -> bool:
        return self._database is not None

    async def connect(self) -> None:
        database = self._build_database()
        with mapped(self.address):
            if self.address.engine == "sqlite":
                await asyncio.to_thread(try_sqlite, self.address)
            await database.connect()
        self._database = database

    async def disconnect(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            with mapped(self.address):
                await database.disconnect()

    async def __aenter__(self) -> Store:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.disconnect()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A connection without a transaction: each statement stands alone."""
        if self._database is None:
            raise StoreUnavailable(f"{self.address.shown} is not connected")
        connection = self._database.connection()
        with mapped(self.address):
            await connection.__aenter__()
        try:
            yield Session(connection, self.address)
        finally:
            with mapped(self.address):
                await connection.__aexit__()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Session]:
        """Several reads of one and the same state."""
        begin = "BEGIN" if self.address.engine == "sqlite" else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        async with self.session() as session, _transaction(session, begin):
            yield session

    @asynccontextmanager
    async def write_lock(self) -> AsyncIterator[Session]:
        """One durable transaction with nobody else writing: commits at the end of the block, rolls back on an error."""
        async with self.session() as session:
            if self.address.engine == "sqlite":
                await session.execute("PRAGMA synchronous=FULL")
                async with _transaction(session, "BEGIN IMMEDIATE"):
                    yield session
            else:
                async with _transaction(session, "BEGIN"):
                    await session.execute(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'")
                    await session.execute(f"SELECT pg_advisory_xact_lock({LOCK_KEY})")
                    yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Session]:
        """One transaction that a power cut may undo (a crash of the program cannot). It takes no lock on PostgreSQL."""
        begin = "BEGIN IMMEDIATE" if self.address.engine == "sqlite" else "BEGIN"
        async with self.session() as session, _transaction(session, begin):
            yield session

    @asynccontextmanager
    async def change_probe(self) -> AsyncIterator[Callable[[], Awaitable[int]]]:
        """A cheap function to poll: its number differs after a configuration change (SQLite: after any commit)."""
        if self.address.engine == "sqlite":
            async with self.session() as held:  # data_version counts the commits of others on one held connection

                async def probe() -> int:
                    row = await held.fetch_one("PRAGMA data_version")
                    return int(row["data_version"]) if row else 0

                yield probe
        else:

            async def probe() -> int:
                async with self.session() as session:
                    row = await session.fetch_one("SELECT revision FROM config_state")
                    return int(row["revision"]) if row else 0

            yield probe

    def _build_database(self) -> Database:
        address = self.address
        if address.engine == "sqlite":
            make_sqlite_file(address)
            return Database(f"sqlite:///{quote(address.path)}", factory=SQLiteConnection, timeout=BUSY_SECONDS)
        pool: dict[str, Any] = {"min_size": 1, "max_size": 5, "timeout": BUSY_SECONDS, "command_timeout": 30}
        nothing: dict[str, Any] = dict.fromkeys(("host", "port", "user", "password", "database"))
        return Database("postgresql://", dsn=address.dsn, **nothing, **pool, **address.options)


@asynccontextmanager
async def _transaction(session: Session, begin: str) -> AsyncIterator[None]:
    await session.execute(begin)
    try:
        yield
    except BaseException:
        with suppress(StoreUnavailable):  # the connection is gone, and the transaction with it
            await session.execute("ROLLBACK")
        raise
    await session.execute("COMMIT")


def try_sqlite(address: Address) -> None:
    """`databases` opens nothing yet, and aiosqlite leaves a thread with a traceback where the first open fails."""
    make_sqlite_file(address)
    with mapped(address):
        SQLiteConnection(address.path, timeout=BUSY_SECONDS).close()


def make_sqlite_file(address: Address) -> None:
    """Makes the file, readable by its owner alone, where there is none. SQLite gives its side files the same mode."""
    path = Path(address.path)
    if not path.parent.is_dir():
        raise StoreUnavailable(f"{address.shown}: the directory does not exist; run: mkdir -p {path.parent}")
    with mapped(address):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
