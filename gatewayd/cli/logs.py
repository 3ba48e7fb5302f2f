"""`gatewayd logs`: the request log."""

from __future__ import annotations

import re
import sys
import time
from datetime import UTC, datetime
from typing import Literal

import click

from gatewayd.cli.progress import Progress
from gatewayd.cli.runtime import read_settings, run_with_store, say
from gatewayd.store import Store
from gatewayd.store.export import export_rows
from gatewayd.store.request_log import LogFilter
from gatewayd.store.retention import Removed, Retention

_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_YEAR = 365 * 86_400.0


@click.group(short_help="The request log.")
def logs() -> None:
    """Example: gatewayd logs export --since 7d --format csv

    The request log: one row for each message.
    """


def _moment(_ctx: click.Context, _option: click.Parameter, value: str | None) -> int | None:
    """UTC epoch milliseconds of `90m`, `24h`, `7d`, `2w` ago, or of a date or time of ISO 8601."""
    if value is None:
        return None
    if match := re.fullmatch(r"(\d{1,6})([mhdw])", value):
        return int((time.time() - int(match[1]) * _UNITS[match[2]]) * 1000)
    try:
        moment = datetime.fromisoformat(value)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{value!r} is no time; write 24h, 7d or 2026-11-24T10:00") from None


@logs.command(short_help="Write rows to standard output.")
@click.option("--since", callback=_moment, required=True, help="24h, 7d, 2w, or a date or time (UTC).")
@click.option("--until", callback=_moment, help="As --since; that moment is left out.")
@click.option("--gateway", help="Only this gateway's.")
@click.option("--format", "format_", type=click.Choice(["csv", "jsonl"]), default="jsonl", show_default=True)
def export(since: int, until: int | None, gateway: str | None, format_: Literal["csv", "jsonl"]) -> None:
    """Example: gatewayd logs export --since 7d --format csv > log.csv

    Writes the rows of requests that ended since then, newest first. Bodies are not part of it.
    """
    progress = Progress("rows")
    wanted = LogFilter(gateway=gateway, since=since, until=until)

    async def write(store: Store) -> None:
        async for count, text in export_rows(store, wanted, format_):
            sys.stdout.write(text)
            progress.add(count)
        sys.stdout.flush()

    run_with_store(read_settings(), write)
    progress.end()


@logs.command(short_help="Remove what is older than it is kept.")
@click.option("--days", type=click.IntRange(1), help="Rows older than this; else GATEWAYD_LOG_RETENTION_DAYS.")
@click.option("--body-days", type=click.IntRange(1), help="Bodies; else GATEWAYD_BODY_RETENTION_DAYS.")
def prune(days: int | None, body_days: int | None) -> None:
    """Example: gatewayd logs prune --days 30

    Removes rows and bodies that are older than that. The server does it by itself; this does it now, and to the end.
    Usage by the hour is kept.
    """
    settings = read_settings()
    progress = Progress("rows and bodies removed")

    def report(removed: Removed) -> None:
        progress.show(removed.rows + removed.bodies)

    async def remove(store: Store) -> Removed:
        log_days = days or settings.log_retention_days
        retention = Retention(store, log_days, body_days or settings.body_retention_days, seconds=_YEAR, report=report)
        return await retention.run()

    removed = run_with_store(settings, remove)
    progress.end()
    whole_days = f", {removed.partitions} whole days" if removed.partitions else ""
    say(f"removed {removed.rows} rows{whole_days} and {removed.bodies} bodies")
