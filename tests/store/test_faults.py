"""Trouble of the database under a served gateway: requests never notice, and of the log no more is lost than promised.

`GATEWAYD_TEST_OUTAGE_SECONDS=60` and `GATEWAYD_TEST_ROUNDS=20` take as long as the promises say; otherwise less.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from gatewayd.store import Store
from tests.databases import Cluster
from tests.observe.test_metrics import read
from tests.servers import ROOT, RunningServer, RunningSimulator, clean_env, run_server
from tests.store.load import BODY, load

OUTAGE = float(os.environ.get("GATEWAYD_TEST_OUTAGE_SECONDS", "10"))
ROUNDS = int(os.environ.get("GATEWAYD_TEST_ROUNDS", "3"))
MODELS = '[{name: "*", upstream_model: sim-fast}]'


@contextmanager
def served(
    folder: Path, simulator: RunningSimulator, url: str | None = None, *arguments: str, await_path: str = "/ready"
) -> Iterator[RunningServer]:
    env = {"DATABASE_URL": url} if url else {}
    with run_server(
        folder, "demo", simulator.base_url, MODELS, env=env, arguments=arguments, await_path=await_path
    ) as running:
        yield running


@contextmanager
def stopped(cluster: Cluster) -> Iterator[None]:
    cluster.stop()
    try:
        yield
    finally:
        cluster.start()


def get(server: RunningServer, path: str) -> httpx.Response:
    return httpx.get(server.root + path, trust_env=False, timeout=20)


def post(server: RunningServer, token: str | None = None) -> httpx.Response:
    headers = {"x-api-key": token or server.token}
    return httpx.post(f"{server.base_url}/v1/messages", json=BODY, headers=headers, trust_env=False, timeout=20)


def metric(server: RunningServer, name: str) -> float:
    value: float = read(get(server, "/metrics").content)[f"gatewayd_{name}"]
    return value


def logged(url: str) -> set[str]:
    """The ids in the request log."""

    async def ids() -> set[str]:
        async with Store(url) as store, store.session() as session:
            return {row["id"] for row in await session.fetch_all("SELECT id FROM request_log")}

    return asyncio.run(ids())


def until(look: Callable[[], Any], wanted: Callable[[Any], bool], seconds: float) -> float:
    """Nothing tells when another process has followed. -> after how many seconds it had."""
    began = time.monotonic()
    while not wanted(seen := look()):
        if time.monotonic() - began > seconds:
            pytest.fail(f"not within {seconds} s; last seen: {str(seen)[:2000]}")
        time.sleep(0.1)
    return time.monotonic() - began


def sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder}/gatewayd.db"


def all_logged(url: str, wanted: set[str], seconds: float) -> None:
    until(lambda: wanted - logged(url), lambda missing: not missing, seconds)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_database_that_is_down_at_the_start(
    tmp_path: Path, simulator: RunningSimulator, postgresql: Cluster, workers: int
) -> None:
    url = postgresql.create_database()
    with stopped(postgresql):
        context = served(tmp_path, simulator, url, "--workers", str(workers), await_path="/health")
        server = context.__enter__()
        try:
            ready = get(server, "/ready")
            assert ready.status_code == 503
            assert "connection refused" in ready.text
            assert postgresql.password not in ready.text + server.log.read_text()
            answer = post(server)
            assert answer.status_code == 200, "gateways of the files are served"
            unknown = post(server, "gwd_made_in_the_ui")
            assert unknown.status_code == 503, "the database may know that token"
            assert unknown.headers["retry-after"] == "5"
            server.process.send_signal(signal.SIGHUP)
            time.sleep(2)  # several tries to connect
            assert server.process.poll() is None
        except BaseException:
            context.__exit__(None, None, None)
            raise
    try:
        until(lambda: {get(server, "/ready").status_code for _ in range(4 * workers)}, lambda seen: seen == {200}, 5)
        assert post(server, "gwd_made_in_the_ui").status_code == 401
        assert post(server).status_code == 200
        assert metric(server, "config_revision") == 1
        all_logged(url, {answer.headers["request-id"]}, 5)
        assert "Traceback" not in server.log.read_text()
    finally:
        context.__exit__(None, None, None)


def test_wrong_credentials_are_no_reason_to_wait(tmp_path: Path, postgresql: Cluster) -> None:
    url = postgresql.create_database().replace(f":{postgresql.password}@", ":wrong-password@")
    env = {"DATABASE_URL": url, "ADMIN_PASSWORD": "a long enough password", "PORT": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "gatewayd", "serve"], cwd=ROOT, env=clean_env(env), capture_output=True, text=True,
        timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "refuses this user and password" in done.stderr
    assert "wrong-password" not in done.stderr


def test_a_database_that_is_lost_for_a_while(
    tmp_path: Path, simulator: RunningSimulator, postgresql: Cluster, record_property: Callable[[str, object], None]
) -> None:
    url = postgresql.create_database()
    with served(tmp_path, simulator, url) as server:
        with load(server) as calls:
            time.sleep(2)
            with stopped(postgresql):
                time.sleep(OUTAGE)
                assert metric(server, "log_queue_depth") > OUTAGE * 10
                assert get(server, "/ready").status_code == 503
            back = time.monotonic()
            until(lambda: get(server, "/ready").status_code, lambda status: status == 200, 5)
            until(lambda: metric(server, "log_queue_depth"), lambda depth: depth < 40, 15)
            record_property("queue_empty_after", round(time.monotonic() - back, 1))
            time.sleep(1)
        assert calls.failed == []
        assert len(calls.answered) > 20 * OUTAGE
        all_logged(url, set(calls.answered), 5)
        assert metric(server, "log_dropped_total") == 0
        assert _connections(postgresql, url) <= 6, "five of the pool, one that listens"
        record_property("requests", len(calls.answered))
        record_property("p99_ms", round(calls.percentile(0.99) * 1000))


def _connections(cluster: Cluster, url: str) -> int:
    async def count() -> int:
        connection = await asyncpg.connect(cluster.url("postgres"))
        try:
            name = url.rpartition("/")[2]
            return int(await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE datname = $1", name))
        finally:
            await connection.close()

    return asyncio.run(count())


def test_a_database_that_takes_two_seconds_for_each_row(
    tmp_path: Path, simulator: RunningSimulator, postgresql: Cluster, record_property: Callable[[str, object], None]
) -> None:
    url = postgresql.create_database()
    with served(tmp_path, simulator, url) as server:
        _slow_down(url, 2)
        with load(server) as calls:
            time.sleep(12)
            assert _connections(postgresql, url) <= 6
        assert calls.failed == []
        record_property("p99_ms", round(calls.percentile(0.99) * 1000))
        until(lambda: len(logged(url)), lambda count: count > 0, 60)
        _slow_down(url, 0)
        all_logged(url, set(calls.answered), 60)
        assert metric(server, "log_dropped_total") == 0


def _slow_down(url: str, seconds: float) -> None:
    async def change() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(
                "CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
                f" $$ BEGIN PERFORM pg_sleep({seconds}); RETURN NULL; END $$"
            )
            if seconds:
                await connection.execute(
                    "CREATE TRIGGER slow BEFORE INSERT ON request_log FOR EACH STATEMENT EXECUTE FUNCTION slow()"
                )
        finally:
            await connection.close()

    asyncio.run(change())


def test_a_locked_sqlite_file(
    tmp_path: Path, simulator: RunningSimulator, record_property: Callable[[str, object], None]
) -> None:
    url = sqlite_url(tmp_path)
    with served(tmp_path, simulator) as server:
        with load(server) as calls:
            time.sleep(1)
            with closing(sqlite3.connect(tmp_path / "gatewayd.db", isolation_level=None)) as other:
                other.execute("BEGIN EXCLUSIVE")
                time.sleep(13)  # longer than a writer waits for the lock
                other.execute("ROLLBACK")
            time.sleep(1)
        assert calls.failed == []
        record_property("p99_ms", round(calls.percentile(0.99) * 1000))
        all_logged(url, set(calls.answered), 15)
        assert metric(server, "log_dropped_total") == 0


def test_a_file_that_cannot_grow(tmp_path: Path, simulator: RunningSimulator) -> None:
    url = sqlite_url(tmp_path)
    with served(tmp_path, simulator) as server:
        limit = (tmp_path / "gatewayd.db-wal").stat().st_size + 65_536
        _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        with load(server, 100) as calls:
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (limit, hard))
            until(lambda: metric(server, "log_queue_depth"), lambda depth: depth > 300, 20)
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
            until(lambda: metric(server, "log_queue_depth"), lambda depth: depth < 200, 20)
        assert calls.failed == []
        all_logged(url, set(calls.answered), 15)
        assert metric(server, "log_dropped_total") == 0
    _check_integrity(tmp_path / "gatewayd.db")


def test_a_full_disk(tmp_path: Path, simulator: RunningSimulator) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("a small file system cannot be mounted by this user")
    url = sqlite_url(disk)
    try:
        with served(tmp_path, simulator, url, "--workers", "2") as server:
            filler = disk / "filler"
            with load(server, 50) as calls:
                with filler.open("wb", buffering=0) as file:
                    _fill(file)
                    until(lambda: metric(server, "log_queue_depth"), lambda depth: depth > 200, 20)
                    assert "the disk is full" in server.log.read_text()
                filler.unlink()
                until(lambda: metric(server, "log_queue_depth"), lambda depth: depth < 100, 20)
            assert calls.failed == []
            all_logged(url, set(calls.answered), 15)
            assert metric(server, "log_dropped_total") == 0
        _check_integrity(disk / "gatewayd.db")
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def _fill(file: Any) -> None:
    """To the last page."""
    with suppress(OSError):
        while file.write(bytes(4096)):
            pass


def _check_integrity(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_kill_9_under_load_loses_the_last_second_at_most(
    tmp_path: Path, simulator: RunningSimulator, database_url: str, record_property: Callable[[str, object], None]
) -> None:
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
    with served(tmp_path / "before", simulator, database_url) as server, load(server, 300) as calls:
        time.sleep(4)
        server.process.kill()
        killed = time.time()
        server.process.wait()
    began = time.monotonic()
    with served(tmp_path / "after", simulator, database_url) as server:
        up = time.monotonic() - began
        assert post(server).status_code == 200
    there = logged(database_url)
    missing = {id_: killed - at for id_, at in calls.answered.items() if id_ not in there}
    record_property("answered", len(calls.answered))
    record_property("missing", len(missing))
    record_property("oldest_missing_s", round(max(missing.values(), default=0), 2))
    record_property("up_again_s", round(up, 1))
    assert len(calls.answered) > 400
    assert max(missing.values(), default=0) < 1
    assert up <= 10
    if database_url.startswith("sqlite"):
        _check_integrity(Path(database_url.removeprefix("sqlite:///")))


_REPLICA = """
import asyncio, sys
from pathlib import Path
from gatewayd.config.live import start
from gatewayd.store import Store
sys.stdin.readline()
live, started = asyncio.run(start(Store(sys.argv[1]), environ={}, config_dir=Path(sys.argv[2])))
print(live.current.revision, *live.current.gateways, len(started.applied.generated))
"""


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_two_replicas_that_start_at_the_same_moment(
    tmp_path: Path, engine: str, request: pytest.FixtureRequest
) -> None:
    (tmp_path / "a.yaml").write_text("version: 1\ngateways:\n  demo: {upstream: {base_url: http://127.0.0.1:9}}\n")
    for number in range(ROUNDS):
        if engine == "sqlite":
            url = f"sqlite:///{tmp_path}/{number}.db"
        else:
            url = request.getfixturevalue("postgresql").create_database()
        replicas = [_start_replica(url, tmp_path) for _ in range(2)]
        for replica in replicas:
            assert replica.stdin is not None
            replica.stdin.write("go\n")
            replica.stdin.flush()
        said = [replica.communicate(timeout=60) for replica in replicas]
        assert [replica.returncode for replica in replicas] == [0, 0], "".join(err for _, err in said)
        assert sorted(out.strip() for out, _ in said) == ["1 demo 0", "1 demo 1"], "one of them made the token"


def _start_replica(url: str, configs: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _REPLICA, url, str(configs)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, cwd=ROOT, env=clean_env({"PYTHONPATH": str(ROOT)}),
    )  # fmt: skip
