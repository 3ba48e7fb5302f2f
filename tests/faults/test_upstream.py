"""Plays every fault of the table, streamed and not: the stated status or event, in bounded time and memory, one record,
the upstream closed, and the next request served. `pytest tests/faults -v` prints one line per case."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from gatewayd.protocol.events import Event
from gatewayd.relay import Timing
from tests.faults.upstream import FAULTS, MIB, Fault
from tests.protocol.grammar import check_grammar
from tests.relay.conftest import Served, events, serve
from tests.relay.provider import Exchange, completion

TIMING = Timing(commit=30, ping=10, hold=60, usage=0.3, write_stall=5, tick=0.05)
SECONDS = 6
MEMORY = 150 * MIB
TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 404: "not_found_error",
    413: "request_too_large", 429: "rate_limit_error", 502: "api_error", 504: "timeout_error", 529: "overloaded_error",
}  # fmt: skip


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
async def test_fault(fault: Fault, stream: bool) -> None:
    healthy = False

    async def script(exchange: Exchange) -> None:
        await (exchange.json(completion()) if healthy else fault.script(exchange))

    async with serve(script, timing=TIMING, timeouts=fault.limits) as served:
        began, memory = time.monotonic(), resident()
        response = await served.post(stream=stream)
        assert time.monotonic() - began < SECONDS
        assert resident() - memory < MEMORY
        if stream and fault.streamed:
            check_stream(fault, response.status_code, response.text)
        else:
            check_whole(fault, response.status_code, response.text)
        await check_ends(served)
        healthy = True
        assert (await served.post()).status_code == 200


def check_whole(fault: Fault, status: int, text: str) -> None:
    assert status == fault.status, text
    answer = json.loads(text)
    if status == 200:
        assert answer["type"] == "message"
    else:
        check_error(fault, answer)
        assert answer["error"]["type"] == TYPES[status]


def check_stream(fault: Fault, status: int, text: str) -> None:
    assert status == 200
    seen = events(text)
    names = [name for name, _ in seen]
    assert names[0] == "message_start"
    assert names[-1] == fault.streamed
    check_grammar([Event(name, payload) for name, payload in seen])
    if fault.streamed == "error":
        check_error(fault, seen[-1][1])


def check_error(fault: Fault, answer: dict) -> None:
    message = answer["error"]["message"]
    assert fault.says in message
    for leak in ("sk-provider", "<", "Traceback", "secret"):
        assert leak not in message


async def check_ends(served: Served) -> None:
    """One record, and no connection to the provider that is still in use."""
    await served.record()
    assert len(served.records) == 1
    served.records.clear()
    async with asyncio.timeout(2):
        while served.app.ctx.relay.means.upstreams.in_use():
            await asyncio.sleep(0.01)


def resident() -> int:
    """Bytes of memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
