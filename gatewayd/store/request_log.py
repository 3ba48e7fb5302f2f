"""The `request_log` table: one row per exchange, read by keyset, newest end first.

A page never takes long: filters that no index serves look at SCAN_ROWS rows at most, and the page says where to go on.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import sqlalchemy as sa

from gatewayd.store.clean import clean_number, clean_text
from gatewayd.store.database import Row, Session
from gatewayd.store.tables import request_log

SCAN_ROWS = 10_000
_TEXT, _LONG_TEXT = 256, 1000  # characters
_LONG = frozenset({"error", "notes", "timeline"})

c = request_log.c
_KEY = (c.ended_at, c.id)


class LogRow(NamedTuple):
    """One exchange; the fields are the table's columns, in their order.

    ended_at, started_at  UTC epoch milliseconds
    answered_by           the gateway of `fallback` that answered instead, or None
    outcome               `ok`, `error`, `cancelled` (by the client), `truncated` (after its first content), `refused`
    input_tokens          without those read from or written to a cache; reasoning_tokens are part of output_tokens
    usage_source          `told` by the provider, `estimated`, `none`
    cost_nano             billionths of a US dollar at the price of that moment; None: unknown
    notes                 codes, separated by commas
    timeline              marks, as `relay.timeline` writes them
    """

    ended_at: int
    id: str
    started_at: int
    gateway: str
    token: str
    model: str
    upstream_model: str | None
    answered_by: str | None
    attempts: int
    status: int
    outcome: str
    error_type: str | None
    error: str | None
    stop_reason: str | None
    stream: bool
    ttft_ms: int | None
    duration_ms: int
    input_tokens: int | None
    cache_read: int | None
    cache_write: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    usage_source: str
    cost_nano: int | None
    notes: str | None
    session: str | None
    agent: str | None
    parent_agent: str | None
    client_ip: str | None
    user_agent: str | None
    timeline: str | None


class Cursor(NamedTuple):
    """Pages go on behind this row."""

    ended_at: int
    id: str


class Page(NamedTuple):
    """next: None at the end. A page may have few rows, or none, and yet a next one: the search goes on there."""

    rows: list[LogRow]
    next: Cursor | None


@dataclass(frozen=True, slots=True)
class LogFilter:
    """What a row must be; None: anything. since is in, until is out (UTC epoch milliseconds, of the end).

    error_text: is found in the error, whatever the case; `%` and `_` mean themselves. duration_ms: at least.
    """

    gateway: str | None = None
    model: str | None = None
    token: str | None = None
    outcome: str | None = None
    session: str | None = None
    error_text: str | None = None
    duration_ms: int | None = None
    since: int | None = None
    until: int | None = None


def clean_row(row: LogRow) -> LogRow:
    """The row as both databases take it, whatever came from providers and clients."""
    return LogRow(*[_clean(value, rule) for value, rule in zip(row, _RULES, strict=True)])


async def add_rows(session: Session, rows: Sequence[LogRow]) -> None:
    """Cleaned ones. One that is there already stays as it is."""
    await session.insert_many(request_log, rows, "ON CONFLICT DO NOTHING")


async def read_row(session: Session, request_id: str) -> LogRow | None:
    row = await session.fetch_one(request_log.select().where(c.id == request_id).limit(1))
    return _row(row) if row else None


async def list_rows(session: Session, wanted: LogFilter, after: Cursor | None = None, limit: int = 50) -> Page:
    driver, rest = _split(wanted)
    candidates = sa.select(request_log).where(*driver, *_bounds(wanted, after)).order_by(*_order(c))
    if not rest:
        return _page(await session.fetch_all(candidates.limit(limit + 1)), limit)
    # of the candidates only what they are filtered by, which may be in an index; then the few that are left, whole
    looked_at = candidates.with_only_columns(*_KEY, *(c[name] for name in rest)).limit(SCAN_ROWS).subquery()
    conditions = [build(looked_at.c[name]) for name, build in rest.items()]
    found = sa.select(looked_at.c.ended_at, looked_at.c.id).where(*conditions).order_by(*_order(looked_at.c))
    keys = [Cursor(**row) for row in await session.fetch_all(found.limit(limit + 1))]
    page = _page(await _read_rows(session, keys), limit)
    if page.next is not None:
        return page
    last = await session.fetch_one(candidates.with_only_columns(*_KEY).offset(SCAN_ROWS - 1).limit(1))
    return Page(page.rows, Cursor(**last) if last else None)


async def _read_rows(session: Session, keys: Sequence[Cursor]) -> list[Row]:
    if not keys:
        return []
    times = {key.ended_at for key in keys}  # for PostgreSQL: which partitions
    chosen = request_log.select().where(
        c.id.in_([key.id for key in keys]), c.ended_at >= min(times), c.ended_at <= max(times)
    )
    return await session.fetch_all(chosen.order_by(*_order(c)))


def _order(columns: Any) -> tuple[Any, Any]:
    return columns.ended_at.desc(), columns.id.desc()


def _split(wanted: LogFilter) -> tuple[list[Any], dict[str, Callable[[Any], Any]]]:
    """The condition that an index serves best, and by column those that are looked at row by row."""
    failed = wanted.error_text is not None or wanted.outcome not in (None, "ok")
    equal = {name: getattr(wanted, name) for name in ("session", "token", "model", "gateway")}
    names = [name for name, value in equal.items() if value is not None]
    driver: list[Any] = []
    if failed and "session" not in names:
        driver = [c.outcome != sa.literal_column("'ok'")]  # as it stands in the index
    elif names:
        name = names.pop(0)
        driver = [c[name] == equal[name]]
    rest: dict[str, Callable[[Any], Any]] = {name: partial(operator.eq, equal[name]) for name in names}
    if wanted.outcome is not None:
        rest["outcome"] = partial(operator.eq, wanted.outcome)
    if wanted.duration_ms is not None:
        rest["duration_ms"] = partial(operator.le, wanted.duration_ms)
    if wanted.error_text is not None:
        text = re.sub(r"([\\%_])", r"\\\1", wanted.error_text.lower())
        rest["error"] = lambda column: sa.func.lower(column).like(f"%{text}%", escape="\\")
    return driver, rest


def _bounds(wanted: LogFilter, after: Cursor | None) -> list[Any]:
    bounds: list[Any] = []
    if wanted.since is not None:
        bounds.append(c.ended_at >= wanted.since)
    if wanted.until is not None:
        bounds.append(c.ended_at < wanted.until)
    if after is not None:
        bounds += [c.ended_at <= after.ended_at, (c.ended_at < after.ended_at) | (c.id < after.id)]
    return bounds


def _page(rows: Sequence[Row], limit: int) -> Page:
    shown = [_row(row) for row in rows[:limit]]
    more = len(rows) > limit and limit > 0
    return Page(shown, Cursor(shown[-1].ended_at, shown[-1].id) if more else None)


def _row(row: Row) -> LogRow:
    return LogRow(**{**row, "stream": bool(row["stream"])})


class _Rule(NamedTuple):
    """text: else a number; largest: characters, or the number; missing: what stands for nothing."""

    text: bool
    largest: int
    missing: Any


def _clean(value: Any, rule: _Rule) -> Any:
    """Most values are fine as they are, which is seen at once."""
    if rule.text:
        if type(value) is str and 0 < len(value) <= rule.largest and value.isascii() and "\0" not in value:
            return value
        return clean_text(value, rule.largest) or rule.missing
    if type(value) is int and 0 <= value <= rule.largest:
        return value
    number = clean_number(value, rule.largest)
    return rule.missing if number is None else number


def _rule(column: sa.Column[Any]) -> _Rule:
    if isinstance(column.type, sa.Text):
        return _Rule(True, _LONG_TEXT if column.name in _LONG else _TEXT, None if column.nullable else "")
    bits = 15 if isinstance(column.type, sa.SmallInteger) else 63 if isinstance(column.type, sa.BigInteger) else 31
    return _Rule(False, 2**bits - 1, None if column.nullable else 0)


_RULES = [_rule(column) for column in request_log.columns]
