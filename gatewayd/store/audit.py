"""The `audit_event` table: who did what. Kept apart from the log, and never with a secret in it."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from gatewayd.store.clean import clean_text
from gatewayd.store.database import Session
from gatewayd.store.tables import audit_event

_TEXT = 256


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One thing that was done.

    at       UTC epoch milliseconds
    actor    `admin@IP`, `file:SOURCE@SHA`, `cli@HOST`
    action   a verb: `save`, `login`, `login-failed` …
    subject  `gateway:ID`, `token:ID/NAME`, `login` …
    """

    id: str
    at: int
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any] = field(default_factory=dict)


async def add_audit_event(
    session: Session, actor: str, action: str, subject: str, detail: Mapping[str, Any] | None = None
) -> None:
    """Inside the transaction of what is audited. detail: JSON types, no secrets."""
    at = time.time_ns() // 1_000_000
    values = {
        "id": f"aud_{at:013d}{secrets.token_hex(6)}",
        "at": at,
        "actor": clean_text(actor, _TEXT) or "",
        "action": action,
        "subject": clean_text(subject, _TEXT) or "",
        "detail": json.dumps(detail or {}),
    }
    await session.execute(audit_event.insert().values(**values))


async def list_audit_events(
    session: Session, subject: str | None = None, before: str | None = None, limit: int = 50
) -> list[AuditEvent]:
    """Newest first. before: the id of the last one that was seen; subject: only what was done to that."""
    c = audit_event.c
    conditions = [c.subject == subject] if subject is not None else []
    if before is not None:
        seen = await session.fetch_one(sa.select(c.at).where(c.id == before))
        if seen is None:
            return []
        conditions += [c.at <= seen["at"], (c.at < seen["at"]) | (c.id < before)]
    query = audit_event.select().where(*conditions).order_by(c.at.desc(), c.id.desc()).limit(limit)
    return [_event(row) for row in await session.fetch_all(query)]


def _event(row: Mapping[str, Any]) -> AuditEvent:
    try:
        detail = json.loads(row["detail"])
    except ValueError:
        detail = {}
    values = {name: row[name] for name in ("id", "at", "actor", "action", "subject")}
    return AuditEvent(**values, detail=detail if isinstance(detail, dict) else {})
