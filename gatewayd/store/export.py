"""The log as lines of text, newest first, page by page: memory and transactions stay small however long it is."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

from gatewayd.store.database import Store
from gatewayd.store.request_log import Cursor, LogFilter, LogRow, list_rows

Format = Literal["csv", "jsonl"]
_PAGE = 1000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what spreadsheets take for one


async def export_rows(store: Store, wanted: LogFilter, format: Format) -> AsyncIterator[tuple[int, str]]:  # noqa: A002
    """How many rows, and their text; CSV begins with its head line."""
    render: Callable[[Iterable[Sequence[Any]]], str] = _csv if format == "csv" else _jsonl
    if format == "csv":
        yield 0, _csv([LogRow._fields])
    after: Cursor | None = None
    while True:
        async with store.session() as session:
            page = await list_rows(session, wanted, after, _PAGE)
        if page.rows:
            yield len(page.rows), render(map(_shown, page.rows))
        after = page.next
        if after is None:
            return


def _shown(row: LogRow) -> LogRow:
    """Times as people and programs read them."""
    return row._replace(ended_at=_time(row.ended_at), started_at=_time(row.started_at))  # type: ignore[arg-type]


def _time(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _jsonl(rows: Iterable[Sequence[Any]]) -> str:
    return "".join(orjson.dumps(dict(zip(LogRow._fields, row, strict=True))).decode() + "\n" for row in rows)


def _csv(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_harmless(value) for value in row] for row in rows)
    return text.getvalue()


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
