"""Sums of usage as charts and tables: added up, grouped, one column a series. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from gatewayd.store.usage import Dimension, Usage, UsageRow

OTHERS = "others"
_SERIES = 5  # of a chart, beside OTHERS
_GROUPS = 100  # of a table
_LONG = 100  # rows; of charts with more, two are enough for a page
_NOTHING = Usage()

Measure = Callable[[Usage], int]


class Groups(NamedTuple):
    """sums: by name, the largest first; rest: how many more there are."""

    sums: list[tuple[str, Usage]]
    rest: int


class Chart(NamedTuple):
    """As the macro `chart` takes it: columns are a title and a colour, rows a moment and the columns' values."""

    title: str
    columns: list[tuple[str, int]]
    rows: list[tuple[int, ...]]
    show: str


def all_tokens(usage: Usage) -> int:
    return usage.input_tokens + usage.cache_read + usage.cache_write + usage.output_tokens


def _failed(usage: Usage) -> int:
    return usage.errors + usage.cancelled + usage.truncated + usage.refused


_TOTALS: list[tuple[str, str, list[tuple[str, int, Measure]]]] = [
    (
        "Tokens",
        "compact",
        [
            ("Input", 1, lambda usage: usage.input_tokens),
            ("From the cache", 3, lambda usage: usage.cache_read),
            ("Into the cache", 6, lambda usage: usage.cache_write),
            ("Output", 4, lambda usage: usage.output_tokens),
        ],
    ),
    (
        "Requests",
        "number",
        [("Answered", 1, lambda usage: usage.requests - _failed(usage)), ("Not answered", 2, _failed)],
    ),
    ("Cost", "dollars", [("Cost", 3, lambda usage: usage.cost_nano)]),
]
_BY_GROUP: list[tuple[str, str, Measure]] = [
    ("Tokens", "compact", all_tokens),
    ("Requests", "number", lambda usage: usage.requests),
    ("Cost", "dollars", lambda usage: usage.cost_nano),
]


def add_up(rows: Sequence[UsageRow]) -> Usage:
    return Usage._make(map(sum, zip(_NOTHING, *(row.usage for row in rows), strict=True)))


def group(rows: Sequence[UsageRow], by: Dimension) -> Groups:
    ordered = _grouped(rows, by)
    return Groups(ordered[:_GROUPS], max(len(ordered) - _GROUPS, 0))


def build_charts(
    rows: Sequence[UsageRow], moments: Sequence[int], by: Dimension | None, *, priced: bool
) -> list[Chart]:
    """moments: of all hours or days of the charts; those without a row show nothing. priced: some cost is known."""
    charts = _charts_of_groups(rows, moments, by) if by else _charts_of_totals(rows, moments)
    charts = charts if priced else charts[:-1]
    return [charts[0], charts[-1]] if by and len(moments) > _LONG else charts


def _charts_of_totals(rows: Sequence[UsageRow], moments: Sequence[int]) -> list[Chart]:
    sums = {row.at: row.usage for row in rows}
    return [
        Chart(
            title,
            [(name, colour) for name, colour, _ in series],
            [(at, *(measure(sums.get(at, _NOTHING)) for *_, measure in series)) for at in moments],
            show,
        )
        for title, show, series in _TOTALS
    ]


def _charts_of_groups(rows: Sequence[UsageRow], moments: Sequence[int], by: Dimension) -> list[Chart]:
    names = [name for name, _ in _grouped(rows, by)]
    shown = [*names[:_SERIES], *([OTHERS] if len(names) > _SERIES else [])]
    place = {name: min(index, len(shown) - 1) for index, name in enumerate(names)}
    charts = []
    for title, show, measure in _BY_GROUP:
        table = {at: [0] * len(shown) for at in moments}
        for row in rows:
            if row.at in table:
                table[row.at][place[_name(row, by)]] += measure(row.usage)
        columns = [(name, colour) for colour, name in enumerate(shown, 1)]
        charts.append(Chart(f"{title} by {by}", columns, [(at, *table[at]) for at in moments], show))
    return charts


def _grouped(rows: Sequence[UsageRow], by: Dimension) -> list[tuple[str, Usage]]:
    sums: dict[str, Usage] = {}
    for row in rows:
        sums[_name(row, by)] = _plus(sums.get(_name(row, by), _NOTHING), row.usage)
    return sorted(sums.items(), key=lambda item: (-all_tokens(item[1]), -item[1].requests, item[0]))


def _name(row: UsageRow, by: Dimension) -> str:
    return getattr(row, by) or "–"


def _plus(one: Usage, other: Usage) -> Usage:
    return Usage(*(a + b for a, b in zip(one, other, strict=True)))
