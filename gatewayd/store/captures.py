"""The `capture` table: of how many of a gateway's next requests the bodies are to be stored, seen by all processes."""

from __future__ import annotations

import sqlalchemy as sa

from gatewayd.store.database import Session
from gatewayd.store.tables import capture


async def list_captures(session: Session) -> dict[str, int]:
    """Gateway id -> how many are still to come."""
    rows = await session.fetch_all(capture.select().where(capture.c.remaining > 0))
    return {row["gateway_id"]: row["remaining"] for row in rows}


async def save_capture(session: Session, gateway_id: str, remaining: int) -> None:
    """0 ends it."""
    await session.execute(capture.delete().where(capture.c.gateway_id == gateway_id))
    if remaining > 0:
        await session.execute(capture.insert().values(gateway_id=gateway_id, remaining=remaining))


async def take_capture(session: Session, gateway_id: str) -> bool:
    """Whether one was still to come; now there is one less."""
    query = (
        sa.update(capture)
        .where(capture.c.gateway_id == gateway_id, capture.c.remaining > 0)
        .values(remaining=capture.c.remaining - 1)
        .returning(capture.c.remaining)
    )
    return await session.fetch_one(query) is not None
