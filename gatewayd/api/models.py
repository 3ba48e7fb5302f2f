"""GET /v1/models and /v1/models/{model}: the gateway's model map in Anthropic's shape and paging."""

from __future__ import annotations

from typing import Any

import orjson
from sanic import HTTPResponse

from gatewayd.api.auth import authenticate
from gatewayd.api.context import ApiRequest
from gatewayd.errors import InvalidRequest, NotFound
from gatewayd.gateways import Gateway

_DEFAULT_LIMIT, _MAX_LIMIT = 20, 1000
_UNKNOWN_DATE = "1970-01-01T00:00:00Z"  # the API's own convention for an unknown release date


async def list_models(request: ApiRequest, gateway_id: str) -> HTTPResponse:
    gateway = authenticate(request, request.app.ctx.current(), gateway_id).gateway
    page = _page(model_names(gateway.gateway), request)
    return HTTPResponse(orjson.dumps(page), content_type="application/json")


async def get_model(request: ApiRequest, gateway_id: str, model: str) -> HTTPResponse:
    gateway = authenticate(request, request.app.ctx.current(), gateway_id).gateway
    if gateway.gateway.route(model) is None:
        raise NotFound(f"model: {model}")
    return HTTPResponse(orjson.dumps(_entry(model)), content_type="application/json")


def model_names(gateway: Gateway) -> list[str]:
    """Names that a client can ask for and that can be named: a pattern stands for its upstream model, where asking for
    that by name leads to the same."""
    names: dict[str, None] = {}
    for row in gateway.models:
        name = row.name if "*" not in row.name else row.upstream_model
        found = gateway.route(name) if name else None
        if name and found and (found is row or found.upstream_model == row.upstream_model):
            names[name] = None
    return list(names)


def _page(names: list[str], request: ApiRequest) -> dict[str, Any]:
    limit = request.args.get("limit", str(_DEFAULT_LIMIT))
    if not limit.isdigit() or not 1 <= int(limit) <= _MAX_LIMIT:
        raise InvalidRequest(f"limit: must be a number from 1 to {_MAX_LIMIT}")
    after, before = request.args.get("after_id"), request.args.get("before_id")
    if after in names:
        names = names[names.index(after) + 1 :]
    if before in names:
        names = names[: names.index(before)][-int(limit) :]
    page = names[: int(limit)]
    return {
        "data": [_entry(name) for name in page],
        "has_more": len(names) > len(page),
        "first_id": page[0] if page else None,
        "last_id": page[-1] if page else None,
    }


def _entry(name: str) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": name, "created_at": _UNKNOWN_DATE}
