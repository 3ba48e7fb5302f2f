"""The `learned` table: habits of a provider that a refusal named and that helped."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from gatewayd.store.database import Session
from gatewayd.store.tables import learned


@dataclass(frozen=True, slots=True)
class LearnedRow:
    """upstream: base URL and dialect; habits: as in `upstream.capabilities`; updated_at: UTC epoch milliseconds."""

    gateway_id: str
    upstream: str
    upstream_model: str
    habits: dict[str, Any]
    updated_at: int


async def list_learned(session: Session, limit: int) -> list[LearnedRow]:
    """The latest ones, the oldest of them first."""
    query = learned.select().order_by(learned.c.updated_at.desc()).limit(limit)
    rows = [dict(row) for row in await session.fetch_all(query)]
    return [LearnedRow(**(row | {"habits": json.loads(row["habits"])})) for row in reversed(rows)]


async def save_learned(session: Session, row: LearnedRow) -> None:
    """Adds the habits to what is there: two processes may learn different ones at the same time."""
    key = (
        (learned.c.gateway_id == row.gateway_id)
        & (learned.c.upstream == row.upstream)
        & (learned.c.upstream_model == row.upstream_model)
    )
    found = await session.fetch_one(learned.select().where(key).with_for_update())
    habits = (json.loads(found["habits"]) if found else {}) | row.habits
    values = {"habits": json.dumps(habits), "updated_at": row.updated_at}
    if found:
        await session.execute(learned.update().where(key).values(**values))
    else:
        keys = {"gateway_id": row.gateway_id, "upstream": row.upstream, "upstream_model": row.upstream_model}
        await session.execute(learned.insert().values(**keys, **values))
