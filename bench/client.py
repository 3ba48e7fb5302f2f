"""Many clients in one process: raw asyncio streams, so that the load costs less than the gateway under it."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """status 0: no answer; ended: a stream's last event, `whole` for a body; first: seconds to the first byte."""

    status: int
    ended: str
    first: float


class Caller:
    """Calls one gateway. `leave_after`: seconds after which the client goes away without reading on."""

    def __init__(self, host: str, port: int, path: str, token: str) -> None:
        self._address = (host, port)
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\nx-api-key: {token}\r\nConnection: close\r\nContent-Length: "
        )

    async def call(self, model: str, *, stream: bool, leave_after: float | None = None, seconds: float = 120) -> Result:
        body = json.dumps(
            {"model": model, "max_tokens": 100, "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
        )
        began = time.monotonic()
        reader, writer = await asyncio.open_connection(*self._address)
        try:
            writer.write(f"{self._head}{len(body)}\r\n\r\n{body}".encode())
            async with asyncio.timeout(leave_after or seconds):
                return await _read(reader, began)
        except TimeoutError:
            if leave_after is None:
                return Result(0, "timeout", seconds)
            writer.transport.abort()
            return Result(0, "left", 0)
        except ConnectionError:
            return Result(0, "reset", 0)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def _read(reader: asyncio.StreamReader, began: float) -> Result:
    head = await reader.readuntil(b"\r\n\r\n")
    first, tail, status = 0.0, b"", int(head[9:12])
    while piece := await reader.read(65536):
        first = first or time.monotonic() - began
        tail = (tail + piece)[-300:]
    stream = b"text/event-stream" in head.lower()
    ended = tail.rsplit(b"event: ", 1)[-1].split(b"\n")[0].decode(errors="replace") if stream else "whole"
    return Result(status, ended, first)
