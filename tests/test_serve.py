"""`gatewayd serve` as a process: what it says, what it refuses, how it follows changes and how it ends."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx
import pytest

from gatewayd.config.tokens import add_client_token
from gatewayd.store import Store
from gatewayd.store.keys import build_vault, load_secret_keys
from tests.redis_server import RedisServer
from tests.servers import ROOT, RunningServer, RunningSimulator, clean_env, free_port, run_server
from tests.store.make_fixtures import fixture
from tests.tools import cannot_be_had

GOOD = "version: 1\ngateways:\n  demo: {upstream: {base_url: http://127.0.0.1:9}}\n"
PASSWORD = {"ADMIN_PASSWORD": "a long enough password"}


def serve(folder: Path, env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `gatewayd serve` where it is expected to end by itself."""
    settings = {"DATABASE_URL": f"sqlite:///{folder}/gatewayd.db", "GATEWAYD_CONFIG_DIR": str(folder), **env}
    command = [sys.executable, "-m", "gatewayd", "serve", "--port", "0", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=clean_env(settings), capture_output=True, text=True, timeout=30, check=False
    )


def refused(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert all(line.startswith("gatewayd: ") for line in done.stderr.splitlines())
    assert done.stdout == ""
    return done.stderr


def test_without_a_password_it_says_the_line_to_run(tmp_path: Path) -> None:
    said = refused(serve(tmp_path, {}))
    assert 'export ADMIN_PASSWORD="$(openssl rand -base64 18)"' in said
    assert "fewer than 12" in refused(serve(tmp_path, {"ADMIN_PASSWORD": "short"}))


def test_an_unusable_database_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database, and it is long enough to be read as one" * 20)
    for name, says in (("none/x.db", "none"), ("text.db", "not an SQLite database"), ("", "DATABASE_URL")):
        said = refused(serve(tmp_path, {**PASSWORD, "DATABASE_URL": f"sqlite:///{tmp_path}/{name}"}))
        assert says in said
        assert len(said.splitlines()) == 1
    assert not list(tmp_path.glob("*.key"))


def test_broken_yaml_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("version: 1\ngateways:\n  demo:\n    upstream: {base_ulr: http://x}\n")
    said = refused(serve(tmp_path, PASSWORD))
    assert f"{tmp_path}/a.yaml:4:16: gateways.demo.upstream.base_ulr: " in said


def test_a_port_in_use_is_told_before_anything_is_done(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(serve(tmp_path, PASSWORD, "--port", str(port)))
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in said
    assert not list(tmp_path.glob("gatewayd.db*"))


def test_wrong_usage_exits_64(tmp_path: Path) -> None:
    assert serve(tmp_path, PASSWORD, "--prot", "1").returncode == 64


def test_it_says_what_serves_and_shows_a_generated_token_once(tmp_path: Path, simulator: RunningSimulator) -> None:
    settings = {"GATEWAYD_CONFIG_DIR": str(tmp_path / "own")}
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "demo.yaml").write_text(GOOD.replace("http://127.0.0.1:9", simulator.base_url))
    with run_server(tmp_path, "unused", "http://127.0.0.1:9", "[]", env=settings) as served:
        said = served.log.read_text()
        token = next(word for word in said.split() if word.startswith("gwd_"))
        response = httpx.get(f"{served.root}/gateway/demo/v1/models", headers={"x-api-key": token}, trust_env=False)
        assert response.status_code == 200
    assert f"gatewayd serves on {served.root}" in said
    assert "SQLite" in said
    assert "1 files, 1 gateways" in said
    assert "gatewayd connect demo" in said


def test_an_unset_secret_stops_only_its_gateway(tmp_path: Path, simulator: RunningSimulator) -> None:
    with run_server(tmp_path, "demo", simulator.base_url, '[{name: "*"}]') as served:
        other = (tmp_path / "configs" / "demo.yaml").read_text().replace("demo:", "other:")
        (tmp_path / "configs" / "other.yaml").write_text(other.replace("UPSTREAM_API_KEY", "OTHER_API_KEY"))
        served.process.send_signal(signal.SIGHUP)
        body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        with httpx.Client(trust_env=False, headers={"x-api-key": served.token}) as client:
            url = served.root + "/gateway/other/v1/messages"
            response = _until(lambda: client.post(url, json=body), lambda response: response.status_code != 401)
            assert response.status_code == 503
            assert response.json()["error"]["message"] == "secret OTHER_API_KEY is not set"
            assert client.post(f"{served.base_url}/v1/messages", json=body).status_code == 200


def test_a_bad_file_later_changes_nothing_and_is_told(tmp_path: Path, simulator: RunningSimulator) -> None:
    with run_server(tmp_path, "demo", simulator.base_url, '[{name: "*"}]') as served:
        (tmp_path / "configs" / "bad.yaml").write_text("version: 1\ngateways: [")
        served.process.send_signal(signal.SIGHUP)
        ready = _until(lambda: httpx.get(f"{served.root}/ready", trust_env=False), lambda r: "warnings" in r.json())
        assert ready.status_code == 200
        assert "bad.yaml:" in ready.json()["warnings"][0]
        models = httpx.get(f"{served.base_url}/v1/models", headers={"x-api-key": served.token}, trust_env=False)
        assert models.status_code == 200


def test_two_workers_serve_the_same(tmp_path: Path, simulator: RunningSimulator) -> None:
    with run_server(tmp_path, "demo", simulator.base_url, '[{name: "*"}]', arguments=["--workers", "2"]) as served:
        body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        for _ in range(8):
            response = httpx.post(
                f"{served.base_url}/v1/messages", json=body, headers={"x-api-key": served.token}, trust_env=False
            )
            assert response.status_code == 200
    assert served.process.returncode == 0


def test_sigterm_ends_it_with_exit_code_0(tmp_path: Path) -> None:
    with run_server(tmp_path, "demo", "http://127.0.0.1:9", '[{name: "*"}]') as served:
        served.process.terminate()
        assert served.process.wait(10) == 0


def test_no_secret_reaches_the_log(tmp_path: Path, simulator: RunningSimulator) -> None:
    with run_server(tmp_path, "demo", simulator.base_url, '[{name: "*"}]', "sk-very-secret") as served:
        body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "whispered"}]}
        headers = {"x-api-key": served.token}
        response = httpx.post(f"{served.base_url}/v1/messages", json=body, headers=headers, trust_env=False)
        command_line = Path(f"/proc/{served.process.pid}/cmdline").read_text()
    said = served.log.read_text() + command_line
    assert response.headers["request-id"] in said
    for secret in ("sk-very-secret", served.token, "whispered"):
        assert secret not in said


