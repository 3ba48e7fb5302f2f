"""Databases for tests: a SQLite file per test, and one real PostgreSQL cluster per run with a database per test.

The cluster lives in a temporary directory on a free port of 127.0.0.1, with a random password, and is stopped
afterwards. Where PostgreSQL cannot be had, its tests are skipped with the reason; with CI=true they fail instead.
"""

from __future__ import annotations

import asyncio
import glob
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from gatewayd.store import Store
from gatewayd.store.migrations import upgrade

ENGINES = ("sqlite", "postgresql")


@dataclass(frozen=True)
class Cluster:
    """A running one; a test that stops it starts it again."""

    port: int
    password: str
    programs: Path
    directory: Path

    def start(self) -> None:
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.directory} -c fsync=off"
        )
        arguments = ("-D", self.directory / "data", "-o", options, "-l", self.directory / "log", "-w", "-t", "30")
        _run(self.programs / "pg_ctl", *arguments, "start")

    def stop(self) -> None:
        _run(self.programs / "pg_ctl", "-D", self.directory / "data", "-m", "immediate", "-w", "stop")

    def url(self, database: str) -> str:
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/{database}"

    def url_without_password(self, url: str) -> str:
        """For programs whose arguments everyone can see; they take PGPASSWORD."""
        return url.replace(f":{self.password}@", "@")

    def create_database(self) -> str:
        """The URL of a new empty database."""
        name = f"test_{secrets.token_hex(6)}"
        asyncio.run(self._execute(f"CREATE DATABASE {name}"))
        return self.url(name)

    def disconnect_all(self, url: str) -> None:
        """Cuts every connection to that database."""
        name = url.rpartition("/")[2]
        asyncio.run(self._execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"))

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    programs = _find_programs()
    if programs is None:
        _cannot_be_had("PostgreSQL: initdb and pg_ctl are not installed (apt install postgresql)")
    directory = Path(tempfile.mkdtemp(prefix="gatewayd-pg-"))
    try:
        yield from _run_cluster(programs, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _run_cluster(programs: Path, directory: Path) -> Iterator[Cluster]:
    cluster = Cluster(_free_port(), secrets.token_urlsafe(24), programs, directory)
    data, password = directory / "data", directory / "password"
    password.write_text(cluster.password)
    if os.geteuid() == 0:
        for path in (directory, password):
            shutil.chown(path, "postgres")
    _run(programs / "initdb", "-D", data, "-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", f"--pwfile={password}")
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop()


def _run(program: Path, *arguments: object) -> None:
    user = {"user": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    command = [str(program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd="/", check=False, **user)
    if done.returncode != 0:
        _cannot_be_had(f"PostgreSQL: {program.name} failed: {(done.stderr or done.stdout).strip()[-300:]}")


def _cannot_be_had(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def _find_programs() -> Path | None:
    """The newest directory that holds both programs; links are followed, as initdb looks for its neighbours."""
    found = [Path(path).resolve().parent for path in (shutil.which("initdb"),) if path]
    found += [Path(path) for path in sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)]
    return next((path for path in found if (path / "initdb").exists() and (path / "pg_ctl").exists()), None)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, once on each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/gatewayd.db"
    cluster: Cluster = request.getfixturevalue("postgresql")
    return cluster.create_database()


@pytest_asyncio.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    """A connected store with the newest schema, once on each engine."""
    async with Store(database_url) as store:
        await upgrade(store)
        yield store
