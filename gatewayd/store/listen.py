"""PostgreSQL's word that the configuration changed: a connection of its own that listens, beside the pool.

It only makes a change arrive sooner. Behind a pooler in transaction mode LISTEN is taken and nothing ever arrives,
and a connection may be lost between two words: whoever waits for `heard` must also look by itself now and then.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from gatewayd.errors import StoreUnavailable
from gatewayd.store.driver_errors import mapped
from gatewayd.store.urls import Address

CHANNEL = "gatewayd_config"
_RETRY_SECONDS = 2.0
_CHECK_SECONDS = 30.0  # a connection that was cut without a word is found by asking
_ANSWER_SECONDS = 10.0


async def listen(address: Address, heard: asyncio.Event) -> None:
    """Sets `heard` with every change, and whenever it begins to listen. Runs until cancelled; SQLite: ends at once."""
    while address.engine == "postgresql":
        with suppress(StoreUnavailable):  # who looks by itself tells of it
            await _listen_once(address, heard)
        await asyncio.sleep(_RETRY_SECONDS)


async def _listen_once(address: Address, heard: asyncio.Event) -> None:
    """Until the connection is lost."""
    import asyncpg  # not loaded where SQLite is used

    lost = asyncio.Event()
    with mapped(address):
        connection = await asyncpg.connect(dsn=address.dsn, timeout=_ANSWER_SECONDS, **address.options)
        try:
            connection.add_termination_listener(lambda _connection: lost.set())
            await connection.add_listener(CHANNEL, lambda *_word: heard.set())
            heard.set()  # what was said before nobody heard
            await _until_lost(connection, lost)
        finally:
            connection.terminate()


async def _until_lost(connection: Any, lost: asyncio.Event) -> None:
    while not lost.is_set():
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await lost.wait()
        except TimeoutError:
            await connection.execute("SELECT 1", timeout=_ANSWER_SECONDS)
