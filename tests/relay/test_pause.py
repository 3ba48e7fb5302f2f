"""A paused gateway: refused with the operator's reason before anything is done, and served again when it is over."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from gatewayd.gateways import Pause, Snapshot
from tests.relay.conftest import Served, serve
from tests.relay.test_fallback import failing, serve_two, well

REASON = "the provider is down"


async def refused(served: Served, **fields: bool) -> tuple[str | None, str | None]:
    """retry-after and x-should-retry of the refusal."""
    response = await served.post(**fields)
    assert response.status_code == 503
    assert response.json()["error"] == {"type": "api_error", "message": f"gateway g is paused: {REASON}"}
    return response.headers.get("retry-after"), response.headers.get("x-should-retry")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_paused_gateway_says_why_and_that_trying_again_is_no_use(stream: bool) -> None:
    async with serve(well) as served:
        served.swap(pause=Pause(REASON))
        assert await refused(served, stream=stream) == (None, "false")
        assert served.provider.exchanges == []
        record = await served.record()
        assert (record.status, record.outcome, record.attempts) == (503, "refused", 0)
        served.swap(pause=None)
        assert (await served.post(stream=stream)).status_code == 200


async def test_a_pause_that_ends_soon_is_worth_waiting_for() -> None:
    async with serve(well) as served:
        served.swap(pause=Pause(REASON, until=time.time() + 30))
        wait, should_retry = await refused(served)
        assert should_retry is None
        assert wait in ("29", "30")
        served.swap(pause=Pause(REASON, until=time.time() + 3600))
        assert await refused(served) == (None, "false")


async def test_a_pause_that_is_over_is_none() -> None:
    async with serve(well) as served:
        served.swap(pause=Pause(REASON, until=time.time() - 1))
        assert (await served.post()).status_code == 200


async def test_who_has_no_token_does_not_learn_of_it() -> None:
    async with serve(well) as served:
        served.swap(pause=Pause(REASON))
        response = await served.client.post(f"{served.url}/v1/messages", json={}, headers={"x-api-key": "wrong"})
        assert response.status_code == 401
        assert REASON not in response.text


async def test_nobody_falls_back_to_a_paused_gateway() -> None:
    async with serve_two(failing(500)) as (served, second):
        gateways = dict(served.snapshot.gateways)
        gateways["other"] = replace(gateways["other"], pause=Pause(REASON))
        served.snapshot = Snapshot(gateways)
        assert (await served.post()).status_code == 502
        assert second.exchanges == []
