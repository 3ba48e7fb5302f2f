"""Claude Code and a provider that thinks for longer than the client waits.

Of the client's limits only `API_TIMEOUT_MS`, the time until the headers of an answer, can be made short; the one
between two events is never below 300 s. The test of that one takes minutes, and runs only when it is asked for.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from gatewayd.relay import Timing
from tests.clients.served import PATIENT, WORD, Before, in_turn
from tests.faults.upstream import sse
from tests.relay.provider import Exchange, Script, chunk

pytestmark = pytest.mark.claude

LIMIT = 1.5  # seconds that the client waits for headers
IMPATIENT = {"API_TIMEOUT_MS": str(int(LIMIT * 1000))}
IDLE_LIMIT = 300
CUT = sse(chunk({"content": "Half of"}), end="reset")
HEARTBEAT = Timing(commit=0.3, ping=0.2, hold=0.6, usage=0.3, write_stall=5, tick=0.05)


def thinks(seconds: float, *said: bytes | dict[str, Any]) -> Script:
    """Says this, as bytes or events, and the rest when it has thought."""

    async def script(exchange: Exchange) -> None:
        if not said:
            await asyncio.sleep(seconds)
        await exchange.start_stream()
        for piece in said:
            await exchange.event(piece)
        if said:
            await asyncio.sleep(seconds)
        await exchange.text(WORD)
        await exchange.finish()
        await exchange.end()

    return script


async def hangs(exchange: Exchange) -> None:
    await asyncio.Event().wait()


async def test_a_heartbeat_outlasts_the_clients_patience(before: Before) -> None:
    async with before(thinks(2 * LIMIT), timing=HEARTBEAT) as run:
        told = await run.ask(**IMPATIENT)
        assert (told["is_error"], told["result"]) == (False, WORD), told
        assert [len(run.gateway.knocks), len(run.gateway.requests)] == [1, 1]


@pytest.mark.parametrize("faults", [[], [CUT]], ids=["streamed", "not streamed"])
async def test_an_orphaned_turn_is_not_paid_twice(before: Before, faults: list[Script]) -> None:
    """No heartbeat comes in time, so the client leaves and asks again; behind a cut stream not for a stream."""
    async with before(in_turn(*faults, hangs), timing=PATIENT) as run:
        asking = asyncio.ensure_future(run.ask(**IMPATIENT))
        orphan = await run.gateway.call(len(faults))
        assert bool(orphan.body.get("stream")) is not bool(faults)
        async with asyncio.timeout(LIMIT + 1):
            await run.gateway.served.provider.closed[orphan.connection].wait()
        assert [len(run.gateway.knocks), len(run.gateway.requests)] == [len(faults) + 1] * 2, "paid for beside it"
        told = await asking
        assert (told["is_error"], told["result"]) == (False, WORD), told
        assert [len(run.gateway.knocks), len(run.gateway.requests)] == [len(faults) + 2] * 2


@pytest.mark.skipif(not os.environ.get("GATEWAYD_TEST_MINUTES"), reason="takes minutes; set GATEWAYD_TEST_MINUTES=1")
async def test_the_default_heartbeat_outlasts_the_idle_limit(before: Before) -> None:
    """Silence before the headers, before the first event, and within the answer, side by side."""

    async def outlast(*said: bytes | dict[str, Any]) -> None:
        limits = {"first_byte": 900, "idle": 900}
        async with before(thinks(IDLE_LIMIT * 1.25, *said), timing=Timing(), timeouts=limits) as run:
            told = await run.ask(2 * IDLE_LIMIT)
            assert told["is_error"] is False, told
            assert told["result"].endswith(WORD), told
            assert [len(run.gateway.knocks), len(run.gateway.requests)] == [1, 1]

    await asyncio.gather(outlast(), outlast(b": thinking\n\n"), outlast(chunk({"content": "The "})))
