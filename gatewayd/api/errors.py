"""Renders every failure of the LLM surface as an Anthropic error. The only renderer; foreign errors are mapped here."""

from __future__ import annotations

import logging

import orjson
from sanic import HTTPResponse
from sanic.exceptions import MethodNotAllowed, PayloadTooLarge, SanicException
from sanic.exceptions import NotFound as RouteNotFound

from gatewayd.api.context import ApiRequest, request_id
from gatewayd.errors import ApiError, InvalidRequest, NotFound, RequestTooLarge, UpstreamFailed
from gatewayd.protocol.events import error_payload

log = logging.getLogger("gatewayd.api")


def render_error(request: ApiRequest, exception: Exception) -> HTTPResponse:
    """Sanic's error handler."""
    error = exception if isinstance(exception, ApiError) else _mapped(request, exception)
    status = exception.status_code if isinstance(exception, MethodNotAllowed) else error.status
    headers = {}
    if error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    if error.should_retry is not None:
        headers["x-should-retry"] = "true" if error.should_retry else "false"
    body = orjson.dumps(error_payload(error, request_id(request)))
    return HTTPResponse(body, status=status, headers=headers, content_type="application/json")


def _mapped(request: ApiRequest, exception: Exception) -> ApiError:
    if isinstance(exception, RouteNotFound):
        return NotFound("there is nothing at this path")
    if isinstance(exception, MethodNotAllowed):
        return InvalidRequest("this path does not take that method")
    if isinstance(exception, PayloadTooLarge):
        return RequestTooLarge("the request is larger than 32 MB")
    if isinstance(exception, SanicException) and exception.status_code < 500:
        return InvalidRequest("the request is not well formed")
    log.error("request failed inside gatewayd", exc_info=exception, extra={"request_id": request_id(request)})
    failed = UpstreamFailed("gatewayd failed; its log says why")
    failed.status = 500
    return failed
