"""GET /dashboard: the last 24 hours, from the sums that the log writer keeps; no part of it reads the log."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from sanic import HTTPResponse

from gatewayd.admin.attention import is_failing, of_configuration, of_gateways, of_log
from gatewayd.admin.figures import Total, by_hour, hours_until, requests_chart, tokens_chart, total
from gatewayd.admin.visit import Visit
from gatewayd.config.client_settings import PLACEHOLDER, build_client_settings
from gatewayd.config.shells import SHELLS
from gatewayd.gateways import ActiveGateway
from gatewayd.store.latencies import Sizes, added_up, list_latencies
from gatewayd.store.usage import DAY, HOUR, UsageRow, list_usage

_MOST_LINES = 50  # of gateways; all of them are on their own page
_MOST_ATTENTION = 12
_OF_LATE = 2  # hours


class Line(NamedTuple):
    gateway: ActiveGateway
    url: str
    status: tuple[str, str]
    total: Total


async def show(visit: Visit) -> HTTPResponse:
    now = time.time_ns() // 1_000_000
    hours = hours_until(now)
    async with visit.admin.store.read() as session:
        rows = await list_usage(session, hours[0], now + 1, by=["gateway"])
        sizes = await list_latencies(session, hours[0], now + 1)
        ever = rows or await list_usage(session, 0, (now // DAY + 1) * DAY, step="all")
    gateways = list(visit.admin.live.current.gateways.values())
    usages = by_hour(rows, hours)
    state = visit.state()
    lines = _lines(visit, gateways, rows, sizes)
    of_late = _by_gateway([row for row in rows if row.at > hours[-1] - _OF_LATE * HOUR])
    attention = [
        *of_configuration(visit.admin.live.problems, state),
        *of_gateways(gateways, {id_: total(each) for id_, each in of_late.items()}),
        *of_log(state),
    ]
    return await visit.page(
        "dashboard/show.html",
        total=total(rows, added_up(sizes.values())),
        inflight=state.inflight,
        lines=lines[:_MOST_LINES],
        gateway_count=len(gateways),
        requests=requests_chart(usages, hours),
        tokens=tokens_chart(usages, hours),
        attention=attention[:_MOST_ATTENTION],
        more_attention=max(len(attention) - _MOST_ATTENTION, 0),
        first=_first_run(visit, gateways, sum(row.usage.requests for row in ever)),
    )


def _by_gateway(rows: Sequence[UsageRow]) -> dict[str, list[UsageRow]]:
    found = defaultdict[str, list[UsageRow]](list)
    for row in rows:
        found[row.gateway or ""].append(row)
    return found


def _lines(
    visit: Visit, gateways: Sequence[ActiveGateway], rows: Sequence[UsageRow], sizes: dict[str, Sizes]
) -> list[Line]:
    """The busiest first."""
    of = _by_gateway(rows)
    found = []
    for gateway in gateways:
        its = total(of.get(gateway.id, ()), sizes.get(gateway.id))
        found.append(Line(gateway, f"{visit.base_url}/gateway/{gateway.id}", status_of(gateway, its), its))
    return sorted(found, key=lambda line: (-line.total.usage.requests, line.gateway.id))


def status_of(gateway: ActiveGateway, its: Total) -> tuple[str, str]:
    """Its kind and its words."""
    pause = gateway.pause
    if pause is not None and (pause.until is None or pause.until > time.time()):
        return "paused", "paused"
    if gateway.missing_secret:
        return "bad", "no key"
    if is_failing(its):
        return "bad", "failing"
    if not gateway.token_hashes:
        return "warn", "no token"
    return ("ok", "serving") if its.usage.requests else ("idle", "no traffic")


def _first_run(visit: Visit, gateways: Sequence[ActiveGateway], requests: int) -> dict[str, Any] | None:
    """Until the first requests have come: how to send one."""
    usable = [gateway for gateway in gateways if not gateway.missing_secret]
    if requests > 2 or not usable:
        return None
    gateway = usable[0]
    variables = build_client_settings(f"{visit.base_url}/gateway/{gateway.id}", gateway.gateway, PLACEHOLDER)
    return {"gateway": gateway, "lines": SHELLS["bash"](variables), "arrived": requests > 0}
