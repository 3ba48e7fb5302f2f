"""The `gateway` table: one row per gateway record, whoever owns it. Rows leave as frozen dataclasses."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from gatewayd.store.database import Row, Session
from gatewayd.store.tables import gateway

Spec = dict[str, Any]


@dataclass(frozen=True, slots=True)
class GatewayRow:
    """One stored record.

    spec        the live normalised spec, without tokens
    managed_by  `ui` or `file:<source>`
    applied     the normalised spec, tokens included, that the file last gave; None for records of the UI
    generation  1, and one more with each change of the record
    updated_at  UTC epoch milliseconds
    state       `active` or `deleted`
    """

    id: str
    spec: Spec
    managed_by: str
    updated_at: int
    updated_by: str
    source_file: str | None = None
    source_line: int | None = None
    applied: Spec | None = None
    generation: int = 1
    state: str = field(default="active")


async def list_gateways(session: Session) -> list[GatewayRow]:
    """All rows, deleted ones too, by id."""
    return [_row(row) for row in await session.fetch_all(gateway.select().order_by(gateway.c.id))]


async def read_gateway(session: Session, gateway_id: str) -> GatewayRow | None:
    row = await session.fetch_one(gateway.select().where(gateway.c.id == gateway_id))
    return _row(row) if row else None


async def add_gateway(session: Session, row: GatewayRow) -> None:
    await session.execute(gateway.insert().values(**_values(row)))


async def save_gateway(session: Session, row: GatewayRow) -> None:
    """Replaces the row of that id."""
    await session.execute(sa.update(gateway).where(gateway.c.id == row.id).values(**_values(row)))


def _row(row: Row) -> GatewayRow:
    values = dict(row)
    values["spec"] = _decode(values["spec"])
    values["applied"] = None if values["applied"] is None else _decode(values["applied"])
    return GatewayRow(**values)


def _decode(text: str) -> Spec:
    """A text that is no JSON object becomes an empty spec, which validation then reports for that record alone."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _values(row: GatewayRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "spec": _encode(row.spec),
        "managed_by": row.managed_by,
        "source_file": row.source_file,
        "source_line": row.source_line,
        "applied": None if row.applied is None else _encode(row.applied),
        "generation": row.generation,
        "updated_at": row.updated_at,
        "updated_by": row.updated_by,
        "state": row.state,
    }


def _encode(spec: Spec) -> str:
    return json.dumps(spec, sort_keys=True, separators=(",", ":"))
