"""What a page's function is given: the request of somebody who may see it, the services, and ways to answer.

A handler is `async def show(visit, **parameters of its path) -> HTTPResponse`. It may raise `NoSuchPage` and
`StoreUnavailable`; both become pages.
"""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import orjson
from sanic import HTTPResponse, Request

from gatewayd.admin.logins import Logins
from gatewayd.admin.origin import is_secure
from gatewayd.admin.pages import Pages
from gatewayd.admin.static import Static
from gatewayd.admin.tail import Tail
from gatewayd.config.live import Live
from gatewayd.observe.metrics import State
from gatewayd.relay import Relay
from gatewayd.store import Store
from gatewayd.store.keys import Vault
from gatewayd.store.logins import Login

MAX_FORM_BYTES = 1024 * 1024
_MAX_FIELDS = 5000

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    # not no-referrer: with that, browsers send `Origin: null` with our own forms, and where the connection is plain
    # HTTP nothing else says where a form comes from
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
NO_STORE = {"cache-control": "no-store"}

UiRequest = Request[Any, Any]


class NoSuchPage(Exception):
    """404. The text says what there is none of."""


class Refused(Exception):
    """What was asked for is not done: the page says why."""

    def __init__(self, status: int, title: str, text: str) -> None:
        super().__init__(text)
        self.status, self.title, self.text = status, title, text


@dataclass(frozen=True, slots=True)
class Facts:
    """What the process was set to, as pages show it. public_url: None: what the request says."""

    public_url: str | None = None
    config_dir: str = "configs"
    config_mode: str = "sync"
    config_drift: str = "keep"
    log_bodies: str = "errors"
    log_retention_days: int = 90
    body_retention_days: int = 14
    upstream_network: str = "local"


@dataclass(frozen=True, slots=True)
class Admin:
    """The services of the human surface. state: what stands in this process now."""

    store: Store
    live: Live
    relay: Relay
    vault: Vault = field(repr=False)
    logins: Logins
    pages: Pages
    static: Static
    state: Callable[[], State]
    tail: Tail
    facts: Facts = field(default_factory=Facts)


Form = Mapping[str, Sequence[str]]


@dataclass(slots=True)
class Visit:
    """login: None on pages that are open to all; form: what a POST holds."""

    request: UiRequest
    admin: Admin
    login: Login | None = None
    form: Form = field(default_factory=dict)

    @property
    def actor(self) -> str:
        """Who does what is audited."""
        return f"{self.admin.logins.username}@{self.request.ip}"

    @property
    def secure(self) -> bool:
        return is_secure(self.request.headers, self.request.scheme, self.admin.facts.public_url)

    @property
    def base_url(self) -> str:
        """Where clients reach this installation: what is shown to copy."""
        scheme = "https" if self.secure else "http"
        return self.admin.facts.public_url or f"{scheme}://{self.request.headers.get('host', '')}"

    def argument(self, name: str, default: str = "") -> str:
        """Of the query; the first one where there are several."""
        value = self.request.args.get(name, default)
        return str(value).strip()[:500]

    def field(self, name: str, default: str = "") -> str:
        """Of the form."""
        return self.form[name][0] if self.form.get(name) else default

    def state(self) -> State:
        return self.admin.state()

    async def page(self, template: str, status: int = 200, /, **context: Any) -> HTTPResponse:
        """Rendered in a thread: a long list takes long enough to hold up streams."""
        path = self.request.path
        shared = {"path": path, "login": self.login, "done": self.argument("done"), "base_url": self.base_url}
        html = await asyncio.to_thread(self.admin.pages.render, template, {**shared, **context})
        return HTTPResponse(html, status, {**HEADERS, **NO_STORE}, content_type="text/html; charset=utf-8")

    def redirect(self, path: str) -> HTTPResponse:
        """After a POST: the browser asks for that page, and a reload repeats nothing."""
        return HTTPResponse(b"", 303, {**HEADERS, **NO_STORE, "location": path}, content_type="text/plain")

    def json(self, value: Any, status: int = 200) -> HTTPResponse:
        data = orjson.dumps(value, option=orjson.OPT_INDENT_2)
        return HTTPResponse(data, status, {**HEADERS, **NO_STORE}, content_type="application/json")

    def csv(self, name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> HTTPResponse:
        """name: of the file, without its ending."""
        return self.download(f"{name}.csv", build_csv(header, rows), "text/csv; charset=utf-8")

    def download(self, name: str, content: str | bytes, content_type: str) -> HTTPResponse:
        """name: of the file, of characters that a header can carry."""
        headers = {**HEADERS, **NO_STORE, "content-disposition": f'attachment; filename="{name}"'}
        return HTTPResponse(content, 200, headers, content_type=content_type)


def build_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A text that a spreadsheet would take for a formula gets a ' before it."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value


def parse_form(body: bytes) -> Form:
    """`application/x-www-form-urlencoded`. Refused where it has too many fields or is no text."""
    try:
        return parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError:
        raise Refused(400, "This form cannot be read", "It has too many fields, or is not UTF-8 text.") from None


async def read_form(request: UiRequest) -> Form:
    """Bounded, and only of those who may send one."""
    pieces, length = [], 0
    while (piece := await request.stream.read()) is not None:  # type: ignore[union-attr]  # set for every real request
        length += len(piece)
        if length > MAX_FORM_BYTES:
            raise Refused(413, "This form is too large", "A form may have 1 MB.")
        pieces.append(piece)
    return parse_form(b"".join(pieces))
