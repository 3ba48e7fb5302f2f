"""Where a request comes from: whether a form was sent from our own pages, over TLS or not, and where to go afterwards.

Pure. Proofs of origin are the browser's own headers (Fetch Metadata, else Origin); there are no tokens in forms.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, unquote, urlsplit

Headers = Mapping[str, str]

START = "/dashboard"


def is_own(headers: Headers, public_url: str | None) -> bool:
    """Whether the browser says that a page of ours sends this. What says nothing, `null` or another origin: no."""
    site = headers.get("sec-fetch-site")
    if site is not None:  # sent by every browser of today, wherever the connection can be trusted
        return site == "same-origin"
    origin = _host(headers.get("origin", ""))
    return bool(origin) and origin in _own_hosts(headers, public_url)


def is_secure(headers: Headers, scheme: str, public_url: str | None) -> bool:
    """Whether the browser speaks TLS, to us or to a proxy before us: then cookies are for that alone.

    What a proxy says of it is not asked: anyone can say it. The browser's Origin, and what the operator set, are.
    """
    if scheme == "https" or urlsplit(headers.get("origin", "")).scheme == "https":
        return True
    public = urlsplit(public_url or "")
    return public.scheme == "https" and public.netloc.lower() == headers.get("host", "").lower()


def safe_target(target: str | None) -> str:
    """A path of ours to go to after the login: what could lead elsewhere, or leads nowhere, becomes the first page."""
    if not target or not target.startswith("/") or not (target.isascii() and target.isprintable()):
        return START
    if target[:2] in ("//", "/\\") or "\\" in target or " " in target:
        return START
    path = unquote(target.partition("?")[0])
    if path.startswith(("//", "/gateway/", "/login", "/logout", "/static/")):
        return START
    return target


def login_path(target: str) -> str:
    """Where to log in, and to come back from."""
    safe = safe_target(target)
    return "/login" if safe == START else f"/login?next={quote(safe, safe='/')}"


def _own_hosts(headers: Headers, public_url: str | None) -> set[str]:
    hosts = {headers.get("host", "").lower(), urlsplit(public_url or "").netloc.lower()}
    return {_without_default_port(host) for host in hosts if host}


def _host(origin: str) -> str:
    try:
        url = urlsplit(origin)
    except ValueError:
        return ""
    return _without_default_port(url.netloc.lower()) if url.scheme in ("http", "https") else ""


def _without_default_port(host: str) -> str:
    return host.removesuffix(":443").removesuffix(":80")
