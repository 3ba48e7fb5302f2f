"""A change of the configuration is served by everybody within a second: workers, replicas, however they hear of it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import asyncpg
import httpx
import pytest

from gatewayd.config import live as live_module
from gatewayd.config.live import Live, start
from gatewayd.config.tokens import NewToken, add_client_token, revoke_client_token
from gatewayd.store import Store
from gatewayd.store import listen as listen_module
from tests.databases import Cluster
from tests.servers import RunningServer, run_server
from tests.tools import ROOT

LIMIT_SECONDS = 1.0
CONFIG = "version: 1\ngateways: {demo: {upstream: {base_url: https://api.example.com}}}\n"

#: One that serves, as far as the configuration goes: prints, as JSON lines, the names of the tokens it takes.
FOLLOWER = """
import asyncio, json, sys
from pathlib import Path
from gatewayd.config.live import Live
from gatewayd.store import Store
async def main():
    async with Store(sys.argv[1]) as store:
        live = Live(store, environ={}, config_dir=Path("none"), mode="off", poll_seconds=0)
        await live.refresh()
        watching = asyncio.create_task(live.watch())
        said = None
        while True:
            names = sorted(live.current.gateways["demo"].token_hashes.values())
            if names != said:
                print(json.dumps(names), flush=True)
                said = names
            await asyncio.sleep(0.005)
asyncio.run(main())
"""


@pytest.fixture
def filled(database_url: str, tmp_path: Path) -> str:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "a.yaml").write_text(CONFIG)
    asyncio.run(start(Store(database_url), environ={}, config_dir=tmp_path / "configs"))
    return database_url


@contextmanager
def follower(url: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", FOLLOWER, url], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def heard_by(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    names: list[str] = json.loads(process.stdout.readline())
    return names


async def add(url: str, name: str) -> NewToken:
    async with Store(url) as store:
        return await add_client_token(store, "demo", name)


async def revoke(url: str, name: str) -> None:
    async with Store(url) as store:
        await revoke_client_token(store, "demo", name)


def test_two_processes_serve_the_change_of_a_third_within_a_second(filled: str) -> None:
    with follower(filled) as one, follower(filled) as two:
        assert heard_by(one) == heard_by(two) == ["generated"]
        for number in range(5):
            asyncio.run(add(filled, f"t{number}"))
            made = time.monotonic()
            expected = sorted(["generated", *(f"t{n}" for n in range(number + 1))])
            assert heard_by(one) == expected
            assert heard_by(two) == expected
            assert time.monotonic() - made <= LIMIT_SECONDS


def test_two_workers_take_and_refuse_a_token_within_a_second(database_url: str, tmp_path: Path) -> None:
    env = {"DATABASE_URL": database_url}
    arguments = ("--workers", "2")
    with run_server(tmp_path, "demo", "http://127.0.0.1:9/v1", "[]", env=env, arguments=arguments) as server:
        new = asyncio.run(add(database_url, "laptop"))
        await_status(server, new.token, 200)
        asyncio.run(revoke(database_url, "laptop"))
        await_status(server, new.token, 401)


def await_status(server: RunningServer, token: str, status: int) -> None:
    """After one second every one of many fresh connections, which the workers share, gets that status."""
    time.sleep(LIMIT_SECONDS)  # the promise is a time
    statuses = set()
    for _ in range(40):
        with httpx.Client(trust_env=False) as client:
            answer = client.get(f"{server.base_url}/v1/models", headers={"x-api-key": token})
            statuses.add(answer.status_code)
    assert statuses == {status}


@asynccontextmanager
async def watching(url: str) -> AsyncIterator[Live]:
    async with Store(url) as store:
        live = Live(store, environ={}, config_dir=Path("none"), mode="off", poll_seconds=0)
        await live.refresh()
        task = asyncio.create_task(live.watch())
        try:
            yield live
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def until(condition: Callable[[], bool], seconds: float = LIMIT_SECONDS) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


def serves(live: Live, name: str) -> bool:
    return name in live.current.gateways["demo"].token_hashes.values()


@pytest.fixture
def on_postgresql(postgresql: Cluster, tmp_path: Path) -> str:
    url = postgresql.create_database()
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "a.yaml").write_text(CONFIG)
    asyncio.run(start(Store(url), environ={}, config_dir=tmp_path / "configs"))
    return url


LISTENERS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'LISTEN%'"


async def listeners(url: str) -> list[int]:
    connection = await asyncpg.connect(url)
    try:
        return [row["pid"] for row in await connection.fetch(LISTENERS)]
    finally:
        await connection.close()


async def await_listener(url: str) -> int:
    async with asyncio.timeout(10):
        while not (pids := await listeners(url)):
            await asyncio.sleep(0.05)
    return pids[0]


async def kill(url: str, pid: int) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SELECT pg_terminate_backend($1)", pid)
    finally:
        await connection.close()


async def test_postgresql_tells_without_being_asked(on_postgresql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "_DATABASE_POLL_SECONDS", {"postgresql": 60})
    async with watching(on_postgresql) as live:
        await await_listener(on_postgresql)
        await add(on_postgresql, "laptop")
        await until(lambda: serves(live, "laptop"))


async def test_polling_serves_a_change_where_nothing_is_told(
    on_postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(*_: object) -> None:
        """As behind a pooler in transaction mode."""

    monkeypatch.setattr(live_module, "listen", silent)
    async with watching(on_postgresql) as live:
        await add(on_postgresql, "laptop")
        await until(lambda: serves(live, "laptop"))
        assert await listeners(on_postgresql) == []


async def test_a_killed_listener_loses_no_change_and_comes_back(
    on_postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen_module, "_RETRY_SECONDS", 1.5)
    async with watching(on_postgresql) as live:
        killed = await await_listener(on_postgresql)
        await kill(on_postgresql, killed)
        await add(on_postgresql, "while-deaf")
        await until(lambda: serves(live, "while-deaf"))
        assert await await_listener(on_postgresql) != killed
        monkeypatch.setattr(live_module, "_DATABASE_POLL_SECONDS", {"postgresql": 60})
        await asyncio.sleep(0.6)  # the last look at the old pace
        await add(on_postgresql, "told-again")
        await until(lambda: serves(live, "told-again"))


async def test_a_change_that_was_told_to_nobody_is_found_when_listening_begins_again(
    on_postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "_DATABASE_POLL_SECONDS", {"postgresql": 60})
    monkeypatch.setattr(listen_module, "_RETRY_SECONDS", 1.0)
    async with watching(on_postgresql) as live:
        await kill(on_postgresql, await await_listener(on_postgresql))
        await add(on_postgresql, "while-deaf")
        await until(lambda: serves(live, "while-deaf"), seconds=5)


async def test_a_request_in_flight_keeps_the_snapshot_that_it_began_with(filled: str) -> None:
    async with watching(filled) as live:
        begun = live.current
        await add(filled, "laptop")
        await until(lambda: serves(live, "laptop"))
        assert list(begun.gateways["demo"].token_hashes.values()) == ["generated"]
