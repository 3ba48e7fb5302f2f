"""Sessions, transactions and what a driver's error becomes, on both engines."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest

from gatewayd.errors import StoreUnavailable
from gatewayd.store import Store
from gatewayd.store.migrations import upgrade
from gatewayd.store.state import bump_revision, read_revision
from tests.databases import Cluster


async def revision_of(store: Store) -> int:
    async with store.read() as session:
        return await read_revision(session)


async def test_a_write_is_seen_after_its_block_and_not_after_an_error(store: Store) -> None:
    async with store.write_lock() as session:
        assert await bump_revision(session) == 1
    with pytest.raises(RuntimeError):
        await _bump_and_fail(store)
    assert await revision_of(store) == 1


async def _bump_and_fail(store: Store) -> None:
    async with store.write_lock() as session:
        await bump_revision(session)
        raise RuntimeError


async def test_a_failed_write_ends_its_transaction_on_a_connection_that_is_kept(store: Store) -> None:
    async with store.session():  # in one task, all blocks share the connection
        with pytest.raises(RuntimeError):
            await _bump_and_fail(store)
        async with store.write_lock() as session:
            assert await bump_revision(session) == 1


async def test_a_cancelled_write_leaves_nothing_and_no_lock(store: Store) -> None:
    inside = asyncio.Event()

    async def write_and_wait() -> None:
        async with store.write_lock() as session:
            await bump_revision(session)
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write_and_wait())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with store.write_lock() as session:
        assert await bump_revision(session) == 1


async def test_simultaneous_writers_take_turns(store: Store) -> None:
    async def read_modify_write() -> None:
        async with store.write_lock() as session:
            before = await read_revision(session)
            await asyncio.sleep(0)
            await session.execute(f"UPDATE config_state SET revision = {before + 1}")

    await asyncio.gather(*(read_modify_write() for _ in range(20)))
    assert await revision_of(store) == 20


async def test_a_read_sees_one_state_while_others_write(store: Store) -> None:
    async with store.read() as session:
        first = await read_revision(session)
        await asyncio.create_task(_bump(store))
        assert await read_revision(session) == first
    assert await revision_of(store) == first + 1


async def test_failing_transactions_do_not_use_up_the_connections(store: Store) -> None:
    for _ in range(12):  # more than the pool holds
        with pytest.raises(StoreUnavailable):
            async with store.write_lock() as session:
                await session.execute("INSERT INTO config_state (id, revision) VALUES (2, 0)")
    assert await revision_of(store) == 0


async def test_the_probe_moves_with_a_change_of_another_connection(store: Store) -> None:
    async with store.change_probe() as probe:
        before = await probe()
        assert await probe() == before
        await asyncio.create_task(_bump(store))
        assert await probe() != before


async def _bump(store: Store) -> None:
    async with store.write_lock() as session:
        await bump_revision(session)


async def test_a_store_can_be_connected_again(store: Store) -> None:
    await store.disconnect()
    with pytest.raises(StoreUnavailable, match="not connected"):
        await revision_of(store)
    await store.connect()
    assert await revision_of(store) == 0


async def test_missing_tables_say_what_to_run(database_url: str) -> None:
    async with Store(database_url) as store:
        with pytest.raises(StoreUnavailable, match="run: gatewayd db upgrade"):
            await revision_of(store)


async def test_the_sqlite_file_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    async with Store(f"sqlite:///{tmp_path}/new.db") as store:
        await upgrade(store)
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}
    assert "new.db" in modes


async def test_every_sqlite_connection_has_its_pragmas(tmp_path: Path) -> None:
    async with Store(f"sqlite:///{tmp_path}/new.db") as store:
        async with store.session() as session:
            found = {
                name: list((await session.fetch_one(f"PRAGMA {name}") or {}).values())
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "auto_vacuum")
            }
        await upgrade(store)
        async with store.write_lock() as session:
            durable = await session.fetch_one("PRAGMA synchronous")
    assert found == {
        "journal_mode": ["wal"],
        "synchronous": [1],
        "foreign_keys": [1],
        "busy_timeout": [10_000],
        "auto_vacuum": [2],
    }
    assert durable == {"synchronous": 2}


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.write_bytes(b"not a database at all" * 100), "is not an SQLite database"),
        (lambda path: path.symlink_to(path.parent / "none" / "x.db"), "No such file or directory"),
    ],
)
async def test_an_unusable_sqlite_file_is_one_clear_line(tmp_path: Path, prepare: object, says: str) -> None:
    path = tmp_path / "x.db"
    assert callable(prepare)
    prepare(path)
    with pytest.raises(StoreUnavailable) as error:
        await Store(f"sqlite:///{path}").connect()
    assert str(path) in str(error.value)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


async def test_a_missing_directory_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=f"run: mkdir -p {tmp_path}/none"):
        await Store(f"sqlite:///{tmp_path}/none/x.db").connect()


async def test_a_new_sqlite_file_that_another_is_just_writing_is_waited_for(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        connecting = asyncio.create_task(Store(f"sqlite:///{tmp_path}/x.db").connect())
        await asyncio.sleep(0.3)
        other.execute("COMMIT")
        await connecting


async def test_a_locked_sqlite_database_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatewayd.store.database.BUSY_SECONDS", 0.05)
    async with Store(f"sqlite:///{tmp_path}/x.db") as store:
        await upgrade(store)
        other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked by another program"):
            async with store.write_lock():
                pass
        other.close()


async def test_a_refused_postgresql_connection_is_one_clear_line(unused_tcp_port: int) -> None:
    with pytest.raises(StoreUnavailable) as error:
        await Store(f"postgres://me:hunter2@127.0.0.1:{unused_tcp_port}/data").connect()
    assert str(error.value) == (
        f"PostgreSQL me@127.0.0.1:{unused_tcp_port}/data cannot be reached: connection refused; "
        "is it running, and reachable from here?"
    )


async def test_an_unknown_host_is_one_clear_line() -> None:
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        await Store("postgres://me:hunter2@nowhere.invalid/data").connect()


async def test_a_wrong_password_is_told_without_it(postgresql: Cluster) -> None:
    with pytest.raises(StoreUnavailable) as error:
        await Store(postgresql.url("postgres").replace(postgresql.password, "hunter2")).connect()
    assert "refuses this user and password" in str(error.value)
    assert "hunter2" not in str(error.value)


async def test_a_missing_postgresql_database_says_so(postgresql: Cluster) -> None:
    with pytest.raises(StoreUnavailable, match="no such database"):
        await Store(postgresql.url("missing")).connect()


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ("sslmode=require", "PostgreSQL server .* rejected SSL|cannot be reached|failed"),
        ("sslmode=verify-full&sslrootcert=/nonexistent/ca.crt", "does not exist|cannot be used|sslrootcert"),
        ("sslmode=nonsense", "check sslmode"),
    ],
)
async def test_sslmode_is_honoured(postgresql: Cluster, parameters: str, says: str) -> None:
    """The cluster speaks no TLS: a mode that asks for it must fail, not fall back."""
    with pytest.raises(StoreUnavailable, match=says):
        await Store(f"{postgresql.url('postgres')}?{parameters}").connect()


async def test_a_lost_postgresql_connection_is_told_and_replaced(postgresql: Cluster) -> None:
    async with Store(await asyncio.to_thread(postgresql.create_database)) as store:
        await upgrade(store)
        with pytest.raises(StoreUnavailable):
            await _write_while_connections_end(postgresql, store)
        assert await revision_of(store) == 0


async def _write_while_connections_end(cluster: Cluster, store: Store) -> None:
    connection = await asyncpg.connect(cluster.url("postgres"))
    name = store.address.dsn.rpartition("/")[2]
    async with store.write_lock() as session:
        await connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        await connection.close()
        await bump_revision(session)
