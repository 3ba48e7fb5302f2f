"""The journal: writes in order, many at once, none lost while the database is away, bad ones alone."""

from __future__ import annotations

import pytest

from gatewayd.errors import StoreUnavailable
from gatewayd.store import Session, Store
from gatewayd.store.journal import QUEUE_LIMIT, Journal
from gatewayd.store.state import bump_revision, read_revision
from gatewayd.store.tables import config_state


async def bump(session: Session) -> None:
    await bump_revision(session)


async def fail(session: Session) -> None:
    await session.execute(config_state.insert().values(id=2, revision=0))  # the table takes one row only


async def revision(store: Store) -> int:
    async with store.read() as session:
        return await read_revision(session)


async def test_all_writes_arrive(store: Store) -> None:
    journal = Journal(store)
    for _ in range(1200):
        journal.put(bump)
    await journal.flush()
    assert await revision(store) == 1200
    assert len(journal) == 0


async def test_a_write_that_fails_takes_no_other_with_it(store: Store) -> None:
    journal = Journal(store)
    for write in (bump, fail, bump):
        journal.put(write)
    await journal.flush()
    assert await revision(store) == 2
    assert len(journal) == 0


async def test_while_the_database_is_away_writes_wait(store: Store) -> None:
    journal = Journal(store)
    journal.put(bump)
    await store.disconnect()
    with pytest.raises(StoreUnavailable):
        await journal.flush()
    assert len(journal) == 1
    await store.connect()
    await journal.flush()
    assert await revision(store) == 1


async def test_a_full_queue_drops_and_counts(store: Store) -> None:
    journal = Journal(store)
    for _ in range(QUEUE_LIMIT + 3):
        journal.put(bump)
    assert (len(journal), journal.dropped) == (QUEUE_LIMIT, 3)
