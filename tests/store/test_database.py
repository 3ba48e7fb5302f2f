"""Sessions, transactions and what a driver's error becomes, on both engines."""

from __future__ import annotations

import pytest

from gatewayd.store import Store
from gatewayd.store.state import bump_revision, read_revision


async def test_a_write_is_seen_after_its_block_and_not_after_an_error(store: Store) -> None:
    async with store.write_lock() as session:
        assert await bump_revision(session) == 1
    with pytest.raises(RuntimeError):
        async with store.write_lock() as session:
            await bump_revision(session)
            raise RuntimeError
    async with store.read() as session:
        assert await read_revision(session) == 1
