"""GET and POST /login, POST /logout, and `/`."""

from __future__ import annotations

from sanic import HTTPResponse

from gatewayd.admin.logins import forget_cookies, set_cookie
from gatewayd.admin.origin import START, safe_target
from gatewayd.admin.visit import Visit

_MAX_LENGTH = 1000


async def start(visit: Visit) -> HTTPResponse:
    return visit.redirect(START)


async def show(visit: Visit) -> HTTPResponse:
    target = safe_target(visit.argument("next"))
    if visit.login is not None:
        return visit.redirect(target)
    return await visit.page("login/show.html", target=target, username="", problem="")


async def begin(visit: Visit) -> HTTPResponse:
    username, password = visit.field("username")[:_MAX_LENGTH], visit.field("password")[:_MAX_LENGTH]
    target = safe_target(visit.field("next"))
    request = visit.request
    user_agent = request.headers.get("user-agent", "")
    tried = await visit.admin.logins.begin(username, password, request.ip, user_agent, visit.login)
    if tried.cookie is not None:
        response = visit.redirect(target)
        set_cookie(response, tried.cookie, secure=visit.secure)
        return response
    visit.login = None
    if tried.wait:
        problem = f"Too many failed logins. Wait {tried.wait} seconds, then try again."
    else:
        problem = "The name or the password is not right."
    status = 429 if tried.wait else 401
    response = await visit.page("login/show.html", status, target=target, username=username, problem=problem)
    if tried.wait:
        response.headers["retry-after"] = str(tried.wait)
    return response


async def end(visit: Visit) -> HTTPResponse:
    assert visit.login is not None
    await visit.admin.logins.end(visit.login, visit.actor)
    response = visit.redirect("/login")
    forget_cookies(response, secure=visit.secure)
    return response
