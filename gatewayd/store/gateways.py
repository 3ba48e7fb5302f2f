"""The `gateway` table: one row per gateway record, whoever owns it. Rows leave as frozen dataclasses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from gatewayd.store.database import Row, Session
from gatewayd.store.tables import gateway, override

Spec = dict[str, Any]

_FEW = 100  # more are decoded in a thread: whoever streams meanwhile must not wait
_COLUMNS = tuple(column.name for column in gateway.columns)


@dataclass(frozen=True, slots=True)
class GatewayRow:
    """One stored record.

    spec        the live normalised spec, without tokens
    managed_by  `ui` or `file:<source>`
    applied     the normalised spec, tokens included, that was last taken from the file; None: nothing ever was
    declared    the normalised spec, tokens included, that the file gave when it was last applied; None: no file has it
    generation  1, and one more with each change of the record
    updated_at  UTC epoch milliseconds
    state       `active`, or `deleted` (at `updated_at`) and still to be restored
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
    declared: Spec | None = None

    @property
    def is_active(self) -> bool:
        return self.state == "active"


async def list_gateways(session: Session) -> list[GatewayRow]:
    """All rows, deleted ones too, by id."""
    rows = await session.fetch_all(gateway.select().order_by(gateway.c.id))
    if len(rows) <= _FEW:
        return [_row(row) for row in rows]
    return await asyncio.to_thread(lambda: [_row(row) for row in rows])


async def read_gateway(session: Session, gateway_id: str) -> GatewayRow | None:
    row = await session.fetch_one(gateway.select().where(gateway.c.id == gateway_id))
    return _row(row) if row else None


async def add_gateway(session: Session, row: GatewayRow) -> None:
    """RowRefused when there is one of that id."""
    await session.insert_many(gateway, [_values(row)])


async def save_gateway(session: Session, row: GatewayRow) -> None:
    await save_gateways(session, [row])


async def save_gateways(session: Session, rows: Sequence[GatewayRow]) -> None:
    """Adds them, or replaces what is there under their ids."""
    if rows:
        values = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS)
        conflict = f"ON CONFLICT (id) DO UPDATE SET {values}"
        await session.insert_many(gateway, [_values(row) for row in rows], conflict)


async def list_purgeable(session: Session, deleted_before: int) -> list[str]:
    """The ids of records that were deleted before that time (UTC epoch milliseconds) and need not be known any more.

    One that its file still has stays: as long as it is known to be deleted here, it is not made anew.
    """
    old = (gateway.c.state == "deleted") & (gateway.c.updated_at < deleted_before) & gateway.c.declared.is_(None)
    return [str(row["id"]) for row in await session.fetch_all(sa.select(gateway.c.id).where(old))]


async def purge_gateways(session: Session, deleted_before: int) -> list[str]:
    """Removes these for good, with all that hangs on them, and gives their ids. Inside `write_lock`."""
    ids = await list_purgeable(session, deleted_before)
    if ids:
        await session.execute(override.delete().where(override.c.kind == "gateway", override.c.id.in_(ids)))
        await session.execute(gateway.delete().where(gateway.c.id.in_(ids)))
    return ids


def _row(row: Row) -> GatewayRow:
    values = dict(row)
    values["spec"] = _decode(values["spec"])
    applied, declared = values["applied"], values["declared"]
    values["applied"] = None if applied is None else _decode(applied)
    same = declared == applied  # as nearly always
    values["declared"] = values["applied"] if same else None if declared is None else _decode(declared)
    return GatewayRow(**values)


def _decode(text: str) -> Spec:
    """A text that is no JSON object becomes an empty spec, which validation then reports for that record alone."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _values(row: GatewayRow) -> tuple[Any, ...]:
    """In the order of the table's columns."""
    texts = {"spec": _encode(row.spec), "applied": _encode(row.applied), "declared": _encode(row.declared)}
    return tuple(texts[name] if name in texts else getattr(row, name) for name in _COLUMNS)


def _encode(spec: Spec | None) -> str | None:
    return None if spec is None else json.dumps(spec, sort_keys=True, separators=(",", ":"))
