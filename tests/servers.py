"""Real servers for tests, on loopback and free ports: the simulated provider in a thread, gatewayd as a subprocess.

Both are ended by their context managers, whatever the test does. A server that does not come up within its time is a
failure that shows what it printed.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sanic.server import AsyncioServer

from gatewayd.simulator.app import Received, Simulator, create_simulator
from tests.databases import ENGINES, Cluster
from tests.tools import ROOT

START_SECONDS = 30
STOP_SECONDS = 15
PROVIDER_KEY = "sk-simulated-provider-key"


@dataclass(frozen=True, slots=True)
class RunningSimulator:
    """base_url ends in /v1; requests are the latest ones as they came."""

    base_url: str
    app: Simulator

    @property
    def requests(self) -> list[Received]:
        return list(self.app.ctx.requests)

    def forget(self) -> None:
        self.app.ctx.requests.clear()

    def outcome(self, received: Received, seconds: float) -> str:
        """How the exchange ended; `""` where it has not within that time."""
        deadline = time.monotonic() + seconds
        while not received.ended and time.monotonic() < deadline:
            time.sleep(0.01)  # it ends in the loop of another thread
        return received.ended


@dataclass(frozen=True, slots=True)
class RunningGateway:
    """base_url: what a client takes as its base URL (no /v1 at the end); log: the file with the server's output."""

    base_url: str
    token: str
    simulator: RunningSimulator
    log: Path

    @property
    def requests(self) -> list[Received]:
        """What reached the provider."""
        return self.simulator.requests

    def last_words(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-4000:]


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    """A simulated provider of this test alone."""
    with run_simulator() as running:
        yield running


@pytest.fixture(scope="session")
def shared_simulator() -> Iterator[RunningSimulator]:
    with run_simulator(api_key=PROVIDER_KEY) as running:
        yield running


@pytest.fixture(scope="session")
def sqlite_gateway(
    tmp_path_factory: pytest.TempPathFactory, shared_simulator: RunningSimulator
) -> Iterator[RunningGateway]:
    with run_gateway(tmp_path_factory.mktemp("gateway"), shared_simulator) as running:
        yield running


@pytest.fixture(scope="session")
def postgresql_gateway(
    tmp_path_factory: pytest.TempPathFactory, shared_simulator: RunningSimulator, postgresql: Cluster
) -> Iterator[RunningGateway]:
    env = {"DATABASE_URL": postgresql.create_database()}
    with run_gateway(tmp_path_factory.mktemp("gateway"), shared_simulator, env) as running:
        yield running


@pytest.fixture(scope="session", params=ENGINES)
def shared_gateway(request: pytest.FixtureRequest) -> RunningGateway:
    """Once on SQLite and once on PostgreSQL."""
    running: RunningGateway = request.getfixturevalue(f"{request.param}_gateway")
    return running


@pytest.fixture
def gateway(shared_gateway: RunningGateway) -> RunningGateway:
    """A served gateway `demo` in front of the simulated provider, whose list of requests begins empty."""
    shared_gateway.simulator.forget()
    return shared_gateway


