"""The human surface's route table, and what holds for each of its answers.

A route asks for a login unless it says `open`. Whatever changes something needs the browser's proof that it comes from
a page of ours; that, and the login, are looked at before a byte of the form is read. Every failure is a page.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, NamedTuple

from sanic import HTTPResponse, Sanic
from sanic.exceptions import MethodNotAllowed, SanicException
from sanic.exceptions import NotFound as RouteNotFound

from gatewayd.admin import (
    configuration,
    dashboard,
    entry,
    gateway_edit,
    gateway_tokens,
    gateway_trial,
    gateways,
    login,
    logs,
    sessions,
    static_files,
    system,
    usage,
)
from gatewayd.admin.origin import is_own, login_path
from gatewayd.admin.visit import Admin, NoSuchPage, Refused, UiRequest, Visit, read_form
from gatewayd.errors import StoreUnavailable

log = logging.getLogger("gatewayd.admin")

Handler = Callable[..., Coroutine[Any, Any, HTTPResponse | None]]
_PATHS_OF_CLIENTS = ("/gateway/", "/health", "/ready", "/metrics")


class Route(NamedTuple):
    method: str
    path: str
    handler: Handler
    open: bool = False


ROUTES = (
    Route("GET", "/login", login.show, open=True),
    Route("POST", "/login", login.begin, open=True),
    Route("POST", "/logout", login.end),
    Route("GET", "/static/<name>", static_files.show, open=True),
    Route("GET", "/", login.start),
    Route("GET", "/dashboard", dashboard.show),
    Route("GET", "/gateways", gateways.list_),
    Route("GET", "/gateways.csv", gateways.list_csv),
    Route("GET", "/gateways.json", gateways.list_json),
    Route("GET", "/gateways/new", gateway_edit.show_new),
    Route("POST", "/gateways/new", gateway_edit.create),
    Route("GET", "/gateways/<gateway_id>", gateways.show),
    Route("GET", "/gateways/<gateway_id>/edit", gateway_edit.show_edit),
    Route("POST", "/gateways/<gateway_id>/edit", gateway_edit.save),
    Route("GET", "/gateways/<gateway_id>/connect", gateway_tokens.show),
    Route("POST", "/gateways/<gateway_id>/tokens", gateway_tokens.create),
    Route("POST", "/gateways/<gateway_id>/tokens/reveal", gateway_tokens.reveal),
    Route("POST", "/gateways/<gateway_id>/tokens/revoke", gateway_tokens.revoke),
    Route("GET", "/gateways/<gateway_id>/usage", gateways.show_usage),
    Route("GET", "/gateways/<gateway_id>/history", gateways.show_history),
    Route("GET", "/gateways/<gateway_id>/record.yaml", gateways.show_yaml),
    Route("GET", "/gateways/<gateway_id>/test", gateway_trial.show),
    Route("POST", "/gateways/<gateway_id>/test", gateway_trial.send),
    Route("POST", "/gateways/<gateway_id>/delete", gateways.delete),
    Route("POST", "/gateways/<gateway_id>/restore", gateways.restore),
    Route("POST", "/gateways/<gateway_id>/pause", gateways.pause),
    Route("POST", "/gateways/<gateway_id>/resume", gateways.resume),
    Route("POST", "/gateways/<gateway_id>/detach", gateways.detach),
    Route("POST", "/gateways/<gateway_id>/revert", gateways.revert),
    Route("POST", "/gateways/<gateway_id>/record", gateways.record_next),
    Route("GET", "/logs", logs.show),
    Route("GET", "/logs.json", logs.show_json),
    Route("GET", "/logs.csv", logs.show_csv),
    Route("GET", "/logs/live", logs.follow),
    Route("GET", "/logs/<request_id>", entry.show),
    Route("GET", "/logs/<request_id>/bundle.json", entry.show_bundle),
    Route("GET", "/logs/<request_id>/request.json", entry.show_request),
    Route("GET", "/sessions", sessions.show),
    Route("GET", "/sessions.json", sessions.show_json),
    Route("GET", "/sessions.csv", sessions.show_csv),
    Route("GET", "/sessions/<session_id>", sessions.show_one),
    Route("GET", "/sessions/<session_id>/turns.json", sessions.show_one_json),
    Route("GET", "/sessions/<session_id>/turns.csv", sessions.show_one_csv),
    Route("GET", "/usage", usage.show),
    Route("GET", "/usage.json", usage.show_json),
    Route("GET", "/usage.csv", usage.show_csv),
    Route("GET", "/gateways/<gateway_id>/proposal", configuration.show_proposal),
    Route("GET", "/gateways/<gateway_id>/proposal.patch", configuration.download_proposal),
    Route("GET", "/config", configuration.show),
    Route("GET", "/config/plan", configuration.show_plan),
    Route("POST", "/config/apply", configuration.apply),
    Route("GET", "/system", system.show),
    Route("POST", "/system/logins/end", system.end_login),
    Route("GET", "/system/audit.csv", system.audit_csv),
    Route("GET", "/system/audit.json", system.audit_json),
)


def paths() -> list[str]:
    return [route.path for route in ROUTES]


def add_routes(app: Sanic[Any, Any], admin: Admin) -> None:
    for route in ROUTES:
        app.add_route(
            _guarded(route, admin),
            route.path,
            methods=[route.method],
            name=f"ui {route.method} {route.path}",
            stream=route.method == "POST",
        )
    clients = app.error_handler.lookup(Exception())

    async def render(request: UiRequest, exception: Exception) -> HTTPResponse:
        """Of a path that no route has: whose surface it would belong to decides how it is told."""
        if request.path.startswith(_PATHS_OF_CLIENTS):
            return clients(request, exception)  # type: ignore[no-any-return]  # Sanic gives it no types
        visit = Visit(request, admin)
        with suppress(StoreUnavailable):
            visit.login = await admin.logins.find(request.cookies)  # for the way back
        return await _failure(visit, exception)

    for exception in (RouteNotFound, MethodNotAllowed):
        app.error_handler.add(exception, render)


def _guarded(route: Route, admin: Admin) -> Handler:
    async def answer(request: UiRequest, **parameters: str) -> HTTPResponse | None:
        visit = Visit(request, admin)
        try:
            if route.method != "GET" and not is_own(request.headers, admin.facts.public_url):
                raise Refused(
                    403, "This was not sent from here", "Open the page in this browser and try again from there."
                )
            visit.login = await admin.logins.find(request.cookies) if _may_be_known(route) else None
            if visit.login is None and not route.open:
                return _log_in_first(visit, route)
            if route.method != "GET":
                visit.form = await read_form(request)
            return await route.handler(visit, **parameters)
        except Exception as error:  # whatever it is, it is told on a page
            return await _failure(visit, error)

    return answer


def _may_be_known(route: Route) -> bool:
    return not route.path.startswith("/static/")


def _log_in_first(visit: Visit, route: Route) -> HTTPResponse:
    """And then come back to a page; a form has to be sent again."""
    request = visit.request
    target = request.path + (f"?{request.query_string}" if request.query_string else "")
    return visit.redirect(login_path(target) if route.method == "GET" else "/login")


async def _failure(visit: Visit, error: Exception) -> HTTPResponse:
    status, title, text = _told(error)
    if status == 500:
        reference = secrets.token_hex(6)
        log.error("a page failed", exc_info=error, extra={"reference": reference})
        text = f"gatewayd's log says why, under {reference}."
    response = await visit.page("error.html", status, code=status, title=title, text=text)
    if isinstance(error, MethodNotAllowed):
        response.headers["allow"] = str(error.headers.get("Allow", ""))
    return response


def _told(error: Exception) -> tuple[int, str, str]:
    if isinstance(error, Refused):
        return error.status, error.title, error.text
    if isinstance(error, NoSuchPage):
        return 404, "There is no such page", str(error)
    if isinstance(error, RouteNotFound):
        return 404, "There is no such page", "Nothing is at this address."
    if isinstance(error, MethodNotAllowed):
        return 405, "This address does not take that", "It was asked for in another way than it answers to."
    if isinstance(error, StoreUnavailable):
        return 503, "The database does not answer", f"{error}. Gateways go on serving; this page needs the database."
    if isinstance(error, SanicException) and error.status_code < 500:
        return error.status_code, "This request cannot be read", "It is not well formed."
    return 500, "gatewayd failed", ""
