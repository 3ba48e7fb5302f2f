"""Probes: /health says that the process answers, /ready whether it should get work, HEAD what clients ask at start."""

from __future__ import annotations

import orjson
from sanic import HTTPResponse

from gatewayd.api.context import ApiRequest


async def health(_request: ApiRequest) -> HTTPResponse:
    """No database, nothing that could be slow."""
    return HTTPResponse(b'{"status":"ok"}', content_type="application/json")


async def ready(request: ApiRequest) -> HTTPResponse:
    reasons = request.app.ctx.not_ready()
    body = {"status": "not ready", "reasons": reasons} if reasons else {"status": "ready"}
    return HTTPResponse(orjson.dumps(body), status=503 if reasons else 200, content_type="application/json")


async def probe(_request: ApiRequest, gateway_id: str) -> HTTPResponse:  # noqa: ARG001  # every gateway answers alike
    return HTTPResponse(status=200, content_type="text/plain")