@contextmanager
def run_simulator(**options: Any) -> Iterator[RunningSimulator]:
    """A simulated provider in a thread of its own; `options` go to `create_simulator`."""
    app = create_simulator(**options)
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    # asyncio leaves it out where the listener names no protocol; answers then come 40 ms late now and then
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(_start(app, listener), loop).result(START_SECONDS)
    try:
        yield RunningSimulator(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", app)
    finally:
        asyncio.run_coroutine_threadsafe(_stop(server), loop).result(STOP_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(STOP_SECONDS)
        loop.close()


async def _start(app: Simulator, listener: socket.socket) -> AsyncioServer:
    server: AsyncioServer = await app.create_server(sock=listener, return_asyncio_server=True)
    await server.startup()
    await server.before_start()
    await server.after_start()
    return server


async def _stop(server: AsyncioServer) -> None:
    await server.before_stop()
    closed = server.close()
    for connection in list(server.connections):
        connection.abort()
    await closed
    await server.after_stop()


@contextmanager
def run_gateway(
    folder: Path, simulator: RunningSimulator, env: Mapping[str, str] | None = None
) -> Iterator[RunningGateway]:
    """`gatewayd serve` with one gateway `demo` whose upstream is the simulated provider."""
    with run_server(folder, "demo", simulator.base_url, _DEMO_MODELS, PROVIDER_KEY, env) as served:
        yield RunningGateway(served.base_url, served.token, simulator, served.log)


@dataclass(frozen=True, slots=True)
class RunningServer:
    """root: the server's own address; base_url: the gateway's; log: the file with the server's output."""

    root: str
    base_url: str
    token: str
    log: Path
    process: subprocess.Popen[bytes]


@contextmanager
def run_server(
    folder: Path,
    gateway_id: str,
    base_url: str,
    models: str,
    api_key: str = "",
    env: Mapping[str, str] | None = None,
    arguments: Sequence[str] = (),
    limits: str = "{}",
    await_path: str = "/ready",
    program: Sequence[str] = ("-m", "gatewayd", "serve"),
    files: Mapping[str, str] | None = None,
) -> Iterator[RunningServer]:
    """`gatewayd serve` as a process, on SQLite in `folder` unless `env` says otherwise, with one gateway.

    await_path: what answers 200 when it is up; program: what Python runs; files: more of configuration, by their names
    """
    token = f"gwd-{secrets.token_hex(16)}"
    configs = folder / "configs"
    configs.mkdir()
    (configs / f"{gateway_id}.yaml").write_text(_yaml(gateway_id, base_url, models, limits, token), encoding="utf-8")
    for name, text in (files or {}).items():
        (configs / name).write_text(text, encoding="utf-8")
    port = free_port()
    settings = {
        "ADMIN_PASSWORD": secrets.token_hex(16),
        "DATABASE_URL": f"sqlite:///{folder}/gatewayd.db",
        "GATEWAYD_CONFIG_DIR": str(configs),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "UPSTREAM_API_KEY": api_key or "sk-none",
        **(env or {}),
    }
    log = folder / "serve.log"
    command = [sys.executable, *program, *arguments]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=clean_env(settings), stdout=output, stderr=output)
    root = f"http://127.0.0.1:{port}"
    try:
        _await_ready(f"{root}{await_path}", process, log)
        yield RunningServer(root, f"{root}/gateway/{gateway_id}", token, log, process)
    finally:
        end(process)


_DEMO_MODELS = (
    "[{name: kimi-k2, upstream_model: sim-fast}, {name: claude-heron, upstream_model: sim-fast}, "
    '{name: "sim-*"}, {name: "claude-*", upstream_model: sim-fast}]'
)


def _yaml(gateway_id: str, base_url: str, models: str, limits: str, token: str) -> str:
    digest = hashlib.sha256(token.encode()).hexdigest()
    return f"""\
version: 1
gateways:
  {gateway_id}:
    upstream: {{base_url: "{base_url}", api_key: {{env: UPSTREAM_API_KEY}}}}
    models: {models}
    limits: {limits}
    tokens: [{{name: tests, sha256: "{digest}"}}]
"""


def clean_env(settings: Mapping[str, str]) -> dict[str, str]:
    """An environment with nothing of the machine's but where its programs and folders are."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV")
    return {name: os.environ[name] for name in kept if name in os.environ} | dict(settings)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def end(process: subprocess.Popen[Any]) -> None:
    """Ask the process to stop, then make it."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
        return
    process.kill()
    process.wait()


def _await_ready(url: str, process: subprocess.Popen[Any], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    with httpx.Client(trust_env=False, timeout=2) as client:
        while time.monotonic() < deadline and process.poll() is None:
            with suppress(httpx.TransportError):
                if client.get(url).status_code == 200:
                    return
            time.sleep(0.05)  # nothing tells when another process begins to listen
    state = "ended" if process.poll() is not None else f"was not ready within {START_SECONDS} s"
    raise AssertionError(f"gatewayd serve {state}:\n{log.read_text(errors='replace')[-4000:]}")
