"""Runs Alembic without an alembic.ini: the connection and the place of the scripts are handed over.

One transaction per upgrade, on both engines: SQLite's driver opens none for DDL by itself, so it is begun by hand, and
taking the write lock at once makes simultaneous starters wait for each other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from gatewayd.store.database import BUSY_SECONDS, SQLiteConnection, make_sqlite_file
from gatewayd.store.driver_errors import mapped
from gatewayd.store.urls import Address


async def run_migrations(address: Address) -> None:
    """To the newest revision. StoreUnavailable when the database does not answer; then nothing has changed."""
    engine = _build_engine(address)
    try:
        with mapped(address):
            async with engine.begin() as connection:
                await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def build_config(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: sa.Connection) -> None:
    command.upgrade(build_config(connection), "head")


def _build_engine(address: Address) -> AsyncEngine:
    if address.engine == "sqlite":
        make_sqlite_file(address)
        return _with_real_transactions(
            create_async_engine(
                sa.URL.create("sqlite+aiosqlite", database=address.path),
                connect_args={"factory": SQLiteConnection, "timeout": BUSY_SECONDS},
                poolclass=NullPool,
            )
        )

    async def connect() -> Any:
        import asyncpg

        return await asyncpg.connect(address.dsn, timeout=BUSY_SECONDS, **address.options)

    return create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)


def _with_real_transactions(engine: AsyncEngine) -> AsyncEngine:
    @sa.event.listens_for(engine.sync_engine, "connect")
    def _leave_transactions_to_us(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    @sa.event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