def test_replicas_share_their_limits_until_the_storage_dies(
    tmp_path: Path, simulator: RunningSimulator, redis_server: RedisServer
) -> None:
    env = {"GATEWAYD_RATE_LIMIT_STORAGE": redis_server.url()}
    with ExitStack() as stack:
        replicas = []
        for name in ("one", "other"):
            (tmp_path / name).mkdir()
            replicas.append(
                stack.enter_context(
                    run_server(
                        tmp_path / name, "demo", simulator.base_url, '[{name: "*", upstream_model: sim-fast}]', env=env,
                        limits="{requests_per_minute: 5}",
                    )
                )
            )  # fmt: skip
        client = stack.enter_context(httpx.Client(trust_env=False, timeout=10))

        def post(served: RunningServer) -> int:
            body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
            headers = {"x-api-key": served.token}
            return client.post(f"{served.base_url}/v1/messages", json=body, headers=headers).status_code

        assert [post(replicas[number % 2]) for number in range(7)] == [200] * 5 + [429] * 2
        redis_server.kill()
        for served in replicas:
            statuses = [post(served) for _ in range(8)]  # more than one refused: a minute may begin in between
            assert (statuses[:5], statuses[-1]) == ([200] * 5, 429), "each counts for itself"
            ready = client.get(f"{served.root}/ready")
            assert ready.status_code == 200
            assert "rate limit storage" in ready.text
            said = served.log.read_text()
            assert said.count("the rate limit storage fails") == 1
            assert redis_server.password not in said


