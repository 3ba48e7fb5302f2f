"""The `latency_hourly` table: how long the first of an answer took, counted by hour, gateway and size.

Kept up by the log writer, so that percentiles need no look at the log. Sizes grow by a fifth (four to a doubling): what
is told is at most a tenth away from what was.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from gatewayd.store.database import Session
from gatewayd.store.request_log import LogRow
from gatewayd.store.tables import latency_hourly
from gatewayd.store.usage import HOUR

_TO_A_DOUBLING = 4
_LARGEST = 120  # a week and more

#: size -> how many
Sizes = Mapping[int, int]


def size_of(ms: int) -> int:
    return min(math.ceil(_TO_A_DOUBLING * math.log2(ms)), _LARGEST) if ms > 1 else 0


def percentile(sizes: Sizes, share: float) -> int | None:
    """Milliseconds that so much of them took at most; None where there are none."""
    wanted = share * sum(sizes.values())
    seen = 0
    for size in sorted(sizes):
        seen += sizes[size]
        if seen >= wanted > 0:
            return round(2 ** ((size - 0.5) / _TO_A_DOUBLING)) if size else 1
    return None


async def add_latencies(session: Session, rows: Iterable[LogRow]) -> None:
    """In the order of the keys: two processes never wait for each other in a circle."""
    counts = Counter(
        (row.ended_at // HOUR * HOUR, row.gateway, size_of(row.ttft_ms)) for row in rows if row.ttft_ms is not None
    )
    if counts:
        added = "ON CONFLICT (at, gateway, size) DO UPDATE SET count = latency_hourly.count + excluded.count"
        await session.insert_many(latency_hourly, [(*key, counts[key]) for key in sorted(counts)], added)


async def list_latencies(session: Session, since: int, until: int, gateway: str | None = None) -> dict[str, Sizes]:
    """Gateway -> sizes, from `since` up to before `until` (UTC epoch milliseconds)."""
    c = latency_hourly.c
    conditions = [c.gateway == gateway] if gateway is not None else []
    total = sa.cast(sa.func.sum(c.count), sa.BigInteger).label("total")
    query = sa.select(c.gateway, c.size, total).where(c.at >= since, c.at < until, *conditions)
    found: dict[str, Counter[int]] = {}
    for row in await session.fetch_all(query.group_by(c.gateway, c.size)):
        found.setdefault(row["gateway"], Counter())[row["size"]] = int(row["total"])
    return dict(found)


def added_up(each: Iterable[Sizes]) -> Sizes:
    total = Counter[int]()
    for sizes in each:
        total.update(sizes)
    return total
