"""The schema's history on both engines: together with the tables, forward only, all or nothing."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from gatewayd.errors import ConfigurationError, StoreUnavailable
from gatewayd.store import Store
from gatewayd.store.migrations import VERSIONS, check_schema, read_status, run, upgrade
from gatewayd.store.state import read_revision
from tests.databases import Cluster
from tests.store.make_fixtures import fixture

ROOT = Path(__file__).resolve().parents[2]

#: Signals that it is ready, waits until told to go, upgrades.
STARTER = """
import asyncio, sys
from gatewayd.store import Store
from gatewayd.store.migrations import upgrade
async def main():
    async with Store(sys.argv[1]) as store:
        print("ready", flush=True)
        sys.stdin.readline()
        await upgrade(store)
asyncio.run(main())
"""


async def test_an_upgrade_is_done_once(database_url: str) -> None:
    async with Store(database_url) as store:
        assert (await read_status(store)).current is None
        assert await upgrade(store)
        assert not await upgrade(store)
        status = await read_status(store)
    assert status.current == status.newest == VERSIONS[-1]
    assert status.is_current


async def test_a_migration_waits_for_who_is_writing(database_url: str) -> None:
    async with Store(database_url) as store, Store(database_url) as other:
        async with store.write_lock():
            waiting = asyncio.create_task(upgrade(other))
            done, _ = await asyncio.wait([waiting], timeout=1)
            assert not done
        assert await waiting


async def test_an_upgrade_in_a_process_of_its_own(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "run_migrations", None)  # not here
    async with Store(database_url) as store:
        assert await upgrade(store, apart=True)
        assert (await read_status(store)).is_current


async def test_trouble_of_that_process_is_told(tmp_path: Path) -> None:
    """Somebody made a table by hand that the next revision makes."""
    async with Store(await _old_database(tmp_path / "x.db", "0005")) as store:
        async with store.session() as session:
            await session.execute("CREATE TABLE secret (id INTEGER)")
        with pytest.raises(StoreUnavailable, match=f"SQLite {tmp_path}/x.db failed: table secret already exists"):
            await upgrade(store, apart=True)


async def test_a_process_that_cannot_start_is_done_without(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    async with Store(database_url) as store:
        assert await upgrade(store, apart=True)
        assert (await read_status(store)).is_current


async def test_the_newest_revision_is_alembics_head(store: Store) -> None:
    heads: list[str | None] = []
    engine = run._build_engine(store.address)
    async with engine.begin() as connection:
        await connection.run_sync(
            lambda sync: heads.append(ScriptDirectory.from_config(run.build_config(sync)).get_current_head())
        )
    await engine.dispose()
    assert heads == [VERSIONS[-1]]


async def test_the_tables_are_what_the_migrations_make(store: Store) -> None:
    engine = run._build_engine(store.address)
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.check(run.build_config(sync)))
    await engine.dispose()


def test_four_starters_at_once_all_succeed(database_url: str) -> None:
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", STARTER, database_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for _ in range(4)
    ]
    for starter in starters:
        assert starter.stdout is not None
        starter.stdout.readline()
    for starter in starters:
        assert starter.stdin is not None
        starter.stdin.write("go\n")
        starter.stdin.flush()
    results = [starter.communicate(timeout=60) for starter in starters]
    assert [starter.returncode for starter in starters] == [0] * 4, results
    assert asyncio.run(_revision(database_url)) == 0


async def _revision(url: str) -> int:
    async with Store(url) as store:
        await check_schema(store)
        async with store.read() as session:
            return await read_revision(session)


@pytest.fixture
def broken_step(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A second step, in a directory of its own, that fails half-way."""
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "9998_broken.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\nrevision = '9998'\n"
        f"down_revision = {VERSIONS[-1]!r}\n"
        "def upgrade():\n    op.create_table('half', sa.Column('id', sa.Integer))\n    op.execute('SELECT no_such')\n"
    )
    build = run.build_config

    def build_with_step(connection: sa.Connection) -> Config:
        config = build(connection)
        own = Path(run.__file__).parent / "versions"
        config.set_main_option("version_locations", os.pathsep.join([str(own), str(tmp_path / "steps")]))
        return config

    monkeypatch.setattr(run, "build_config", build_with_step)
    monkeypatch.setattr("gatewayd.store.migrations.SchemaStatus.__init__.__defaults__", ("9998", None))


async def test_an_interrupted_migration_leaves_the_old_schema(store: Store, broken_step: None) -> None:
    with pytest.raises(StoreUnavailable):
        await upgrade(store)
    async with store.session() as session:
        row = await session.fetch_one("SELECT version_num FROM alembic_version")
        assert row == {"version_num": VERSIONS[-1]}
        with pytest.raises(StoreUnavailable):
            await session.fetch_all("SELECT * FROM half")


async def test_a_newer_schema_is_refused_and_left_alone(store: Store) -> None:
    async with store.write_lock() as session:
        await session.execute("UPDATE alembic_version SET version_num = '9999'")
    for refused in (upgrade, check_schema):
        with pytest.raises(ConfigurationError, match="schema 9999, newer than this gatewayd knows"):
            await refused(store)
    async with store.session() as session:
        assert await session.fetch_one("SELECT version_num FROM alembic_version") == {"version_num": "9999"}


