"""/logs: the request log, filtered, page by page, live, and as files. Pages never look at more of it than one may."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from sanic import HTTPResponse

from gatewayd.admin.queries import LOG_FIELDS, OUTCOMES, Query, log_filter, read_cursor, read_query, show_cursor
from gatewayd.admin.tail import HEARTBEAT_SECONDS, MAX_WATCHERS, Full
from gatewayd.admin.visit import HEADERS, NO_STORE, Refused, Visit
from gatewayd.store.export import export_rows
from gatewayd.store.request_log import Cursor, LogFilter, LogRow, list_rows

PAGE_ROWS = 50
JSON_ROWS = 1000
CSV_ROWS = 100_000
_GATEWAYS_TO_CHOOSE_FROM = 200


class Line(NamedTuple):
    """A row as tables show it. context: input tokens, cached ones included; rate: output tokens per second."""

    row: LogRow
    context: int | None
    rate: float | None


def line(row: LogRow) -> Line:
    counted = [value for value in (row.input_tokens, row.cache_read, row.cache_write) if value is not None]
    writing = row.duration_ms - (row.ttft_ms or 0) if row.stream else row.duration_ms
    rate = 1000 * row.output_tokens / writing if row.output_tokens and writing > 0 else None
    return Line(row, sum(counted) if counted else None, rate)


async def show(visit: Visit) -> HTTPResponse:
    query, after = _query(visit), read_cursor(visit.argument("after"))
    wanted = log_filter(query)
    async with visit.admin.store.read() as session:
        page = await list_rows(session, wanted, after, PAGE_ROWS)
    newest = Cursor(page.rows[0].ended_at, page.rows[0].id) if page.rows and after is None else None
    return await visit.page(
        "logs/list.html",
        query=query,
        lines=[line(row) for row in page.rows],
        outcomes=OUTCOMES,
        gateways=sorted(visit.admin.live.current.gateways)[:_GATEWAYS_TO_CHOOSE_FROM],
        filtered=bool(query.values),
        after=after,
        next=query.address("/logs", after=show_cursor(page.next)) if page.next else "",
        newest=query.address("/logs") if after else "",
        live=query.address("/logs/live", after=show_cursor(newest)),
    )


async def show_json(visit: Visit) -> HTTPResponse:
    """`{"rows": […], "next": cursor or null}`; `limit` up to JSON_ROWS, `after` a cursor."""
    limit = visit.argument("limit", "100")
    count = min(max(int(limit), 1), JSON_ROWS) if limit.isdecimal() and len(limit) < 6 else 100
    query = _query(visit)
    async with visit.admin.store.read() as session:
        page = await list_rows(session, _understood(query), read_cursor(visit.argument("after")), count)
    return visit.json({"rows": [row._asdict() for row in page.rows], "next": show_cursor(page.next) or None})


async def show_csv(visit: Visit) -> None:
    """All that the filter finds, the newest first, up to CSV_ROWS; sent as it is read."""
    wanted = _understood(_query(visit))
    headers = {**HEADERS, **NO_STORE, "content-disposition": 'attachment; filename="requests.csv"'}
    response: Any = await visit.request.respond(headers=headers, content_type="text/csv; charset=utf-8")
    sent = 0
    async for count, text in export_rows(visit.admin.store, wanted, "csv"):
        await response.send(text)
        sent += count
        if sent >= CSV_ROWS:
            break
    await response.eof()


async def follow(visit: Visit) -> None:
    """Server-sent events: `rows` with the table's new rows as HTML, the newest first; `end` when nothing more comes."""
    wanted, after = _understood(_query(visit)), read_cursor(visit.argument("after"))
    try:
        with visit.admin.tail.watching():
            await _send_rows(visit, wanted, after)
    except Full:
        raise Refused(503, "Too many are watching", f"{MAX_WATCHERS} pages follow the log already.") from None


async def _send_rows(visit: Visit, wanted: LogFilter, after: Cursor | None) -> None:
    headers = {**HEADERS, **NO_STORE, "x-accel-buffering": "no"}
    response: Any = await visit.request.respond(headers=headers, content_type="text/event-stream; charset=utf-8")
    seen_at = time.monotonic()
    async for rows in visit.admin.tail.rows(wanted, after):
        await response.send(await _event(visit, rows) if rows else b": \n\n")
        if time.monotonic() - seen_at >= HEARTBEAT_SECONDS:  # the login may have been ended
            seen_at = time.monotonic()
            if await visit.admin.logins.find(visit.request.cookies) is None:
                break
    await response.send(b"event: end\ndata:\n\n")
    await response.eof()


async def _event(visit: Visit, rows: Sequence[LogRow]) -> bytes:
    def render(row: LogRow) -> bytes:
        html = visit.admin.pages.render("logs/rows.html", {"lines": [line(row)]})
        return b"".join([b"data: %b\n" % each.encode() for each in html.splitlines()])

    data = await visit.admin.tail.html(rows, render)
    return b"event: rows\nid: %b\n%b\n" % (show_cursor(Cursor(rows[0].ended_at, rows[0].id)).encode(), data)


def _query(visit: Visit) -> Query:
    return read_query({name: visit.argument(name) for name in LOG_FIELDS}, LOG_FIELDS)


def _understood(query: Query) -> LogFilter:
    """For programs: what cannot be understood is refused, as no page tells of it."""
    wanted = log_filter(query)
    if query.errors:
        name, text = next(iter(query.errors.items()))
        raise Refused(400, "This filter cannot be understood", f"{name}: {text}")
    return wanted
