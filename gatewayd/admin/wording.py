"""Numbers and times as pages show them. Pure; each takes None and tells it as a dash. The templates' filters."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

NOTHING = "–"
_SIZES = ("B", "kB", "MB", "GB", "TB")


def number(value: float | None) -> str:
    """1234567 -> 1,234,567"""
    return NOTHING if value is None else f"{value:,.0f}"


def compact(value: float | None) -> str:
    """1234567 -> 1.23M; three digits that count."""
    if value is None:
        return NOTHING
    for limit, suffix in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit * 0.9995:
            scaled = value / limit
            return f"{scaled:.{2 if abs(scaled) < 9.995 else 1 if abs(scaled) < 99.95 else 0}f}{suffix}"
    return f"{value:,.0f}"


def dollars(nano: int | None) -> str:
    """Billionths of a dollar -> $1.23; below a cent $0.000770, so that a column's digits line up."""
    if nano is None:
        return NOTHING
    amount = nano / 1e9
    if amount and abs(amount) < 0.01:
        return f"${amount:.6f}" if abs(amount) >= 0.000001 else "<$0.000001"
    return f"${amount:,.2f}"


def duration(ms: float | None) -> str:
    """840 ms, 1.24 s, 2 min 5 s, 3 h 20 min."""
    if ms is None:
        return NOTHING
    if ms < 1000:
        return f"{ms:.0f} ms"
    seconds = ms / 1000
    if seconds < 60:
        return f"{seconds:.{2 if seconds < 9.995 else 1}f} s"
    minutes = round(seconds) // 60
    if minutes < 60:
        return f"{minutes} min {round(seconds) % 60} s"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // (24 * 60)} d {minutes // 60 % 24} h"


def percent(part: float | None, whole: float | None = 1) -> str:
    """A share as 12.3 %; nothing of nothing is a dash."""
    if part is None or not whole:
        return NOTHING
    share = 100 * part / whole
    return f"{share:.0f} %" if share in (0, 100) else f"{share:.1f} %"


def size(count: int | None) -> str:
    """Bytes -> 1.2 MB."""
    if count is None:
        return NOTHING
    value = float(count)
    for unit in _SIZES:
        if value < 999.5 or unit == _SIZES[-1]:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("unreachable")


def iso(ms: int | None) -> str:
    """UTC epoch milliseconds -> 2026-01-02T03:04:05.678Z"""
    moment = _moment(ms)
    return "" if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc(ms: int | None) -> str:
    """UTC epoch milliseconds -> 2026-01-02 03:04:05 UTC; the script shows the reader's own time instead."""
    moment = _moment(ms)
    return NOTHING if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def plural(count: int, one: str, many: str = "") -> str:
    """1 -> 1 gateway, 2 -> 2 gateways"""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _moment(ms: int | None) -> datetime | None:
    try:
        return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


FILTERS: dict[str, Callable[..., Any]] = {
    each.__name__: each for each in (number, compact, dollars, duration, percent, size, iso, utc, plural)
}
