"""Claude Code and a provider that fails: what passes is survived, and what does not pass ends the run at once.

The measure is what a native endpoint would give: no run ends in an error that the client could have waited out, and no
run waits for what cannot get better. A fault costs one call at the provider, and the answer one more.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.clients.served import WORD, Before, answer, in_turn
from tests.faults.upstream import response, sse, wire
from tests.relay.provider import Script, chunk
from tests.servers import free_port

pytestmark = pytest.mark.claude

QUICK_LIMITS = {"first_byte": 0.6, "idle": 0.6}
ROLE, HALF = chunk({"role": "assistant", "content": ""}), chunk({"content": "Half of a hero"})
HTML = b"<html><title>502 Bad Gateway</title><body>nginx</body></html>"


def refusal(status: int, message: str, headers: str = "", **fields: Any) -> Script:
    return wire(response(json.dumps({"error": {"message": message, **fields}}).encode(), status, headers))


PASSING: dict[str, list[Script]] = {
    "408": [refusal(408, "Request timeout")],
    "409": [refusal(409, "Conflict")],
    "425": [refusal(425, "Too early")],
    "429 and retry-after": [refusal(429, "Rate limit reached", "Retry-After: 1\r\n")] * 2,
    "429 alone": [refusal(429, "Rate limit reached")],
    "500": [refusal(500, "The server had an error")],
    "502": [refusal(502, "Bad gateway")],
    "503": [refusal(503, "Service unavailable")],
    "529": [refusal(529, "Overloaded")],
    "502 with a page": [wire(response(HTML, 502, kind="text/html"))],
    "200 with a page": [wire(response(HTML, 200, kind="text/html"))],
    "200 with nothing": [wire(response(b""))],
    "200 with an error": [wire(response(b'{"error": {"message": "Internal error", "code": 500}}'))],
    "a stream of nothing": [sse()],
    "closed without an answer": [wire(b"")] * 3,
    "no byte": [wire(b"", close=False)],
    "no event": [sse(end="open")],
    "cut before content": [sse(ROLE, end="reset")],
    "cut after text": [sse(HALF, end="reset")],
    "ended after text": [sse(HALF)],
    "silent after text": [sse(HALF, end="open")],
    "error before content": [sse({"error": {"message": "Internal error", "code": 500}})],
    "overloaded after text": [sse(HALF, {"error": {"message": "Overloaded", "code": 529}})],
    "rate limit after text": [sse(HALF, {"error": {"message": "Rate limit reached", "code": 429}})],
}


@pytest.mark.parametrize("faults", PASSING.values(), ids=PASSING)
async def test_survives(before: Before, faults: list[Script]) -> None:
    async with before(in_turn(*faults), timeouts=QUICK_LIMITS) as run:
        told = await run.ask(10)
        assert (told["is_error"], told["result"]) == (False, WORD), told
        assert len(run.gateway.requests) == len(faults) + 1


async def test_survives_a_provider_that_is_started_late(before: Before) -> None:
    """Refused twice by the port, for the gateway tries once more by itself."""
    async with before(answer, base_url=f"http://127.0.0.1:{free_port()}/v1") as run:
        served = run.gateway.served
        asking = asyncio.ensure_future(run.ask(10))
        while not served.records:
            await asyncio.sleep(0.01)
        upstream = served.snapshot.gateways["g"].gateway.upstream.model_copy(update={"base_url": served.provider.url})
        served.swap(gateway=served.snapshot.gateways["g"].gateway.model_copy(update={"upstream": upstream}))
        told = await asking
        assert (told["is_error"], told["result"]) == (False, WORD), told
        assert [len(run.gateway.knocks), len(run.gateway.requests)] == [2, 1]


@dataclass(frozen=True)
class Hopeless:
    """status and says: what is printed; knocks: how often the client asks at most, where it tries other forms."""

    script: Script
    status: int
    says: str
    knocks: int = 1
    settings: dict[str, Any] = field(default_factory=dict)


OTHER_FORMS = 6  # what the newest client tries by itself after a 400, without waiting
HOPELESS: dict[str, Hopeless] = {
    "401": Hopeless(refusal(401, "Incorrect API key provided"), 502, "refused the gateway's key"),
    "403 of the key": Hopeless(refusal(403, "Invalid API key"), 502, "refused the gateway's key"),
    "403 of the words": Hopeless(refusal(403, "Your input was flagged"), 403, "Your input was flagged"),
    "404": Hopeless(refusal(404, "The model `x` does not exist"), 404, "issue with the selected model", 2),
    "402": Hopeless(refusal(402, "Insufficient balance"), 402, "Insufficient balance"),
    "429 of the quota": Hopeless(refusal(429, "You exceeded your current quota"), 402, "exceeded your current quota"),
    "429 for hours": Hopeless(refusal(429, "Limit reached", "Retry-After: 7200\r\n"), 429, "Limit reached"),
    "400": Hopeless(refusal(400, "It does not like herons"), 400, "It does not like herons", OTHER_FORMS),
    "422": Hopeless(refusal(422, "It does not like herons"), 400, "It does not like herons", OTHER_FORMS),
    "413": Hopeless(refusal(413, "Too large"), 413, "Request too large"),
    "a redirect": Hopeless(wire(response(b"", 302, "Location: http://127.0.0.1:9/\r\n")), 502, "redirect"),
    "an unknown host": Hopeless(
        answer, 502, "cannot be resolved", settings={"base_url": "https://provider.invalid/v1"}
    ),
    "a wrong token": Hopeless(answer, 401, "token", settings={"token": "gwd_wrong"}),
}


@pytest.mark.parametrize("fault", HOPELESS.values(), ids=HOPELESS)
async def test_gives_up_at_once(before: Before, fault: Hopeless) -> None:
    async with before(fault.script, **fault.settings) as run:
        told = await run.ask(5)
        assert (told["is_error"], told["api_error_status"]) == (True, fault.status), told
        assert fault.says in told["result"]
        assert 1 <= len(run.gateway.knocks) <= fault.knocks
        assert len(run.gateway.requests) == (0 if fault.settings else len(run.gateway.knocks))
