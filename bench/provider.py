"""A provider for load: `MODEL` is `<tokens>x<milliseconds>` (that many chunks, one each), or a fault by its name."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import suppress

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_JSON = b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
FAULTS = ("reset", "cut", "error", "html", "stall", "close")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _event(value: dict) -> bytes:
    return _chunk(b"data: " + json.dumps(value).encode() + b"\n\n")


_TEXT = _event({"choices": [{"index": 0, "delta": {"content": " token"}}]})
_USAGE = {"prompt_tokens": 9, "completion_tokens": 9}
_STOP = _event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": _USAGE})
_END = _STOP + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
_WHOLE = json.dumps(
    {
        "choices": [{"message": {"content": "hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2},
    }
).encode()


class LoadProvider:
    """open: connections that are open now."""

    def __init__(self) -> None:
        self.open = 0

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=4096)
        return int(self._server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = int(re.search(rb"content-length: (\d+)", head.lower())[1])
                    body = json.loads(await reader.readexactly(length))
                    if not await self._answer(writer, body["model"], bool(body.get("stream"))):
                        break
        finally:
            self.open -= 1
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, model: str, stream: bool) -> bool:
        """-> whether the connection may be used again."""
        if model in FAULTS:
            return await self._fail(writer, model, stream)
        tokens, milliseconds = (int(number) for number in model.split("x"))
        if not stream:
            writer.write(_JSON % (200, len(_WHOLE), _WHOLE))
            return True
        writer.write(_HEAD)
        for _ in range(tokens):
            writer.write(_TEXT)
            await writer.drain()
            if milliseconds:
                await asyncio.sleep(milliseconds / 1000)
        writer.write(_END)
        await writer.drain()
        return True

    async def _fail(self, writer: asyncio.StreamWriter, fault: str, stream: bool) -> bool:
        if fault == "error":
            body = b'{"error":{"message":"no"}}'
            writer.write(_JSON % (500, len(body), body))
            return True
        if fault == "html":
            writer.write(_JSON % (200, 13, b"<html></html>"))
            return True
        if fault == "close":
            return False
        writer.write(_HEAD + _TEXT if stream else b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")
        await writer.drain()
        if fault == "reset":
            writer.transport.abort()
        if fault == "stall":
            await asyncio.sleep(1)
        return False