def test_a_rate_limit_storage_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    said = refused(serve(tmp_path, {**PASSWORD, "GATEWAYD_RATE_LIMIT_STORAGE": "redis://:hunter2@127.0.0.1:x/0"}))
    assert said.startswith("gatewayd: GATEWAYD_RATE_LIMIT_STORAGE cannot be used")
    assert "hunter2" not in said
    assert len(said.splitlines()) == 1


def test_the_demo_shows_an_answer_and_ends(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gatewayd", "demo", "--once"],
        cwd=tmp_path, env=clean_env({"PYTHONPATH": str(ROOT)}), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "simulated model" in done.stdout
    assert os.listdir(tmp_path) == []


def test_the_demo_serves_until_ctrl_c_and_says_how_to_connect(tmp_path: Path) -> None:
    port = free_port()
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-m", "gatewayd", "demo", "--port", str(port)],
            cwd=ROOT,
            env=clean_env({}),
            stdout=out,
            # a shell that runs the tests in the background ignores Ctrl-C, and so would all its children
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
    try:
        text = _until(lambda: (tmp_path / "out").read_text(), lambda text: "Ctrl-C" in text)
        token = text.split("ANTHROPIC_AUTH_TOKEN=")[1].split()[0]
        assert f"export ANTHROPIC_BASE_URL=http://127.0.0.1:{port}/gateway/demo" in text
        url = f"http://127.0.0.1:{port}/gateway/demo/v1/models"
        assert httpx.get(url, headers={"x-api-key": token}, trust_env=False).status_code == 200
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(10) == 0
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # shows where every thread is
            process.wait(5)
            raise
    finally:
        process.kill()


def _until(look, good, seconds: float = 15):
    """Looks until what is seen is good: nothing tells when another process has followed a change."""
    deadline = time.monotonic() + seconds
    while not good(seen := look()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s; last seen: {seen!r}")
        time.sleep(0.1)
    return seen


def test_more_connections_than_a_shell_allows_are_served(tmp_path: Path) -> None:
    """`ulimit -n` is commonly 1,024, of which an exchange takes two; the process takes what it may have."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] < 2_000:
        cannot_be_had("2,000 open files", "type: ulimit -Hn 4096")
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        with run_server(tmp_path, "g", "http://127.0.0.1:9/v1", '[{name: "*"}]') as served:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
            host, port = served.root.removeprefix("http://").split(":")
            held = [socket.create_connection((host, int(port))) for _ in range(600)]
            assert httpx.get(f"{served.root}/health", trust_env=False).status_code == 200
            for one in held:
                one.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_an_older_sqlite_is_copied_before_serving(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "gatewayd.db") as connection:
        connection.executescript(fixture("0005", "sqlite").read_text(encoding="utf-8"))
    with run_server(tmp_path, "demo", "http://127.0.0.1:9/v1", "[]") as server:
        said = server.log.read_text()
    copy = tmp_path / "gatewayd.db.schema-0005"
    assert f"backup         {copy}: the database from before" in said
    assert copy.exists()


def test_a_lost_key_file_is_told_in_one_line(tmp_path: Path) -> None:
    with run_server(tmp_path, "demo", "http://127.0.0.1:9/v1", "[]"):
        asyncio.run(_make_token(tmp_path))
    (tmp_path / "gatewayd.db.key").unlink()
    url = f"sqlite:///{tmp_path}/gatewayd.db"
    said = refused(serve(tmp_path, {**PASSWORD, "DATABASE_URL": url}))
    assert "the key does not read what is stored: 0 provider keys and 1 client tokens" in said
    assert f"restore the key file {tmp_path}/gatewayd.db.key" in said
    assert len(said.splitlines()) == 1


async def _make_token(folder: Path) -> None:
    url = f"sqlite:///{folder}/gatewayd.db"
    async with Store(url) as store:
        await add_client_token(store, "demo", "laptop", build_vault(load_secret_keys(None, store.address)))
