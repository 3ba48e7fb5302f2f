"""What requests leave behind, written later: one queue and one task per process, so that no request waits for it.

`put` never blocks. Writes are done in order, many in one transaction. While the database is away they queue; beyond
QUEUE_LIMIT new ones are dropped and counted. A write that fails by itself is dropped with a log line, the others stand.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from gatewayd.errors import RowRefused, StoreUnavailable
from gatewayd.store.database import Session, Store

QUEUE_LIMIT = 10_000
_BATCH = 500
_INTERVAL_SECONDS = 0.5  # what a kill -9 may lose
_RETRY_SECONDS = 5.0

log = logging.getLogger(__name__)

Write = Callable[[Session], Awaitable[None]]


class Journal:
    """dropped: how many writes found the queue full."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: deque[Write] = deque()
        self._wake = asyncio.Event()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, write: Write) -> None:
        if len(self._queue) >= QUEUE_LIMIT:
            self.dropped += 1
            return
        self._queue.append(write)
        self._wake.set()

    async def run(self) -> None:
        """Writes until cancelled; `flush` writes what is left then."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self.flush()
            except StoreUnavailable as error:
                log.warning("%s; %d writes wait", error, len(self._queue))
                self._wake.set()
                await asyncio.sleep(_RETRY_SECONDS)
            await asyncio.sleep(_INTERVAL_SECONDS)

    async def flush(self) -> None:
        """Writes what is queued. Raises StoreUnavailable; the queue is then as it was."""
        while self._queue:
            batch = [self._queue[n] for n in range(min(_BATCH, len(self._queue)))]
            try:
                await self._write(batch)
            except RowRefused:
                for write in batch:
                    await self._write_alone(write)
                    self._queue.popleft()
            else:
                for _ in batch:
                    self._queue.popleft()

    async def _write(self, batch: Sequence[Write]) -> None:
        async with self._store.write() as session:
            for write in batch:
                await write(session)

    async def _write_alone(self, write: Write) -> None:
        try:
            await self._write([write])
        except RowRefused as error:
            log.error("a write is dropped: %s", error)
