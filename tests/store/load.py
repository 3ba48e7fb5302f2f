"""A steady load of small requests on a served gateway, and what became of each."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from tests.servers import RunningServer

BODY = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


@dataclass
class Load:
    """answered: request id -> when its answer had come (`time.time()`); failed: what others met; seconds: of each."""

    answered: dict[str, float] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def percentile(self, share: float) -> float:
        return sorted(self.seconds)[min(int(len(self.seconds) * share), len(self.seconds) - 1)]

    async def run(self, served: RunningServer, per_second: float) -> None:
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
        headers = {"x-api-key": served.token}
        async with httpx.AsyncClient(trust_env=False, timeout=30, limits=limits, headers=headers) as client:
            calls = set()
            due = time.monotonic()
            while not self.stopping.is_set():
                calls.add(asyncio.ensure_future(self._call(client, f"{served.base_url}/v1/messages")))
                due += 1 / per_second
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            await asyncio.gather(*calls)

    async def _call(self, client: httpx.AsyncClient, url: str) -> None:
        began = time.monotonic()
        try:
            response = await client.post(url, json=BODY)
        except httpx.TransportError as error:
            self.failed.append(type(error).__name__)
            return
        self.seconds.append(time.monotonic() - began)
        if response.status_code == 200:
            self.answered[response.headers["request-id"]] = time.time()
        else:
            self.failed.append(f"{response.status_code} {response.text}")


@contextmanager
def load(served: RunningServer, per_second: float = 20) -> Iterator[Load]:
    """From another thread, until the end of the block and of what was under way then."""
    running = Load()
    thread = threading.Thread(target=lambda: asyncio.run(running.run(served, per_second)))
    thread.start()
    try:
        yield running
    finally:
        running.stopping.set()
        thread.join(60)
