"""Client connections that are slow, ambiguous or greedy: refused or cut, and everybody else is served."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import pytest

from gatewayd.api.connection import Connection
from tests.relay.conftest import TOKEN, serve
from tests.relay.provider import Exchange, completion

BODY = b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}'
GOOD = (
    f"POST /gateway/g/v1/messages HTTP/1.1\r\nHost: x\r\nx-api-key: {TOKEN}\r\nContent-Length: {len(BODY)}\r\n\r\n"
).encode() + BODY


async def answer(exchange: Exchange) -> None:
    await exchange.json(completion())


async def hang(_: Exchange) -> None:
    await asyncio.Event().wait()


async def talk(served, data: bytes, seconds: float = 5) -> bytes:
    """Sends bytes and gives all that comes back until the connection ends or falls silent."""
    reader, writer = await connect(served)
    with suppress(ConnectionError):
        writer.write(data)
        await writer.drain()
    received = b""
    with suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(seconds):
            while piece := await reader.read(65536):
                received += piece
                if seconds < 5 and received.endswith(b"}"):
                    break
    writer.close()
    return received


async def connect(served) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = served.url.split("/")[2].split(":")
    return await asyncio.open_connection(host, int(port))


async def still_serves(served) -> None:
    assert (await served.post()).status_code == 200


SMUGGLED = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
HEADS = {
    "blank before the colon": b"POST /gateway/g/v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\nhello",
    "folded line": b"GET /health HTTP/1.1\r\nHost: x\r\nX-A: a\r\n b\r\n\r\n",
    "lone LF": b"GET /health HTTP/1.1\r\nHost: x\r\nX-A: a\nX-B: b\r\n\r\n",
    "NUL": b"GET /health HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n",
    "control character": b"GET /health HTTP/1.1\r\nHost: x\r\nX-A: a\x07b\r\n\r\n",
    "no Host": b"GET /health HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "both lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\nhello",
    "signed length": b"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello",
    "hexadecimal length": b"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5\r\n\r\nhello",
    "list of lengths": b"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\nhello",
    "chunked": b"POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "odd chunked": b"POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "HTTP/2 in the line": b"GET /health HTTP/2.0\r\nHost: x\r\n\r\n",
    "two blanks": b"GET  /health HTTP/1.1\r\nHost: x\r\n\r\n",
    "empty name": b"GET /health HTTP/1.1\r\nHost: x\r\n: a\r\n\r\n",
    "no colon": b"GET /health HTTP/1.1\r\nHost: x\r\nnothing\r\n\r\n",
    "huge header": b"GET /health HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 40_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("head", HEADS.values(), ids=[f"b-smuggle-{name.replace(' ', '-')}" for name in HEADS])
async def test_an_ambiguous_head_is_refused_and_nothing_behind_it_is_executed(head: bytes) -> None:
    async with serve(answer) as served:
        received = await talk(served, head + SMUGGLED)
        assert received[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 411", b"HTTP/1.1 413", b"HTTP/1.1 501", b"")
        assert received.count(b"HTTP/1.1 ") <= 1
        assert b'{"status":"ok"}' not in received
        await still_serves(served)


async def test_two_requests_in_one_go_are_answered_in_order() -> None:
    async with serve(answer) as served:
        received = await talk(served, GOOD + SMUGGLED, seconds=1)
        first, second = received.split(b"HTTP/1.1 ")[1:]
        assert b'"type":"message"' in first
        assert b'{"status":"ok"}' in second


@pytest.mark.parametrize("part", ["head", "body"], ids=["b-slowloris-head", "b-slowloris-body"])
async def test_a_request_that_drips_is_cut_off(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "head_seconds", 0.5)
    monkeypatch.setattr(Connection, "body_seconds", 0.5)
    at = 20 if part == "head" else len(GOOD) - 40
    async with serve(answer) as served:
        began = time.monotonic()
        connections = [await connect(served) for _ in range(20)]
        for _, writer in connections:
            writer.write(GOOD[:at])

        async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError):
                for byte in GOOD[at : at + 30]:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(0.1)
                    if reader.at_eof():
                        return
                assert await reader.read() == b""

        async with asyncio.timeout(5):
            await asyncio.gather(*(drip(*connection) for connection in connections), still_serves(served))
        assert time.monotonic() - began < 3


async def test_an_idle_connection_is_not_cut_by_the_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "head_seconds", 0.2)
    monkeypatch.setattr(Connection, "body_seconds", 0.2)
    async with serve(answer) as served:
        reader, writer = await connect(served)
        for _ in range(2):
            writer.write(GOOD)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            await reader.readuntil(b"}}")
            await asyncio.sleep(0.4)
        writer.close()


async def test_a_client_that_leaves_is_seen_although_it_sent_more() -> None:
    async with serve(hang) as served:
        _, writer = await connect(served)
        writer.write(GOOD)
        async with asyncio.timeout(3):
            while not served.provider.exchanges:
                await asyncio.sleep(0.01)
            writer.write(b"x" * 200_000)
            writer.close()
            await served.provider.closed[0].wait()
        assert (await served.record()).outcome == "cancelled"
        assert await talk(served, GOOD + b"x" * 200_000) == b""


@pytest.mark.parametrize("token", ["wrong", TOKEN])
async def test_a_huge_body_is_refused_before_it_is_read(token: str) -> None:
    size = 200 * 1024 * 1024
    head = f"POST /gateway/g/v1/messages HTTP/1.1\r\nHost: x\r\nx-api-key: {token}\r\nContent-Length: {size}\r\n\r\n"
    async with serve(answer) as served:
        reader, writer = await connect(served)
        writer.write(head.encode())
        status = (await asyncio.wait_for(reader.readline(), 2)).split()[1]
        assert status == (b"413" if token == TOKEN else b"401")
        sent = 0
        with suppress(ConnectionError):
            while sent < size:
                writer.write(b"x" * 1_000_000)
                sent += 1_000_000
                async with asyncio.timeout(2):
                    await writer.drain()
        assert sent < size / 2
        writer.close()
        await still_serves(served)


async def test_many_idle_connections_do_not_slow_an_answer() -> None:
    async with serve(answer) as served:
        connections = [await connect(served) for _ in range(500)]
        began = time.monotonic()
        await still_serves(served)
        assert time.monotonic() - began < 1
        for _, writer in connections:
            writer.close()


async def test_a_client_that_leaves_behind_a_large_body_is_seen() -> None:
    body = BODY[:-1] + b" " * 3_000_000 + b"}"
    head = (
        f"POST /gateway/g/v1/messages HTTP/1.1\r\nHost: x\r\nx-api-key: {TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    async with serve(hang) as served:
        _, writer = await connect(served)
        writer.write(head.encode() + body)
        async with asyncio.timeout(5):
            while not served.provider.exchanges:
                await asyncio.sleep(0.01)
        writer.close()
        async with asyncio.timeout(1):
            await served.provider.closed[0].wait()
