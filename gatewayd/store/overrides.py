"""The `override` table: what operators switch without touching a record, so that it never conflicts with a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gatewayd.store.database import Session
from gatewayd.store.tables import override

Kind = Literal["gateway"]


@dataclass(frozen=True, slots=True)
class OverrideRow:
    """until, paused_at: UTC epoch milliseconds; until None: until somebody ends it."""

    kind: Kind
    id: str
    paused: bool
    pause_reason: str
    until: int | None
    paused_by: str
    paused_at: int


async def list_overrides(session: Session) -> list[OverrideRow]:
    rows = await session.fetch_all(override.select().order_by(override.c.kind, override.c.id))
    return [OverrideRow(**(dict(row) | {"paused": bool(row["paused"])})) for row in rows]


async def save_override(session: Session, row: OverrideRow) -> None:
    """Takes the place of the one that is there."""
    await remove_override(session, row.kind, row.id)
    await session.insert_many(
        override,
        [(row.kind, row.id, int(row.paused), row.pause_reason, row.until, row.paused_by, row.paused_at)],
    )


async def remove_override(session: Session, kind: Kind, id_: str) -> None:
    await session.execute(override.delete().where(override.c.kind == kind, override.c.id == id_))
