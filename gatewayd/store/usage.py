"""The `usage_hourly` and `usage_daily` tables: sums per gateway, model and client token, kept up by the log writer.

What usage pages and exports read: they never look at the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Literal, NamedTuple

import sqlalchemy as sa

from gatewayd.store.database import Session
from gatewayd.store.request_log import LogRow
from gatewayd.store.tables import usage_daily, usage_hourly

HOUR, DAY = 3_600_000, 86_400_000  # milliseconds
MAX_MODELS = 100  # names of one hour and gateway; a client can ask for any, and further ones are summed up as OTHER
OTHER = "(other)"
_LARGEST = 10**10  # of one request: a provider's nonsense must not make sums overflow
_LARGEST_COST = 10**14

Dimension = Literal["gateway", "model", "token"]
Key = tuple[int, str, str, str]

KEYS = ("at", "gateway", "model", "token")
COUNTS = tuple(column.name for column in usage_hourly.columns if column.name not in KEYS)
_counts = itemgetter(*COUNTS)


class Usage(NamedTuple):
    """Sums. `requests` counts all; those that are not ok are counted by outcome as well.

    estimated   requests whose tokens are estimates; unpriced: those whose cost is unknown, and so not in `cost_nano`
    ttft_ms     summed over `ttft_count` requests; duration_ms over all
    """

    requests: int = 0
    errors: int = 0
    cancelled: int = 0
    truncated: int = 0
    refused: int = 0
    estimated: int = 0
    unpriced: int = 0
    input_tokens: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nano: int = 0
    duration_ms: int = 0
    ttft_ms: int = 0
    ttft_count: int = 0


class UsageRow(NamedTuple):
    """at: the hour's or day's first millisecond, UTC; a dimension that was not asked for is None."""

    at: int
    gateway: str | None
    model: str | None
    token: str | None
    usage: Usage


def usage_of(row: LogRow) -> Usage:
    return Usage(
        requests=1,
        errors=int(row.outcome == "error"),
        cancelled=int(row.outcome == "cancelled"),
        truncated=int(row.outcome == "truncated"),
        refused=int(row.outcome == "refused"),
        estimated=int(row.usage_source == "estimated"),
        unpriced=int(row.cost_nano is None),
        input_tokens=min(row.input_tokens or 0, _LARGEST),
        cache_read=min(row.cache_read or 0, _LARGEST),
        cache_write=min(row.cache_write or 0, _LARGEST),
        output_tokens=min(row.output_tokens or 0, _LARGEST),
        reasoning_tokens=min(row.reasoning_tokens or 0, _LARGEST),
        cost_nano=min(row.cost_nano or 0, _LARGEST_COST),
        duration_ms=min(row.duration_ms, _LARGEST),
        ttft_ms=min(row.ttft_ms or 0, _LARGEST),
        ttft_count=int(row.ttft_ms is not None),
    )


class RollUp:
    """Sums rows up by key. Remembers which models the current hour has seen, so that their number stays bounded."""

    def __init__(self) -> None:
        self._hour = 0
        self._models: dict[str, set[str]] = {}

    def sum(self, rows: Iterable[LogRow]) -> dict[Key, list[int]]:
        sums: dict[Key, list[int]] = {}
        for row in rows:
            hour = row.ended_at // HOUR * HOUR
            key = (hour, row.gateway, self._model(hour, row), row.token)
            usage = usage_of(row)
            so_far = sums.get(key)
            sums[key] = list(usage) if so_far is None else [a + b for a, b in zip(so_far, usage, strict=True)]
        return sums

    def _model(self, hour: int, row: LogRow) -> str:
        if hour != self._hour:
            self._hour, self._models = hour, {}
        models = self._models.setdefault(row.gateway, set())
        if row.model not in models and len(models) >= MAX_MODELS:
            return OTHER
        models.add(row.model)
        return row.model


async def add_usage(session: Session, by_hour: Mapping[Key, Sequence[int]]) -> None:
    """In the order of the keys: two processes never wait for each other in a circle."""
    by_day: dict[Key, Sequence[int]] = {}
    for (hour, gateway, model, token), counts in by_hour.items():
        key = (hour // DAY * DAY, gateway, model, token)
        by_day[key] = [a + b for a, b in zip(by_day[key], counts, strict=True)] if key in by_day else counts
    for table, sums in ((usage_hourly, by_hour), (usage_daily, by_day)):
        added = ", ".join(f"{name} = {table.name}.{name} + excluded.{name}" for name in COUNTS)
        rows = [(*key, *sums[key]) for key in sorted(sums)]
        await session.insert_many(table, rows, f"ON CONFLICT (at, gateway, model, token) DO UPDATE SET {added}")


async def list_usage(
    session: Session,
    since: int,
    until: int,
    *,
    step: Literal["hour", "day", "all"] = "hour",
    by: Sequence[Dimension] = (),
    **only: str | None,
) -> list[UsageRow]:
    """From `since` up to before `until` (UTC epoch milliseconds), oldest first.

    only: `gateway`, `model` or `token` that rows must have. step `day` counts the whole days that begin in between,
    `all` gives one sum, of days where both ends are such, else of hours; its `at` is `since`.
    """
    whole_days = step == "day" or (step == "all" and since % DAY == until % DAY == 0)
    t = (usage_daily if whole_days else usage_hourly).c
    groups = [*([] if step == "all" else [t.at]), *(t[name] for name in by)]
    sums = [sa.cast(sa.func.sum(t[name]), sa.BigInteger).label(name) for name in COUNTS]
    conditions = [t[name] == value for name, value in only.items() if value is not None]
    query = sa.select(*groups, *sums).where(t.at >= since, t.at < until, *conditions)
    rows = await session.fetch_all(query.group_by(*groups).order_by(*groups))
    return [
        UsageRow(
            at=row.get("at", since),
            gateway=row.get("gateway"),
            model=row.get("model"),
            token=row.get("token"),
            usage=Usage._make(_counts(row)),
        )
        for row in rows
        if row["requests"] is not None  # the sum of nothing
    ]
