"""Faults before a connection stands: streamed and not, the status, how often it was tried, and in what time."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.relay.conftest import Served, serve
from tests.relay.provider import Exchange, completion
from tests.servers import free_port

both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


async def answer(exchange: Exchange) -> None:
    await exchange.json(completion())


@contextmanager
def full_backlog() -> Iterator[int]:
    """A port that listens, and answers nobody: its queue is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
            waiting.append(one)
        try:
            yield listener.getsockname()[1]
        finally:
            for one in waiting:
                one.close()


async def check(served: Served, stream: bool, status: int, says: str) -> str | None:
    """-> the answer's x-should-retry."""
    began = time.monotonic()
    response = await served.post(stream=stream)
    assert time.monotonic() - began < 3
    assert response.status_code == status
    error = response.json()["error"]
    assert error["type"] == {502: "api_error", 504: "timeout_error"}[status]
    assert says in error["message"]
    assert served.provider.exchanges == []
    assert len(served.records) == 1
    return response.headers.get("x-should-retry")


@both
async def test_a_refused(stream: bool) -> None:
    async with serve(answer, base_url=f"http://127.0.0.1:{free_port()}/v1") as served:
        assert await check(served, stream, 502, "cannot be reached") is None
        assert (await served.record()).attempts == 2


@both
async def test_a_dns(stream: bool) -> None:
    async with serve(answer, base_url="https://nowhere.invalid/v1") as served:
        assert await check(served, stream, 502, "nowhere.invalid cannot be resolved") == "false"
        assert (await served.record()).attempts == 1


@both
async def test_a_connect_timeout(stream: bool) -> None:
    with full_backlog() as port:
        url = f"http://127.0.0.1:{port}/v1"
        async with serve(answer, base_url=url, timeouts={"connect": 0.2}) as served:
            await check(served, stream, 504, "connecting to the provider took too long")
            async with asyncio.timeout(2):
                while served.app.ctx.relay.means.upstreams.in_use():
                    await asyncio.sleep(0.01)
