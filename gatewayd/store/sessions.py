"""The `client_session` table: one row per Claude Code session, kept up by the log writer beside the log's rows.

What lists of sessions read: they never look at the log. One session's requests come from the log, by its index.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa

from gatewayd.store.database import Session
from gatewayd.store.request_log import LogRow
from gatewayd.store.tables import client_session, request_log
from gatewayd.store.usage import usage_of

MAX_TURNS = 2000  # of one session that are read
FAILURES = ("error", "truncated", "refused")

c = client_session.c


class ClientSession(NamedTuple):
    """Sums over all requests; the fields are the table's columns, in their order.

    first_at, last_at  UTC epoch milliseconds, of ends; failed_at: of the first request that failed, or None
    gateway, token, model  of the latest request
    context_max        the most input tokens, cached ones included, of a request that no agent made
    agent_requests     those of agents; unpriced: those whose cost is unknown, and so not in cost_nano
    """

    id: str
    first_at: int
    last_at: int
    failed_at: int | None
    gateway: str
    token: str
    model: str
    context_max: int
    requests: int
    agent_requests: int
    errors: int
    unpriced: int
    input_tokens: int
    cache_read: int
    cache_write: int
    output_tokens: int
    cost_nano: int
    duration_ms: int


_SUMS = ClientSession._fields[ClientSession._fields.index("requests") :]
_LATEST = ("gateway", "token", "model")


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """What a session must be; None: anything. since is in, until is out (UTC epoch milliseconds, of its last end)."""

    gateway: str | None = None
    failed: bool = False
    since: int | None = None
    until: int | None = None


class SessionCursor(NamedTuple):
    """Pages go on behind this session."""

    last_at: int
    id: str


class SessionPage(NamedTuple):
    """next: None at the end."""

    sessions: list[ClientSession]
    next: SessionCursor | None


class Turn(NamedTuple):
    """One request of a session, as far as its page needs it; fields as those of a LogRow."""

    ended_at: int
    id: str
    gateway: str
    token: str
    model: str
    upstream_model: str | None
    status: int
    outcome: str
    stop_reason: str | None
    error: str | None
    ttft_ms: int | None
    duration_ms: int
    input_tokens: int | None
    cache_read: int | None
    cache_write: int | None
    output_tokens: int | None
    cost_nano: int | None
    agent: str | None
    parent_agent: str | None


def sum_sessions(rows: Iterable[LogRow]) -> dict[str, ClientSession]:
    """By session, of the rows that belong to one."""
    sums: dict[str, ClientSession] = {}
    for row in rows:
        if row.session:
            one = _of(row)
            so_far = sums.get(row.session)
            sums[row.session] = one if so_far is None else _together(so_far, one)
    return sums


async def add_sessions(session: Session, sums: Mapping[str, ClientSession]) -> None:
    """In the order of the keys: two processes never wait for each other in a circle."""
    if sums:
        rows: Sequence[ClientSession] = [sums[key] for key in sorted(sums)]
        await session.insert_many(client_session, rows, _UPSERT)


async def read_session(session: Session, session_id: str) -> ClientSession | None:
    row = await session.fetch_one(client_session.select().where(c.id == session_id))
    return ClientSession(**row) if row else None


async def list_sessions(
    session: Session, wanted: SessionFilter, after: SessionCursor | None = None, limit: int = 50
) -> SessionPage:
    """The latest first. Filters that no index serves cost little: sessions are few beside requests."""
    conditions = [c.gateway == wanted.gateway] if wanted.gateway is not None else []
    if wanted.failed:
        conditions.append(c.failed_at.is_not(None))
    if wanted.since is not None:
        conditions.append(c.last_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(c.last_at < wanted.until)
    if after is not None:
        conditions += [c.last_at <= after.last_at, (c.last_at < after.last_at) | (c.id < after.id)]
    query = client_session.select().where(*conditions).order_by(c.last_at.desc(), c.id.desc()).limit(limit + 1)
    found = [ClientSession(**row) for row in await session.fetch_all(query)]
    last = found[limit - 1] if len(found) > limit else None
    return SessionPage(found[:limit], SessionCursor(last.last_at, last.id) if last else None)


async def list_turns(session: Session, known: ClientSession) -> list[Turn]:
    """The session's requests that the log still holds, oldest first; of more than MAX_TURNS the latest."""
    log = request_log.c
    columns = [log[name] for name in Turn._fields]
    conditions = log.session == known.id, log.ended_at >= known.first_at, log.ended_at <= known.last_at
    query = sa.select(*columns).where(*conditions).order_by(log.ended_at.desc(), log.id.desc()).limit(MAX_TURNS)
    return [Turn(**row) for row in reversed(await session.fetch_all(query))]


def _of(row: LogRow) -> ClientSession:
    usage = usage_of(row)
    context = usage.input_tokens + usage.cache_read + usage.cache_write
    failed = row.outcome in FAILURES
    return ClientSession(
        id=row.session or "",
        first_at=row.ended_at,
        last_at=row.ended_at,
        failed_at=row.ended_at if failed else None,
        gateway=row.gateway,
        token=row.token,
        model=row.model,
        context_max=0 if row.agent else context,
        requests=1,
        agent_requests=int(bool(row.agent)),
        errors=int(failed),
        unpriced=usage.unpriced,
        input_tokens=usage.input_tokens,
        cache_read=usage.cache_read,
        cache_write=usage.cache_write,
        output_tokens=usage.output_tokens,
        cost_nano=usage.cost_nano,
        duration_ms=usage.duration_ms,
    )


def _together(one: ClientSession, other: ClientSession) -> ClientSession:
    latest = other if other.last_at >= one.last_at else one
    failed = [at for at in (one.failed_at, other.failed_at) if at is not None]
    return latest._replace(
        first_at=min(one.first_at, other.first_at),
        failed_at=min(failed, default=None),
        context_max=max(one.context_max, other.context_max),
        **{name: getattr(one, name) + getattr(other, name) for name in _SUMS},
    )


def _upsert() -> str:
    """What `_together` does, in SQL that both engines know: `{0}` is what is there, `{1}` what comes."""
    takes = {
        **dict.fromkeys((*_LATEST, "last_at"), "{1}.last_at >= {0}.last_at"),
        "first_at": "{1}.first_at < {0}.first_at",
        "context_max": "{1}.context_max > {0}.context_max",
        "failed_at": "{0}.failed_at IS NULL OR {1}.failed_at < {0}.failed_at",
    }
    sums = [f"{name} = {{0}}.{name} + {{1}}.{name}" for name in _SUMS]
    others = [f"{name} = CASE WHEN {when} THEN {{1}}.{name} ELSE {{0}}.{name} END" for name, when in takes.items()]
    return "ON CONFLICT (id) DO UPDATE SET " + ", ".join([*sums, *others]).format(client_session.name, "excluded")


_UPSERT = _upsert()
