"""GET /dashboard: the last 24 hours, from the sums that the log writer keeps; no page of it reads the log."""

from __future__ import annotations

from sanic import HTTPResponse

from gatewayd.admin.visit import Visit


async def show(visit: Visit) -> HTTPResponse:
    return await visit.page("dashboard/show.html")
