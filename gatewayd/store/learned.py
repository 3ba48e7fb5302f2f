"""The `learned` table: habits of a provider that a refusal named and that helped. At most MAX_ROWS of one gateway."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gatewayd.store.database import Row, Session
from gatewayd.store.tables import learned

MAX_ROWS = 500  # a model's name may come from the client


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
    rows = await session.fetch_all(query)
    return [LearnedRow(**(dict(row) | {"habits": _decode(row)})) for row in reversed(rows)]


async def save_learned(session: Session, row: LearnedRow) -> None:
    """Adds the habits to what is there: two processes may learn different ones at the same time."""
    key = _is(row.gateway_id, row.upstream, row.upstream_model)
    found = await session.fetch_one(learned.select().where(key).with_for_update())
    habits = (_decode(found) if found else {}) | row.habits
    values = {"habits": json.dumps(habits), "updated_at": row.updated_at}
    if found:
        await session.execute(learned.update().where(key).values(**values))
    else:
        keys = {"gateway_id": row.gateway_id, "upstream": row.upstream, "upstream_model": row.upstream_model}
        await session.execute(learned.insert().values(**keys, **values))
        await _trim(session, row.gateway_id)


async def forget_learned(
    session: Session, gateway_id: str, upstream: str, upstream_model: str, names: Collection[str]
) -> None:
    """Takes habits out; a row without any goes."""
    key = _is(gateway_id, upstream, upstream_model)
    found = await session.fetch_one(learned.select().where(key).with_for_update())
    if found is None:
        return
    left = {name: value for name, value in _decode(found).items() if name not in names}
    await session.execute(
        learned.update().where(key).values(habits=json.dumps(left)) if left else learned.delete().where(key)
    )


async def _trim(session: Session, gateway_id: str) -> None:
    mine = learned.c.gateway_id == gateway_id
    surplus = sa.select(learned.c.updated_at).where(mine).order_by(learned.c.updated_at.desc())
    oldest = surplus.offset(MAX_ROWS).limit(1).scalar_subquery()
    await session.execute(learned.delete().where(mine & (learned.c.updated_at <= oldest)))


def _is(gateway_id: str, upstream: str, upstream_model: str) -> sa.ColumnElement[bool]:
    return sa.and_(
        learned.c.gateway_id == gateway_id,
        learned.c.upstream == upstream,
        learned.c.upstream_model == upstream_model,
    )


def _decode(row: Row) -> dict[str, Any]:
    """A text that is no JSON object holds nothing: what was learned can be learned again."""
    try:
        value = json.loads(row["habits"])
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
