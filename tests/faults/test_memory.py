"""What hostile peers may cost in memory, measured on a serving process of its own."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.faults.upstream import HI, MIB, response, wire
from tests.relay.provider import Exchange, Provider, Script
from tests.servers import RunningServer, run_server

BODY = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}


@asynccontextmanager
async def process_before(script: Script, folder: Path) -> AsyncIterator[tuple[RunningServer, Provider]]:
    """A gateway as a process of its own, before a provider in this one."""
    async with Provider(script) as provider:
        enter = run_server(folder, "g", provider.url, '[{name: "*"}]')
        served = await asyncio.to_thread(enter.__enter__)
        try:
            yield served, provider
        finally:
            await asyncio.to_thread(enter.__exit__, None, None, None)


def resident(served: RunningServer, field: str = "VmRSS") -> int:
    """Bytes: now, or at most until now (VmHWM)."""
    status = Path(f"/proc/{served.process.pid}/status").read_text()
    return int(status.split(f"{field}:")[1].split()[0]) * 1024


async def giant_line(exchange: Exchange) -> None:
    await exchange.start_stream()
    await exchange.event(b'data: {"choices":[{"delta":{"content":"')
    for _ in range(100):
        await exchange.event(b"x" * MIB)


async def giant_body(exchange: Exchange) -> None:
    await exchange.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 209715200\r\n\r\n")
    await exchange.write(b'{"choices":"')
    for _ in range(200):
        await exchange.write(b"x" * MIB)


_BOMB = gzip.compress(bytes(64 * MIB)) * 10  # ten members, 640 MiB


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("script", "status", "says", "bound"),
    [
        pytest.param(giant_line, 502, "MiB", 150, id="a-giant-line"),
        pytest.param(giant_body, 502, "MiB", 250, id="a-giant-body"),
        pytest.param(
            wire(response(_BOMB, headers="Content-Encoding: gzip\r\n")), 502, "encoded", 150, id="a-gzip-bomb"
        ),
    ],
)
async def test_a_giant_answer_is_given_up(
    script: Script, status: int, says: str, bound: int, stream: bool, tmp_path: Path
) -> None:
    async with process_before(script, tmp_path) as (served, _):
        before = resident(served)
        async with httpx.AsyncClient(trust_env=False, timeout=15, headers={"x-api-key": served.token}) as client:
            answer = await client.post(f"{served.base_url}/v1/messages", json=BODY | {"stream": stream})
            assert answer.status_code == status
            assert says in answer.json()["error"]["message"]
            assert resident(served, "VmHWM") - before < bound * MIB
            assert (await client.get(f"{served.root}/health")).status_code == 200


async def test_b_slow_reader(tmp_path: Path) -> None:
    """Ten clients that read nothing of an endless answer: the provider is made to wait, the memory is bounded."""
    sent = 0

    async def endless(exchange: Exchange) -> None:
        nonlocal sent
        await exchange.start_stream()
        while True:
            await exchange.event(HI | {"filler": "x" * 10_000, "choices": [{"delta": {"content": "y" * 10_000}}]})
            sent += 20_000

    async with process_before(endless, tmp_path) as (served, provider):
        before = resident(served)
        clients = [slow_client(served) for _ in range(10)]
        began = time.monotonic()
        last = -1
        while sent != last:
            assert time.monotonic() - began < 30, "the provider is never made to wait"
            last = sent
            await asyncio.sleep(1)
        assert len(provider.exchanges) == 10
        assert sent > 0
        assert resident(served, "VmHWM") - before < 120 * MIB
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"{served.root}/health")).status_code == 200
        for client in clients:
            client.close()
        async with asyncio.timeout(3):
            for closed in provider.closed:
                await closed.wait()


def slow_client(served: RunningServer) -> socket.socket:
    host, port = served.root.removeprefix("http://").split(":")
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((host, int(port)))
    body = json.dumps(BODY | {"stream": True})
    head = f"POST /gateway/g/v1/messages HTTP/1.1\r\nHost: x\r\nx-api-key: {served.token}\r\n"
    client.sendall(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    return client
