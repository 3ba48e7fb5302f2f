"""One client connection: what Sanic's protocol leaves open is closed here.

* A request's head and body have absolute deadlines; Sanic's own timers begin anew at every byte.
* The head has one interpretation or is refused (RFC 9112): no lone CR or LF, no control characters, no blank before a
  colon, no folded lines, exactly one Host, a length of digits. Chunked request bodies are refused: no known client
  sends them, and Sanic's decoder reads more than the standard allows.
* Bytes that pile up behind a whole request end the connection: Sanic stops reading then, and would not see a client go.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from sanic.exceptions import BadRequest
from sanic.http import Http, Stage
from sanic.server.protocols.http_protocol import HttpProtocol

HEAD_SECONDS = 30.0
BODY_SECONDS = 60.0
_UNREAD_BYTES = 32 * 1024

_REQUEST_LINE = re.compile(rb"[A-Z]{1,20} [\x21-\x7e]+ HTTP/1\.[01]")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)")


class CheckedHttp(Http):
    """Sanic's HTTP/1 with a strict look at each head that it has read."""

    async def http1_request_header(self) -> None:
        await super().http1_request_header()  # type: ignore[no-untyped-call]  # Sanic gives it no types
        check_head(self.request.head)
        assert isinstance(self.protocol, Connection)
        self.protocol.head_read(has_body=bool(self.request_body))

    async def read(self) -> bytes | None:
        piece: bytes | None = await super().read()
        if piece is None:
            assert isinstance(self.protocol, Connection)
            self.protocol.body_read()
        return piece


class Connection(HttpProtocol):
    __slots__ = ("_deadline",)

    HTTP_CLASS = CheckedHttp
    head_seconds = HEAD_SECONDS
    body_seconds = BODY_SECONDS

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._deadline: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        http = self.http
        if http is None or http.stage in (Stage.IDLE, Stage.REQUEST):
            if self._deadline is None:
                self._deadline = self.loop.call_later(self.head_seconds, self.abort)
        elif not http.request_body:
            self._bound_unread()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        super().connection_lost(exc)  # type: ignore[no-untyped-call]  # Sanic gives it no types

    def head_read(self, *, has_body: bool) -> None:
        self._stop_clock()
        if has_body:
            self._deadline = self.loop.call_later(self.body_seconds, self.abort)
        else:
            self._read_on()

    def body_read(self) -> None:
        self._stop_clock()
        self._read_on()

    def _read_on(self) -> None:
        """The request is read. Sanic may have paused reading on its last bytes; then nobody would see the client go."""
        self._bound_unread()
        if self.transport is not None:
            self.transport.resume_reading()

    def _bound_unread(self) -> None:
        if len(self.recv_buffer) > _UNREAD_BYTES:
            self.abort()  # type: ignore[no-untyped-call]  # Sanic gives it no types

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def check_head(head: bytes) -> None:
    """Raises BadRequest unless the head can be read in one way only."""
    line, *fields = head.split(b"\r\n")
    if not _REQUEST_LINE.fullmatch(line):
        raise BadRequest("the request line is not well formed")
    hosts = 0
    for field in fields:
        match = _FIELD.fullmatch(field)
        if match is None:
            raise BadRequest("a header field is not well formed")
        name = match[1].lower()
        hosts += name == b"host"
        if name == b"transfer-encoding" or (name == b"content-length" and not match[2].strip().isdigit()):
            raise BadRequest("a request body needs a Content-Length")
    if hosts > 1 or (hosts == 0 and line.endswith(b"1.1")):
        raise BadRequest("exactly one Host is needed")