async def test_readers_refuse_a_database_without_the_schema(database_url: str) -> None:
    async with Store(database_url) as store:
        with pytest.raises(ConfigurationError, match="run: gatewayd db upgrade"):
            await check_schema(store)


def test_alembic_is_not_loaded_when_there_is_nothing_to_do(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    asyncio.run(_upgrade(url))
    program = (
        "import asyncio, sys\nfrom gatewayd.store import Store\nfrom gatewayd.store.migrations import upgrade\n"
        "async def main():\n    async with Store(sys.argv[1]) as store: await upgrade(store)\n"
        "asyncio.run(main())\nprint([name for name in ('alembic', 'sqlalchemy.ext.asyncio', 'asyncpg')"
        " if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, url],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.strip() == "[]"


async def _upgrade(url: str) -> None:
    async with Store(url) as store:
        await upgrade(store)


async def test_a_database_of_another_program_is_refused_and_left_alone(database_url: str) -> None:
    async with Store(database_url) as store:
        async with store.write() as session:
            await session.execute("CREATE TABLE gateway (theirs INTEGER)")
        with pytest.raises(ConfigurationError, match="holds a table 'gateway': that is another program's; point"):
            await upgrade(store)
        async with store.session() as session:
            assert await session.fetch_all("SELECT theirs FROM gateway") == []
        assert (await read_status(store)).current is None


async def test_a_database_that_another_program_migrates_is_refused(database_url: str) -> None:
    async with Store(database_url) as store:
        async with store.write() as session:
            await session.execute("CREATE TABLE alembic_version (version_num TEXT)")
            await session.execute("INSERT INTO alembic_version VALUES ('ae1027a6acf')")
        with pytest.raises(ConfigurationError, match="has schema 'ae1027a6acf': that is another program's; point"):
            await upgrade(store)


async def test_an_sqlite_file_with_any_other_table_is_another_programs(tmp_path: Path) -> None:
    async with Store(f"sqlite:///{tmp_path}/x.db") as store:
        async with store.write() as session:
            await session.execute("CREATE TABLE theirs (id INTEGER)")
        with pytest.raises(ConfigurationError, match="holds a table 'theirs'"):
            await upgrade(store)


def test_postgresql_tables_of_others_under_other_names_are_no_matter(postgresql: Cluster) -> None:
    url = postgresql.create_database()

    async def share() -> None:
        async with Store(url) as store, store.write() as session:
            await session.execute("CREATE TABLE theirs (id INTEGER)")

    asyncio.run(share())
    asyncio.run(_upgrade(url))


async def _old_database(path: Path, revision: str = VERSIONS[-2]) -> str:
    text = fixture(revision, "sqlite").read_text(encoding="utf-8")
    with sqlite3.connect(path) as connection:
        connection.executescript(text)
    return f"sqlite:///{path}"


def _schema_of(path: Path) -> str:
    with sqlite3.connect(path) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


async def test_sqlite_is_copied_before_an_upgrade(tmp_path: Path) -> None:
    async with Store(await _old_database(tmp_path / "x.db")) as store:
        upgraded = await upgrade(store, apart=True)
        assert upgraded is not None
        assert upgraded.backup == tmp_path / f"x.db.schema-{VERSIONS[-2]}"
        assert await upgrade(store) is None
    assert _schema_of(upgraded.backup) == VERSIONS[-2]
    assert _schema_of(tmp_path / "x.db") == VERSIONS[-1]
    assert stat.S_IMODE(upgraded.backup.stat().st_mode) == 0o600
    with sqlite3.connect(upgraded.backup) as connection:
        assert connection.execute("SELECT name FROM token").fetchall() == [("laptop",)]


async def test_an_older_copy_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / f"x.db.schema-{VERSIONS[-2]}").write_text("precious")
    async with Store(await _old_database(tmp_path / "x.db")) as store:
        upgraded = await upgrade(store)
    assert upgraded is not None
    assert upgraded.backup == tmp_path / f"x.db.schema-{VERSIONS[-2]}-2"
    assert (tmp_path / f"x.db.schema-{VERSIONS[-2]}").read_text() == "precious"


async def test_a_new_database_is_not_copied(tmp_path: Path) -> None:
    async with Store(f"sqlite:///{tmp_path}/x.db") as store:
        upgraded = await upgrade(store)
    assert upgraded is not None
    assert upgraded.backup is None


async def test_a_failed_upgrade_leaves_no_copy_behind(tmp_path: Path, broken_step: None) -> None:
    async with Store(await _old_database(tmp_path / "x.db")) as store:
        with pytest.raises(StoreUnavailable):
            await upgrade(store)
    assert not list(tmp_path.glob("x.db.schema-*"))
    assert _schema_of(tmp_path / "x.db") == VERSIONS[-2]


async def test_without_the_copy_there_is_no_upgrade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr("gatewayd.store.backup._copy_sqlite", fail)
    async with Store(await _old_database(tmp_path / "x.db")) as store:
        with pytest.raises(StoreUnavailable, match="the disk is full"):
            await upgrade(store)
    assert _schema_of(tmp_path / "x.db") == VERSIONS[-2]
    assert not list(tmp_path.glob("x.db.schema-*"))
