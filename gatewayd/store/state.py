"""The revision of the configuration: one number, raised in the transaction of every change."""

from __future__ import annotations

from gatewayd.store.database import Session
from gatewayd.store.listen import CHANNEL
from gatewayd.store.tables import config_state


async def read_revision(session: Session) -> int:
    row = await session.fetch_one(config_state.select())
    return int(row["revision"]) if row else 0


async def bump_revision(session: Session) -> int:
    """Inside `write_lock`. Gives the new revision; on PostgreSQL those who listen hear of it at the commit."""
    await session.execute(config_state.update().values(revision=config_state.c.revision + 1))
    if session.engine == "postgresql":
        await session.execute(f"NOTIFY {CHANNEL}")
    return await read_revision(session)
