"""A gateway in the test's own loop, before a provider that does as it is told, as the real client finds it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from gatewayd.api import messages
from gatewayd.api.context import ApiRequest
from gatewayd.relay import Timing
from tests.clients.claude_code import ClaudeCode, settle
from tests.relay.conftest import TOKEN, Served, serve
from tests.relay.provider import Exchange, Script, chunk, completion

WORD = "heron"
PATIENT = Timing(commit=30, ping=10, hold=60, usage=0.3, write_stall=5, tick=0.05)


@dataclass(frozen=True, slots=True)
class Watched:
    """knocks: one for each request for a message that came to the gateway, also for one with a wrong token."""

    served: Served
    token: str
    knocks: list[None] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        return self.served.url

    @property
    def requests(self) -> list[Exchange]:
        return self.served.provider.exchanges

    def last_words(self) -> str:
        return "\n".join(str(record.fields()) for record in self.served.records[-5:])

    async def call(self, number: int) -> Exchange:
        """The provider's call of that number, when it has come."""
        async with asyncio.timeout(20):
            while len(self.requests) <= number:
                await asyncio.sleep(0.01)  # it comes through two other programs
        return self.requests[number]


@dataclass(frozen=True, slots=True)
class Run:
    """A client that has what it needs."""

    claude: ClaudeCode
    gateway: Watched

    async def ask(self, seconds: float = 20, **env: str) -> dict[str, Any]:
        """What comes of a prompt within that time, with as many retries as the client makes where nobody tells it."""
        claude = replace(self.claude, seconds=seconds)
        return await asyncio.to_thread(claude.ask, "Speak.", "--tools", "", **{"CLAUDE_CODE_MAX_RETRIES": "10"} | env)


@asynccontextmanager
async def run_before(
    script: Script,
    program: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    timing: Timing = PATIENT,
    token: str = TOKEN,
    **upstream: Any,
) -> AsyncIterator[Run]:
    """The client before a gateway, with these upstream settings, before a provider that plays the script."""
    async with serve(script, timing=timing, **upstream) as served:
        gateway = Watched(served, token)
        authenticate = messages.authenticate

        def counted(request: ApiRequest, *arguments: Any) -> Any:
            if request.app is served.app:
                gateway.knocks.append(None)
            return authenticate(request, *arguments)

        monkeypatch.setattr(messages, "authenticate", counted)
        yield Run(settle(program, Path(mkdtemp(dir=folder)), gateway), gateway)


Before = Callable[..., AbstractAsyncContextManager[Run]]


async def answer(exchange: Exchange) -> None:
    """What a provider that is well says, in the form that it was asked for."""
    if not exchange.body.get("stream"):
        await exchange.json(completion(WORD))
        return
    await exchange.start_stream()
    await exchange.text(WORD)
    await exchange.finish()
    await exchange.event(chunk({}) | {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 1}})
    await exchange.end()


def in_turn(*scripts: Script) -> Script:
    """Each script for one request, in this order; all later requests are answered."""
    waiting = list(scripts)

    async def script(exchange: Exchange) -> None:
        await (waiting.pop(0) if waiting else answer)(exchange)

    return script
