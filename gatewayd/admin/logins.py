"""Who is logged in: cookies, passwords, and how often one may try. Renders nothing.

The cookie is 32 random bytes; the database knows its SHA-256. Failures are counted in the audit trail, so all workers
count together: beyond a few, each further try has to wait longer, up to MAX_WAIT, and never for good.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from sanic import HTTPResponse

from gatewayd.store import Store
from gatewayd.store.audit import AuditEvent, add_events
from gatewayd.store.logins import (
    Failures,
    Login,
    add_login,
    count_failures,
    list_logins,
    read_login,
    remove_login,
    touch_login,
)

COOKIE, SECURE_COOKIE = "gatewayd", "__Host-gatewayd"
FAILED = "login_failed"
WINDOW = 15 * 60_000  # milliseconds
FREE_OF_ADDRESS, FREE_OF_ALL = 5, 50
FIRST_WAIT, MAX_WAIT, MAX_WAIT_OF_ALL = 15_000, 15 * 60_000, 60_000
_TOUCH_AFTER = 60_000  # `seen_at` need not be exact
_MAX_COOKIE = 100


@dataclass(frozen=True, slots=True)
class Credentials:
    """What logs in. fingerprint: changes with the name and the password, and ends every login made before."""

    username: str
    password: str = field(repr=False)

    @property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(_digest(self.username) + _digest(self.password)).hexdigest()
        return digest[:32]

    def match(self, username: str, password: str) -> bool:
        """Takes the same time whatever differs."""
        names = hmac.compare_digest(_digest(username), _digest(self.username))
        return hmac.compare_digest(_digest(password), _digest(self.password)) & names


@dataclass(frozen=True, slots=True)
class Tried:
    """cookie: the new one; wait: seconds until the next try makes sense, where this one was not looked at."""

    cookie: str | None = field(default=None, repr=False)
    wait: int = 0


class Logins:
    """Logins of one installation. Every method that asks the database raises StoreUnavailable."""

    def __init__(self, store: Store, credentials: Credentials) -> None:
        self._store = store
        self._credentials = credentials
        self._fingerprint = credentials.fingerprint
        self._one_at_a_time = asyncio.Lock()  # otherwise many tries at once would all see few failures

    @property
    def username(self) -> str:
        return self._credentials.username

    async def find(self, cookies: Mapping[str, str]) -> Login | None:
        """The login that a request's cookies are of."""
        for name in (SECURE_COOKIE, COOKIE):
            cookie = cookies.get(name)
            if cookie and len(cookie) <= _MAX_COOKIE:
                login = await self._read(cookie)
                if login is not None:
                    return login
        return None

    async def begin(self, username: str, password: str, ip: str, user_agent: str, old: Login | None) -> Tried:
        """Tries to log in; every try that is looked at is audited. old: the login to end when there is a new one."""
        async with self._one_at_a_time:
            now = _now()
            wait = await self._wait(ip, now)
            if wait > 0:
                return Tried(wait=(wait + 999) // 1000)
            if not self._credentials.match(username, password):
                async with self._store.write() as session:
                    await add_events(session, [AuditEvent(_unknown(ip), FAILED, "login")])
                return Tried()
        cookie = secrets.token_urlsafe(32)
        login = Login(_sha256(cookie), now, now, ip, user_agent, self._fingerprint)
        async with self._store.write_lock() as session:
            await add_login(session, login)
            await add_events(session, [AuditEvent(f"{self.username}@{ip}", "login", "login")])
        if old is not None:
            await self._end(old)
        return Tried(cookie)

    async def end(self, login: Login, actor: str) -> None:
        await self._end(login)
        async with self._store.write() as session:
            await add_events(session, [AuditEvent(actor, "logout", "login")])

    async def revoke(self, sha256: str, actor: str) -> bool:
        """Whether there was such a login; told by the first characters of its hash in the audit trail."""
        async with self._store.write_lock() as session:
            if not await remove_login(session, sha256):
                return False
            await add_events(session, [AuditEvent(actor, "revoke", f"login:{sha256[:12]}")])
        return True

    async def list_(self) -> list[Login]:
        async with self._store.read() as session:
            return await list_logins(session, self._fingerprint, _now())

    async def _read(self, cookie: str) -> Login | None:
        now, sha256 = _now(), _sha256(cookie)
        async with self._store.session() as session:
            login = await read_login(session, sha256, self._fingerprint, now)
        if login is not None and now - login.seen_at > _TOUCH_AFTER:
            async with self._store.write() as session:
                await touch_login(session, sha256, now)
        return login

    async def _end(self, login: Login) -> None:
        async with self._store.write_lock() as session:
            await remove_login(session, login.sha256)

    async def _wait(self, ip: str, now: int) -> int:
        """Milliseconds. An address from which somebody is logged in need not wait for the failures of others."""
        async with self._store.session() as session:
            failures = await count_failures(session, FAILED, _unknown(ip), now - WINDOW)
            known = failures.of_all >= FREE_OF_ALL and any(
                login.client_ip == ip for login in await list_logins(session, self._fingerprint, now)
            )
        return wait_after(failures, now, known=known)


def wait_after(failures: Failures, now: int, *, known: bool = False) -> int:
    """Milliseconds until the next try. It doubles with each failure beyond those that are free."""
    own = _growing(failures.of_address - FREE_OF_ADDRESS, MAX_WAIT)
    wait = failures.latest_of_address + own - now if own else 0
    if not known and (of_all := _growing(failures.of_all - FREE_OF_ALL, MAX_WAIT_OF_ALL)):
        wait = max(wait, failures.latest_of_all + of_all - now)
    return max(wait, 0)


def set_cookie(response: HTTPResponse, cookie: str, *, secure: bool) -> None:
    """For the browser's own session: it ends with that, and in the database at the latest."""
    name = SECURE_COOKIE if secure else COOKIE
    response.headers.add("set-cookie", _cookie(name, cookie, secure=secure))


def forget_cookies(response: HTTPResponse, *, secure: bool) -> None:
    response.headers.add("set-cookie", _cookie(COOKIE, "", secure=False) + "; Max-Age=0")
    if secure:
        response.headers.add("set-cookie", _cookie(SECURE_COOKIE, "", secure=True) + "; Max-Age=0")


def _cookie(name: str, value: str, *, secure: bool) -> str:
    return f"{name}={value}; Path=/; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"


def _growing(beyond: int, most: int) -> int:
    return 0 if beyond < 0 else min(FIRST_WAIT << min(beyond, 20), most)


def _unknown(ip: str) -> str:
    """Not the name that was typed: it may be a password."""
    return f"unknown@{ip}"


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _sha256(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).hexdigest()


def _now() -> int:
    return time.time_ns() // 1_000_000
