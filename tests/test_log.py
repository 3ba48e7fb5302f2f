"""`gatewayd serve` and its request log, as a process: nothing is lost at the end, little when it is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import httpx

from gatewayd.store import Store
from gatewayd.store.bodies import read_bodies
from gatewayd.store.request_log import LogFilter, LogRow, list_rows
from gatewayd.store.usage import list_usage
from tests.databases import Cluster
from tests.servers import RunningServer, RunningSimulator, end, run_server

BODY = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


def rows(url: str) -> list[LogRow]:
    async def read() -> list[LogRow]:
        async with Store(url) as store, store.read() as session:
            found = (await list_rows(session, LogFilter(), limit=10**6)).rows
            usage = await list_usage(session, 0, 2**62, step="all")
            assert sum(row.usage.requests for row in usage) == len(found)
            return found

    return asyncio.run(read())


class Load:
    """Requests one after another on several threads; the ids and times of those that were answered."""

    def __init__(self, served: RunningServer, threads: int = 4) -> None:
        self.answered: list[tuple[str, float]] = []
        self.failed = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(served,)) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(10)

    def _send(self, served: RunningServer) -> None:
        with httpx.Client(trust_env=False, headers={"x-api-key": served.token}) as client:
            while not self._stop.is_set():
                try:
                    response = client.post(f"{served.base_url}/v1/messages", json=BODY)
                except httpx.TransportError:
                    return
                if response.status_code == 200:
                    self.answered.append((response.headers["request-id"], time.monotonic()))
                else:
                    self.failed += 1


def test_on_sigterm_no_row_is_lost(tmp_path: Path, database_url: str, simulator: RunningSimulator) -> None:
    with run_server(
        tmp_path, "demo", simulator.base_url, '[{name: "*"}]', env={"DATABASE_URL": database_url}
    ) as served:
        load = Load(served)
        time.sleep(1.5)
        end(served.process)
        load.stop()
    assert len(load.answered) > 50
    assert {identity for identity, _ in load.answered} <= {row.id for row in rows(database_url)}


def test_killed_it_loses_only_the_last_second(tmp_path: Path, database_url: str, simulator: RunningSimulator) -> None:
    with run_server(
        tmp_path, "demo", simulator.base_url, '[{name: "*"}]', env={"DATABASE_URL": database_url}
    ) as served:
        load = Load(served)
        time.sleep(2.5)
        killed = time.monotonic()
        os.kill(served.process.pid, signal.SIGKILL)
        load.stop()
    known = {row.id for row in rows(database_url)}
    lost = [killed - at for identity, at in load.answered if identity not in known]
    assert len(load.answered) > 100
    assert max(lost, default=0) < 1


def test_two_workers_log_into_one_file(tmp_path: Path, simulator: RunningSimulator) -> None:
    arguments = ["--workers", "2"]
    with run_server(tmp_path, "demo", simulator.base_url, '[{name: "*"}]', arguments=arguments) as served:
        load = Load(served)
        time.sleep(1.5)
        load.stop()
        end(served.process)
    assert {identity for identity, _ in load.answered} == {row.id for row in rows(f"sqlite:///{tmp_path}/gatewayd.db")}


def test_bodies_of_errors_are_stored_without_the_providers_key(tmp_path: Path, simulator: RunningSimulator) -> None:
    key = "zq-" + "k" * 30
    with run_server(tmp_path, "demo", simulator.base_url, '[{name: "*"}]', api_key=key) as served:
        body = BODY | {"messages": [{"role": "user", "content": f"my key is {key}"}], "model": "sim-error-400"}
        with httpx.Client(trust_env=False, headers={"x-api-key": served.token}) as client:
            failed = client.post(f"{served.base_url}/v1/messages", json=body)
            fine = client.post(f"{served.base_url}/v1/messages", json=BODY)
        end(served.process)
    assert (failed.status_code, fine.status_code) == (400, 200)

    async def read(identity: str) -> dict[str, object]:
        async with Store(f"sqlite:///{tmp_path}/gatewayd.db") as store, store.read() as session:
            return await read_bodies(session, identity)

    bodies = asyncio.run(read(failed.headers["request-id"]))
    assert bodies.keys() == {"request", "upstream", "told"}
    assert "my key is [redacted]" in str(bodies["request"])
    assert key not in str(bodies)
    assert asyncio.run(read(fine.headers["request-id"])) == {}
    for path in tmp_path.glob("gatewayd.db*"):
        assert key.encode() not in path.read_bytes()


def test_with_the_database_locked_requests_are_answered_and_rows_wait(
    tmp_path: Path, simulator: RunningSimulator
) -> None:
    path = tmp_path / "gatewayd.db"
    with run_server(tmp_path, "demo", simulator.base_url, '[{name: "*"}]') as served:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            with httpx.Client(trust_env=False, headers={"x-api-key": served.token}) as client:
                answers = [client.post(f"{served.base_url}/v1/messages", json=BODY) for _ in range(20)]
            assert {answer.status_code for answer in answers} == {200}
            other.execute("ROLLBACK")
        end(served.process)
    assert {answer.headers["request-id"] for answer in answers} == {row.id for row in rows(f"sqlite:///{path}")}


def test_with_postgresql_away_requests_are_answered_and_rows_wait(
    tmp_path: Path, postgresql: Cluster, simulator: RunningSimulator
) -> None:
    url = postgresql.create_database()
    with run_server(tmp_path, "demo", simulator.base_url, '[{name: "*"}]', env={"DATABASE_URL": url}) as served:
        load = Load(served, threads=2)
        for _ in range(5):
            time.sleep(0.4)
            postgresql.disconnect_all(url)
        load.stop()
        end(served.process)
    assert load.failed == 0
    assert {identity for identity, _ in load.answered} == {row.id for row in rows(url)}


def test_postgresql_stopped_and_started_again_costs_no_request_and_no_row(
    tmp_path: Path, postgresql: Cluster, simulator: RunningSimulator
) -> None:
    url = postgresql.create_database()
    with run_server(tmp_path, "demo", simulator.base_url, '[{name: "*"}]', env={"DATABASE_URL": url}) as served:
        load = Load(served, threads=1)
        time.sleep(0.5)
        postgresql.stop()
        try:
            stopped = len(load.answered)
            time.sleep(3)
            assert len(load.answered) > stopped + 20
        finally:
            postgresql.start()
        load.stop()
        end(served.process)
    assert load.failed == 0
    assert {identity for identity, _ in load.answered} == {row.id for row in rows(url)}
