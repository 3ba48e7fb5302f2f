"""The LLM surface's route table, and what holds for each of its answers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from sanic import HTTPResponse

from gatewayd.api.context import App, request_id
from gatewayd.api.errors import render_error
from gatewayd.api.health import health, probe, ready
from gatewayd.api.messages import count_tokens, create_message
from gatewayd.api.metrics import metrics
from gatewayd.api.models import get_model, list_models

# method, path, handler, does the handler read the body itself
ROUTES: list[tuple[str, str, Callable[..., Coroutine[Any, Any, HTTPResponse | None]], bool]] = [
    ("POST", "/gateway/<gateway_id>/v1/messages", create_message, True),
    ("POST", "/gateway/<gateway_id>/v1/messages/count_tokens", count_tokens, True),
    ("GET", "/gateway/<gateway_id>/v1/models", list_models, False),
    ("GET", "/gateway/<gateway_id>/v1/models/<model:path>", get_model, False),
    ("HEAD", "/gateway/<gateway_id>", probe, False),
    ("HEAD", "/gateway/<gateway_id>/api/hello", probe, False),
    ("GET", "/health", health, False),
    ("GET", "/ready", ready, False),
    ("GET", "/metrics", metrics, False),
]


def add_routes(app: App) -> None:
    for method, path, handler, stream in ROUTES:
        app.add_route(handler, path, methods=[method], name=f"{method} {handler.__name__} {path}", stream=stream)
    app.error_handler.add(Exception, render_error)
    app.register_middleware(_name_answer, "response")


async def _name_answer(request: Any, response: Any) -> None:
    response.headers["request-id"] = request_id(request)
    limit_headers = getattr(request.ctx, "limit_headers", None)
    if limit_headers:
        response.headers.update(limit_headers)
