"""GET /metrics: Prometheus text, for whoever holds GATEWAYD_METRICS_TOKEN, or for everyone where none is set."""

from __future__ import annotations

import asyncio
import hashlib
import hmac

from sanic import HTTPResponse

from gatewayd.api.auth import read_token
from gatewayd.api.context import ApiRequest
from gatewayd.errors import AuthenticationFailed
from gatewayd.observe.metrics import CONTENT_TYPE


async def metrics(request: ApiRequest) -> HTTPResponse:
    """Raises AuthenticationFailed, always with the same words. Written in a thread: thousands of series take long."""
    services = request.app.ctx
    wanted = services.metrics_token
    if wanted and not hmac.compare_digest(_digest(read_token(request) or b""), _digest(wanted.encode())):
        raise AuthenticationFailed("the metrics token is missing or not valid", should_retry=False)
    services.metrics.sample()
    text = await asyncio.to_thread(services.metrics.render)
    return HTTPResponse(text, content_type=CONTENT_TYPE)


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
