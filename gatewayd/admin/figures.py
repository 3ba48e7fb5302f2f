"""Sums of usage as pages show them: of a day or an hour, of one gateway or all; and charts of them by the hour.

Pure. `Total` adds up what `store.usage` gives; costs that nobody knows are None, never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gatewayd.store.latencies import Sizes, percentile
from gatewayd.store.usage import HOUR, Usage, UsageRow

DAY_HOURS = 24


class Total(NamedTuple):
    """usage: the sums; p50, p95: milliseconds until the first of an answer, or None where nothing was answered."""

    usage: Usage
    p50: int | None = None
    p95: int | None = None

    @property
    def failed(self) -> int:
        """Requests that did not end well for a reason other than that the client left."""
        return self.usage.errors + self.usage.truncated + self.usage.refused

    @property
    def input(self) -> int:
        """Tokens that the provider read, cached ones too."""
        return self.usage.input_tokens + self.usage.cache_read + self.usage.cache_write

    @property
    def cost(self) -> int | None:
        """Billionths of a dollar; None where no request had a price."""
        return self.usage.cost_nano if self.usage.unpriced < self.usage.requests else None


def total(rows: Iterable[UsageRow], sizes: Sizes | None = None) -> Total:
    usage = Usage()
    for row in rows:
        usage = Usage(*(a + b for a, b in zip(usage, row.usage, strict=True)))
    return Total(usage, percentile(sizes or {}, 0.5), percentile(sizes or {}, 0.95))


def hours_until(now: int, count: int = DAY_HOURS) -> list[int]:
    """The first milliseconds of the latest hours, the present one last."""
    last = now // HOUR * HOUR
    return [last - back * HOUR for back in reversed(range(count))]


def by_hour(rows: Sequence[UsageRow], hours: Sequence[int]) -> list[Usage]:
    """One for each hour, empty ones too."""
    found: dict[int, Usage] = {}
    for row in rows:
        so_far = found.get(row.at)
        found[row.at] = row.usage if so_far is None else Usage(*(a + b for a, b in zip(so_far, row.usage, strict=True)))
    return [found.get(hour, Usage()) for hour in hours]


def requests_chart(usages: Sequence[Usage], hours: Sequence[int]) -> list[tuple[int, ...]]:
    """hour, ok, failed, left by the client"""
    return [
        (hour, usage.requests - usage.errors - usage.truncated - usage.refused - usage.cancelled,
         usage.errors + usage.truncated + usage.refused, usage.cancelled)
        for hour, usage in zip(hours, usages, strict=True)
    ]  # fmt: skip


def tokens_chart(usages: Sequence[Usage], hours: Sequence[int]) -> list[tuple[int, ...]]:
    """hour, input, from a cache, output"""
    return [
        (hour, usage.input_tokens + usage.cache_write, usage.cache_read, usage.output_tokens)
        for hour, usage in zip(hours, usages, strict=True)
    ]
