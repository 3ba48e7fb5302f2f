"""The faults of a provider, as a table: what it does, and what the client must see. `test_upstream.py` plays each one.

`status`     the HTTP status where nothing of an answer had been sent (a whole answer always; a stream mostly)
`streamed`   what a stream ends with when something had been sent: `error`, or `message_stop` where all is well
`says`       a part of the error's message
`limits`     the gateway's time limits for this fault
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.relay.provider import Exchange, Script, chunk, completion

MIB = 1024 * 1024


@dataclass(frozen=True)
class Fault:
    name: str
    script: Script
    status: int
    streamed: str = ""  # "" : the stream is refused with `status` as well
    says: str = ""
    limits: dict[str, float] = field(default_factory=dict)


def wire(data: bytes, *, close: bool = True) -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.write(data)
        if close:
            exchange.writer.close()
        else:
            await asyncio.Event().wait()

    return script


def response(body: bytes, status: int = 200, headers: str = "", kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


def either(whole: Callable[[Exchange], Awaitable[None]], streamed: Callable[[Exchange], Awaitable[None]]) -> Script:
    """Another behaviour for each of the two kinds of call."""

    async def script(exchange: Exchange) -> None:
        await (streamed if exchange.body.get("stream") else whole)(exchange)

    return script


def sse(*pieces: Any, end: str = "terminated", headers: str = "") -> Script:
    """A stream of events and waits; `end`: terminated, closed, reset or open."""

    async def script(exchange: Exchange) -> None:
        await exchange.start_stream(headers)
        for piece in pieces:
            if isinstance(piece, float):
                await asyncio.sleep(piece)
            else:
                await exchange.event(piece)
        if end == "terminated":
            await exchange.write(b"0\r\n\r\n")
        elif end == "closed":
            exchange.writer.close()
        elif end == "reset":
            exchange.writer.transport.abort()
        else:
            await asyncio.Event().wait()

    return script


async def endless(exchange: Exchange, piece: bytes) -> None:
    await exchange.start_stream()
    while True:
        await exchange.event(piece)


async def drip_headers(exchange: Exchange) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 1000:
        await exchange.write(bytes([byte]))
        await asyncio.sleep(0.02)


async def dribble(exchange: Exchange) -> None:
    """A right answer, byte by byte, each in a chunk of its own."""
    await exchange.start_stream()
    events = [chunk({"content": "Grüße 世界"}), chunk({}, "stop", usage={"prompt_tokens": 3, "completion_tokens": 2})]
    for event in events:
        for byte in b"data: " + orjson.dumps(event) + b"\n\n":
            await exchange.event(bytes([byte]))
    await exchange.end()


async def chunk_extensions(exchange: Exchange) -> None:
    """A right answer whose chunks have extensions, and a trailer."""
    await exchange.start_stream()
    for piece in (b"data: " + orjson.dumps(HI) + b"\n\n", b"data: " + orjson.dumps(STOP) + b"\n\n" + DONE):
        await exchange.write(b'%x;name=value;other="a b"\r\n%b\r\n' % (len(piece), piece))
    await exchange.write(b"0\r\nX-Trailer: 1\r\n\r\n")


def _raw(delta: bytes, more: bytes = b"") -> bytes:
    """An event of one delta, as bytes that no serializer would write."""
    return b'data: {"choices":[{"index":0,"finish_reason":null,"delta":%b}]%b}\n\n' % (delta, more)


HI = chunk({"content": "Hi"})
VARIANT = b"data:" + orjson.dumps(HI) + b"\r\n\r\n"
CALLED = chunk({}, "tool_calls", usage={"prompt_tokens": 7, "completion_tokens": 2})
STOP = chunk({}, "stop", usage={"prompt_tokens": 7, "completion_tokens": 2})
DONE = b"data: [DONE]\n\n"
WHOLE = response(orjson.dumps(completion()))
HEAD_9 = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
ELSEWHERE = "Location: http://127.0.0.1:9/\r\n"
BOMB = gzip.compress(b"x" * 10 * MIB)


def _error(status: int, message: str = "told so", **fields: Any) -> bytes:
    return response(orjson.dumps({"error": {"message": message, **fields}}), status)


FAULTS = [
    # --- no answer ---
    Fault("a-accept-close", wire(b""), 502),
    Fault("a-accept-reset", either(*[sse(end="reset")] * 2), 502, says=""),
    Fault("a-hang", wire(b"", close=False), 504, limits={"first_byte": 0.4}),
    Fault("a-headers-then-hang", wire(HEAD_9, close=False), 504, limits={"first_byte": 0.4}),
    Fault("a-drip-headers", drip_headers, 504, limits={"first_byte": 0.5}),
    Fault("a-total", sse(HI, 0.3, HI, 0.3, HI, 0.3, HI, 0.3, HI), 504, "error", "in all", {"total": 0.6}),
    # --- broken HTTP ---
    Fault("a-not-http", wire(b"SSH-2.0-OpenSSH_9\r\n"), 502),
    Fault("a-http09", wire(b"<html>hello</html>"), 502),
    Fault("a-te-and-cl", wire(HEAD_9[:-2] + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), 502),
    Fault("a-chunked-garbage", wire(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc"), 502),
    Fault("a-huge-headers", wire(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000 + b"\r\n\r\n"), 502),
    Fault("a-cl-short", wire(b'HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{"choices":['), 502),
    Fault("a-continue-100", wire(b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE), 200, "message_stop"),
    Fault("a-early-hints-103", wire(b"HTTP/1.1 103 Early\r\nLink: </x>\r\n\r\n" + WHOLE), 200, "message_stop"),
    Fault("a-http10", wire(WHOLE.replace(b"HTTP/1.1", b"HTTP/1.0")), 200, "message_stop"),
    Fault("a-close-delimited", wire(b"HTTP/1.1 200 OK\r\n\r\n" + WHOLE.split(b"\r\n\r\n")[1]), 200, "message_stop"),
    # --- wrong content ---
    Fault("a-empty-200", wire(response(b"")), 502, says="empty"),
    Fault("a-status-204", wire(b"HTTP/1.1 204 No\r\n\r\n"), 502, says="empty"),
    Fault("a-html-200", wire(response(b"<html><title>Login</title><p>secret</html>", kind="text/html")), 502),
    Fault("a-html-503", wire(response(b"<html><title>Busy</title><p>secret</html>", 503, kind="text/html")), 529),
    Fault("a-plain-text-200", wire(response(b"Internal trouble", kind="text/plain")), 502),
    Fault("a-not-json", wire(response(b'{"choices": [')), 502),
    Fault("a-json-string", wire(response(b'"hello"')), 502),
    Fault("a-json-list", wire(response(b"[1,2]")), 502),
    Fault("a-choices-empty", wire(response(b'{"choices": []}')), 502),
    Fault("a-deep-json", wire(response(b'{"a":' * 50_000 + b"1" + b"}" * 50_000)), 502),
    Fault("a-gzip-garbage", wire(response(b"garbage", headers="Content-Encoding: gzip\r\n")), 502, says="encoded"),
    Fault("a-gzip-bomb", wire(response(BOMB, headers="Content-Encoding: gzip\r\n")), 502, says="encoded"),
    Fault("a-error-200", wire(_error(200, code=429)), 429, says="told so"),
    Fault("a-error-in-first-event", sse({"error": {"message": "told so", "code": 503}}), 529, says="told so"),
    Fault("a-invalid-sse", sse(b"data: {nonsense\n\n"), 502),
    Fault("a-sse-not-object", sse(b"data: 17\n\n"), 502),
    # --- statuses ---
    *[
        Fault(f"a-error-{status}", wire(_error(status)), seen, says="told so")
        for status, seen in {
            400: 400, 402: 402, 404: 404, 408: 504, 413: 413, 422: 400, 429: 429, 500: 502, 501: 502, 502: 502,
            503: 529, 504: 504, 529: 529, 599: 502,
        }.items()
    ],
    Fault("a-error-401", wire(_error(401)), 502, says="key"),
    *[
        Fault(f"a-redirect-{status}", wire(response(b"", status, ELSEWHERE)), 502, "", "redirect")
        for status in (301, 302, 303, 307, 308)
    ],
    # --- too much ---
    Fault("a-giant-line", lambda exchange: endless(exchange, b"x" * MIB), 502, says="MiB"),
    Fault("a-giant-body", wire(response(b'{"choices":"' + b"x" * 40 * MIB + b'"}')), 502, says="MiB"),
    Fault("a-infinite-comments", lambda exchange: endless(exchange, b": hold\n\n"), 504, limits={"first_byte": 0.5}),
    # --- in the middle of a stream ---
    Fault("a-stall-mid-stream", sse(HI, end="open"), 504, "error", limits={"idle": 0.4}),
    Fault("a-reset-mid-stream", sse(HI, 0.05, end="reset"), 502, "error"),
    Fault("a-close-mid-stream", sse(HI, 0.05, end="closed"), 502, "error"),
    Fault("a-eof-no-finish", sse(HI, 0.05), 502, "error"),
    Fault("a-truncated-json", sse(HI, 0.05, b'data: {"choices":[{"delta":{"con'), 502, "error"),
    Fault("a-error-in-stream", sse(HI, 0.05, {"error": {"message": "told so"}}), 502, "error", "told so"),
    Fault("a-done-no-finish", sse(HI, 0.05, DONE), 200, "message_stop"),
    Fault("a-finish-no-done", sse(HI, STOP, end="open"), 200, "message_stop"),
    Fault("a-dup-finish", sse(HI, STOP, STOP, DONE, HI), 200, "message_stop"),
    Fault("a-byte-dribble", dribble, 200, "message_stop"),
    # --- odd, but an answer ---
    Fault("a-sse-variants", sse(b": hi\r\nretry: 5\r\nid: 1\r\n", VARIANT, STOP, DONE), 200, "message_stop"),
    Fault("a-chunk-ext", chunk_extensions, 200, "message_stop"),
    Fault("a-nan", sse(_raw(b'{"content":"Hi"}', b',"logprobs":NaN,"x":-Infinity'), STOP, DONE), 200, "message_stop"),
    *[
        Fault(f"a-usage-{name}", sse(HI, chunk({}, "stop", usage=usage), DONE), 200, "message_stop")
        for name, usage in {
            "negative": {"prompt_tokens": -7, "completion_tokens": -1},
            "fraction": {"prompt_tokens": 7.5, "completion_tokens": 1e300},
            "text": {"prompt_tokens": "7", "completion_tokens": "many"},
            "null": {"prompt_tokens": None, "completion_tokens": None},
            "huge": {"prompt_tokens": 2**63, "completion_tokens": 10**18},
            "list": [1],
        }.items()
    ],
    Fault("a-bad-utf8", sse(_raw(b'{"content":"a\xff\xc3b"}'), STOP, DONE), 200, "message_stop"),
    Fault("a-lone-surrogate", sse(_raw(b'{"content":"a\\ud83db"}'), STOP, DONE), 200, "message_stop"),
    Fault("a-control-chars", sse(chunk({"content": "\x1b[2J\u2028\u202e\x00"}), STOP, DONE), 200, "message_stop"),
    *[
        Fault(f"a-weird-{name}", sse(piece, HI, STOP, DONE), 200, "message_stop")
        for name, piece in {
            "choices-null": {"choices": None},
            "choices-object": {"choices": {}},
            "choices-of-null": {"choices": [None]},
            "content-number": chunk({"content": 5}),
            "content-list": chunk({"content": ["a", 1, None]}),
            "delta-null": {"choices": [{"index": 0, "delta": None}]},
            "index-text": {"choices": [{"index": "0", "delta": {"content": "a"}}]},
            "calls-number": chunk({"tool_calls": 3}),
        }.items()
    ],
    *[
        Fault(f"a-tool-{name}", sse(chunk({"tool_calls": calls}), CALLED, DONE), 200, "message_stop")
        for name, calls in {
            "no-id": [{"index": 0, "function": {"name": "f", "arguments": "{}"}}],
            "negative-index": [{"index": -1, "id": "a", "function": {"name": "f", "arguments": "{}"}}],
            "object-arguments": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": {"a": 1}}}],
            "cut-arguments": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"a": "b'}}],
            "interleaved": [
                {"index": n % 2, "id": "ab"[n % 2], "function": {"name": "f" if n < 2 else "", "arguments": text}}
                for n, text in enumerate(['{"a"', '{"b"', ": 1}", ": 2}"])
            ],
        }.items()
    ],
    Fault("a-tool-no-name", sse(chunk({"tool_calls": [{"index": 0, "id": "a"}]}), CALLED, DONE), 502, says="name"),
]  # fmt: skip
