"""Claude Code at a paused gateway: one call, and the operator's reason on the screen."""

from __future__ import annotations

import pytest

from gatewayd.gateways import Pause
from tests.clients.served import Before, answer

pytestmark = pytest.mark.claude


async def test_is_told_why_at_once(before: Before) -> None:
    async with before(answer) as run:
        run.gateway.served.swap(pause=Pause("moving to another provider, back at 14:00"))
        told = await run.ask(10)
        assert told["is_error"], told
        assert "gateway g is paused: moving to another provider, back at 14:00" in told["result"]
        assert (len(run.gateway.knocks), run.gateway.requests) == (1, [])
