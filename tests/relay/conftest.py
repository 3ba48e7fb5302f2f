"""A gateway served in the test's own event loop, before a provider that is a raw socket and does as it is told."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import orjson
import pytest

from gatewayd.api.connection import Connection
from gatewayd.api.context import App
from gatewayd.app import create_api
from gatewayd.gateways import ActiveGateway, Gateway, Snapshot
from gatewayd.relay import Limiter, Record, Timing
from tests.relay.provider import Provider, Script

_numbers = itertools.count()
TOKEN = "gwd_test"
QUICK = Timing(commit=0.3, ping=0.2, hold=10, usage=0.2, write_stall=0.5, tick=0.05)


@dataclass
class Served:
    """url: the gateway's base; snapshot: what it serves; records: what was logged, in order."""

    provider: Provider
    snapshot: Snapshot
    url: str = ""
    client: httpx.AsyncClient = field(init=False)
    app: App = field(init=False)
    records: list[Record] = field(default_factory=list)

    def swap(self, **changes: Any) -> None:
        """Serves a changed gateway from now on."""
        self.snapshot = Snapshot({"g": replace(self.snapshot.gateways["g"], **changes)})

    def post(self, **fields: Any) -> Awaitable[httpx.Response]:
        return self.client.post(f"{self.url}/v1/messages", json=body(**fields))

    def stream(self, **fields: Any) -> Any:
        return self.client.stream("POST", f"{self.url}/v1/messages", json=body(stream=True, **fields))

    async def record(self) -> Record:
        """The first record, when it has come."""
        async with asyncio.timeout(3):
            while not self.records:
                await asyncio.sleep(0.01)
        return self.records[0]


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]} | fields


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    """The events of a streamed answer."""
    out = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
        if lines:
            out.append((lines["event"], orjson.loads(lines["data"])))
    return out


def active(**upstream: Any) -> ActiveGateway:
    record = Gateway.model_validate({"upstream": upstream})
    hashes = {hashlib.sha256(TOKEN.encode()).digest(): "test"}
    dialect = record.upstream.resolve_dialect()
    return ActiveGateway("g", record, dialect, api_key="sk-provider", token_hashes=hashes)


@asynccontextmanager
async def serve(
    script: Script,
    *,
    timing: Timing = QUICK,
    limiter: Limiter | None = None,
    metrics_token: str = "",
    **upstream: Any,
) -> AsyncIterator[Served]:
    async with Provider(script) as provider:
        served = Served(provider, Snapshot({"g": active(**({"base_url": provider.url} | upstream))}))
        app = create_api(
            lambda: served.snapshot,
            secret_keys=[b"k"],
            record=served.records.append,
            timing=timing,
            limiter=limiter,
            metrics_token=metrics_token,
            name=f"gatewayd-{next(_numbers)}",
        )
        app.config.TOUCHUP = False  # it rewrites the server for one application; several in a process then fail
        served.app = app
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        server = await app.create_server(sock=listener, protocol=Connection, return_asyncio_server=True)
        assert server is not None
        await server.startup()
        await server.before_start()
        await server.after_start()
        served.url = f"http://127.0.0.1:{listener.getsockname()[1]}/gateway/g"
        limits = httpx.Limits(max_connections=None)
        headers = {"x-api-key": TOKEN}
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=15, limits=limits, headers=headers) as served.client:
                yield served
        finally:
            await server.before_stop()
            closed = server.close()
            for connection in list(server.connections):
                connection.abort()
            await closed
            await server.after_stop()


class Clock:
    """`time.time` at the twentieth second of a minute, until it is set."""

    def __init__(self) -> None:
        self.now = 1_700_000_000 // 60 * 60 + 20.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    return clock


@pytest.fixture
def serving() -> Callable[..., Any]:
    """`async with serving(script, timing=…, **upstream) as served`."""
    return serve
