"""Databases of every schema revision, as users have them, become today's and keep what they hold."""

from __future__ import annotations

import sqlite3

import asyncpg
import pytest
from alembic import command

from gatewayd.store import Store
from gatewayd.store.gateways import list_gateways
from gatewayd.store.migrations import VERSIONS, run, upgrade
from gatewayd.store.state import read_revision
from gatewayd.store.tokens import list_tokens
from tests.store.make_fixtures import ROWS, fixture, statements_until


async def restore(url: str, text: str) -> None:
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            connection.executescript(text)
    else:
        connection = await asyncpg.connect(url)
        await connection.execute(text)
        await connection.close()


@pytest.mark.parametrize("revision", VERSIONS)
async def test_a_database_of_each_revision_is_upgraded_with_all_its_rows(database_url: str, revision: str) -> None:
    engine = "sqlite" if database_url.startswith("sqlite") else "postgresql"
    await restore(database_url, fixture(revision, engine).read_text(encoding="utf-8"))
    async with Store(database_url) as store:
        assert bool(await upgrade(store)) == (revision != VERSIONS[-1])
        async with store.read() as session:
            assert await read_revision(session) == 7
            assert [(row.id, row.generation, row.source_line) for row in await list_gateways(session)] == [
                ("demo", 2, 3)
            ]
            assert [(row.name, row.sha256) for row in await list_tokens(session)] == [("laptop", "1" * 64)]
            for statement in statements_until(revision):
                table = statement.split()[2 if statement.startswith("INSERT") else 1]
                assert await session.fetch_all(f"SELECT * FROM {table}"), table
        migrations = run._build_engine(store.address)
        async with migrations.begin() as connection:
            await connection.run_sync(lambda sync: command.check(run.build_config(sync)))
        await migrations.dispose()


def test_every_revision_has_its_fixtures_and_rows() -> None:
    assert set(ROWS) == set(VERSIONS)
