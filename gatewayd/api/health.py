"""Probes: /health says that the process answers, /ready whether it should get work, HEAD what clients ask at start."""

from __future__ import annotations

from typing import Any

import orjson
from sanic import HTTPResponse

from gatewayd.api.context import ApiRequest


async def health(_request: ApiRequest) -> HTTPResponse:
    """No database, nothing that could be slow."""
    return HTTPResponse(b'{"status":"ok"}', content_type="application/json")


async def ready(request: ApiRequest) -> HTTPResponse:
    """200 or 503; the body says why, and what is wrong without being a reason (a configuration file with errors)."""
    readiness = request.app.ctx.readiness()
    body: dict[str, Any] = {"status": "not ready" if readiness.reasons else "ready"}
    if readiness.reasons:
        body["reasons"] = readiness.reasons
    if readiness.warnings:
        body["warnings"] = readiness.warnings
    status = 503 if readiness.reasons else 200
    return HTTPResponse(orjson.dumps(body), status=status, content_type="application/json")


async def probe(_request: ApiRequest, gateway_id: str) -> HTTPResponse:  # noqa: ARG001  # every gateway answers alike
    return HTTPResponse(status=200, content_type="text/plain")
