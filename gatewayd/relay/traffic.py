"""The exchanges that are under way: how many, and how they end when the process stops."""

from __future__ import annotations

import asyncio
from typing import Protocol

from gatewayd.errors import ApiError, Overloaded

_CLOSING_SECONDS = 5  # for the last events of the exchanges that were ended


class Running(Protocol):
    def end(self, error: ApiError) -> None:
        """Ends the exchange now: its client gets the error, as a status or as an event."""


class Traffic:
    """draining: no new exchange begins."""

    def __init__(self) -> None:
        self.draining = False
        self._running: set[Running] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return len(self._running)

    def add(self, exchange: Running) -> None:
        """Raises Overloaded while draining: the client is to come back, to another process or a later one."""
        if self.draining:
            raise Overloaded("this gateway is being stopped; try again", retry_after=1)
        self._running.add(exchange)
        self._idle.clear()

    def remove(self, exchange: Running) -> None:
        self._running.discard(exchange)
        if not self._running:
            self._idle.set()

    async def drain(self, seconds: float) -> None:
        """Lets running exchanges finish for so long, then ends the rest with an error."""
        self.draining = True
        if await self._become_idle(seconds):
            return
        for exchange in list(self._running):
            exchange.end(Overloaded("this gateway is being stopped"))
        await self._become_idle(_CLOSING_SECONDS)

    async def _become_idle(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True
