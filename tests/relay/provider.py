"""A provider as a raw socket: scripts write bytes, so that every fault can be played. It ends with its test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson


@dataclass
class Exchange:
    """One request as it came, and the socket to answer on."""

    head: str
    body: Any
    writer: asyncio.StreamWriter
    connection: int

    def header(self, name: str) -> str | None:
        for line in self.head.split("\r\n")[1:]:
            key, _, value = line.partition(": ")
            if key.lower() == name:
                return value
        return None

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def json(self, value: Any, status: int = 200, headers: str = "") -> None:
        data = orjson.dumps(value)
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n{headers}\r\n"
        await self.write(head.encode() + data)

    async def start_stream(self, headers: str = "") -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n{headers}\r\n"
        await self.write(head.encode())

    async def event(self, value: Any) -> None:
        data = value if isinstance(value, bytes) else b"data: " + orjson.dumps(value) + b"\n\n"
        await self.write(b"%x\r\n%b\r\n" % (len(data), data))

    async def text(self, text: str) -> None:
        await self.event(chunk({"content": text}))

    async def finish(self, reason: str = "stop") -> None:
        await self.event(chunk({}, finish_reason=reason))

    async def end(self) -> None:
        await self.event(b"data: [DONE]\n\n")
        await self.write(b"0\r\n\r\n")


def chunk(delta: dict[str, Any], finish_reason: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}], **fields}


def completion(text: str = "Hi", **fields: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return {"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 2}, **fields}


Script = Callable[[Exchange], Awaitable[None]]


@dataclass
class Provider:
    """Plays `script` for each request. `closed`: for each connection an event, set when the peer has closed it."""

    script: Script
    exchanges: list[Exchange] = field(default_factory=list)
    closed: list[asyncio.Event] = field(default_factory=list)
    url: str = ""

    async def __aenter__(self) -> Provider:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for exchange in self.exchanges:
            exchange.writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.closed)
        self.closed.append(asyncio.Event())
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                exchange = Exchange(head, None, writer, number)
                exchange.body = orjson.loads(await reader.readexactly(int(exchange.header("content-length") or 0)))
                self.exchanges.append(exchange)
                script = asyncio.ensure_future(self.script(exchange))
                peer = asyncio.ensure_future(self._peer_left(reader))
                await asyncio.wait({script, peer}, return_when=asyncio.FIRST_COMPLETED)
                if peer.done():
                    script.cancel()
                    break
                peer.cancel()
                with suppress(asyncio.CancelledError):
                    await peer
                await script
        self.closed[number].set()
        writer.close()

    async def _peer_left(self, reader: asyncio.StreamReader) -> None:
        """Returns when the connection has ended; requests behind this one stay unread."""
        while not reader.at_eof():
            if reader._buffer:  # type: ignore[attr-defined]  # a pipelined request: not ours to read here
                await asyncio.sleep(0.05)
            else:
                with suppress(ConnectionError, RuntimeError):
                    await reader._wait_for_data("peer")  # type: ignore[attr-defined]  # waits without taking bytes
                if reader.exception() is not None:
                    return
