"""The `audit_event` table: who changed what, written in the transaction of the change. No secret is ever part of it."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gatewayd.store.database import Row, Session
from gatewayd.store.tables import audit_event


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One change.

    actor    `admin@10.0.0.1`, `file:default@3f2c1ab`, `cli@host`
    action   what was done, a verb: `create`, `update`, `delete`, `pause`, …
    subject  `gateway:demo`, `source:default`, …
    detail   JSON values; for records: `fields`, a list of {field, before, after}
    at       UTC epoch milliseconds
    """

    actor: str
    action: str
    subject: str
    detail: dict[str, Any] = field(default_factory=dict)
    at: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    id: str = field(default_factory=lambda: f"aud_{secrets.token_hex(12)}")


async def add_events(session: Session, events: Sequence[AuditEvent]) -> None:
    rows = [(event.id, event.at, event.actor, event.action, event.subject, _encode(event.detail)) for event in events]
    if rows:
        await session.insert_many(audit_event, rows)


async def list_events(
    session: Session, subject: str | None = None, *, before: int | None = None, limit: int = 100
) -> list[AuditEvent]:
    """The newest first. before: only what happened earlier, UTC epoch milliseconds."""
    query = audit_event.select().order_by(audit_event.c.at.desc(), audit_event.c.id.desc()).limit(limit)
    if subject is not None:
        query = query.where(audit_event.c.subject == subject)
    if before is not None:
        query = query.where(audit_event.c.at < before)
    return [_event(row) for row in await session.fetch_all(query)]


def _event(row: Row) -> AuditEvent:
    return AuditEvent(**(dict(row) | {"detail": _decode(row["detail"])}))


def _encode(detail: dict[str, Any]) -> str:
    return json.dumps(detail, sort_keys=True, separators=(",", ":"))


def _decode(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
