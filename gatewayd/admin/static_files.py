"""GET /static/NAME: from the table that was made at start; a path is never built from what was asked for."""

from __future__ import annotations

from sanic import HTTPResponse

from gatewayd.admin.static import FOREVER
from gatewayd.admin.visit import HEADERS, NoSuchPage, Visit


async def show(visit: Visit, name: str) -> HTTPResponse:
    file = visit.admin.static.files.get(name)
    if file is None:
        raise NoSuchPage("There is no file of that name; reload the page that asked for it.")
    headers = {**HEADERS, "cache-control": FOREVER, "vary": "accept-encoding"}
    if "gzip" not in visit.request.headers.get("accept-encoding", ""):
        return HTTPResponse(file.content, 200, headers, content_type=file.content_type)
    return HTTPResponse(file.packed, 200, {**headers, "content-encoding": "gzip"}, content_type=file.content_type)
