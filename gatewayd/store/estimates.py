"""The `estimate` table: what is known of how models count tokens, as sums that add up."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from gatewayd.store.database import Session
from gatewayd.store.tables import estimate


class EstimateRow(NamedTuple):
    """sums: as `Statistics.to_json` gives them; updated_at: UTC epoch milliseconds."""

    gateway_id: str
    upstream_model: str
    sums: dict[str, Any]
    updated_at: int


async def list_estimates(session: Session, since: int, limit: int) -> list[EstimateRow]:
    """Those that were written at or after `since`, the latest `limit` of them, oldest first."""
    query = estimate.select().where(estimate.c.updated_at >= since).order_by(estimate.c.updated_at.desc()).limit(limit)
    return [_row(dict(row)) for row in reversed(await session.fetch_all(query))]


async def read_estimate(session: Session, gateway_id: str, upstream_model: str) -> EstimateRow | None:
    """Inside a `write`: nobody else changes the row until it ends."""
    query = estimate.select().where(_is(gateway_id, upstream_model)).with_for_update()
    row = await session.fetch_one(query)
    return _row(dict(row)) if row else None


async def save_estimate(session: Session, row: EstimateRow, *, new: bool) -> None:
    values = {"sums": json.dumps(row.sums), "updated_at": row.updated_at}
    if new:
        keys = {"gateway_id": row.gateway_id, "upstream_model": row.upstream_model}
        await session.execute(estimate.insert().values(**keys, **values))
    else:
        await session.execute(estimate.update().where(_is(row.gateway_id, row.upstream_model)).values(**values))


def _is(gateway_id: str, upstream_model: str) -> Any:
    return (estimate.c.gateway_id == gateway_id) & (estimate.c.upstream_model == upstream_model)


def _row(row: dict[str, Any]) -> EstimateRow:
    return EstimateRow(**(row | {"sums": json.loads(row["sums"])}))
