"""/usage: what was used, by day or hour, gateway, model and token: one query of the sums that the log writer keeps."""

from __future__ import annotations

import time
from typing import Any, Literal

from sanic import HTTPResponse

from gatewayd.admin.queries import Query, read_query
from gatewayd.admin.usage_charts import add_up, build_charts, group
from gatewayd.admin.visit import Visit
from gatewayd.store.usage import COUNTS, DAY, HOUR, Dimension, UsageRow, list_usage

FIELDS = ("range", "by", "gateway", "model", "token")
DIMENSIONS: tuple[Dimension, ...] = ("gateway", "model", "token")
#: name: milliseconds, the step of its charts, how pages call it
RANGES: dict[str, tuple[int, Literal["hour", "day"], str]] = {
    "day": (DAY, "hour", "24 hours"),
    "week": (7 * DAY, "hour", "7 days"),
    "month": (30 * DAY, "day", "30 days"),
    "quarter": (90 * DAY, "day", "90 days"),
    "year": (365 * DAY, "day", "365 days"),
}


async def show(visit: Visit) -> HTTPResponse:
    query = _query(visit)
    rows, begin, step, by = await _read(visit, query)
    moments = list(range(begin, int(time.time() * 1000), DAY if step == "day" else HOUR))
    total = add_up(rows)
    return await visit.page(
        "usage/show.html",
        query=query,
        ranges=[(name, title) for name, (_, _, title) in RANGES.items()],
        chosen=query.values.get("range", "week"),
        by=by,
        dimensions=DIMENSIONS,
        total=total,
        groups=group(rows, by) if by else None,
        charts=build_charts(rows, moments, by, priced=total.unpriced < total.requests),
        step=step,
    )


async def show_json(visit: Visit) -> HTTPResponse:
    """`{"step": "hour" or "day", "rows": [{"at": …, sums …}]}`; `at`: UTC epoch milliseconds."""
    rows, _, step, _ = await _read(visit, _query(visit))
    return visit.json({"step": step, "rows": [{**_keys(row), **row.usage._asdict()} for row in rows]})


async def show_csv(visit: Visit) -> HTTPResponse:
    rows, *_ = await _read(visit, _query(visit))
    return visit.csv("usage", ["at", *DIMENSIONS, *COUNTS], [(*_keys(row).values(), *row.usage) for row in rows])


def _query(visit: Visit) -> Query:
    return read_query({name: visit.argument(name) for name in FIELDS}, FIELDS)


async def _read(visit: Visit, query: Query) -> tuple[list[UsageRow], int, Literal["hour", "day"], Dimension | None]:
    """The rows, their first moment, the step between them, and what they are grouped by."""
    span, step, _ = RANGES[query.choice("range", tuple(RANGES)) or "week"]
    by: Any = query.choice("by", DIMENSIONS)
    unit = DAY if step == "day" else HOUR
    begin = (int(time.time() * 1000) // unit + 1) * unit - span
    only = {name: query.text(name) for name in DIMENSIONS}
    async with visit.admin.store.read() as session:
        found = await list_usage(session, begin, begin + span, step=step, by=[by] if by else (), **only)
    return found, begin, step, by


def _keys(row: UsageRow) -> dict[str, Any]:
    return {"at": row.at, "gateway": row.gateway, "model": row.model, "token": row.token}
