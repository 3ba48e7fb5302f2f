"""Who is logged in: cookies, how long, how often one may try; on both databases."""

from __future__ import annotations

import asyncio
import time

import pytest

from gatewayd.admin.logins import MAX_WAIT, Credentials, Logins, wait_after
from gatewayd.store import Store
from gatewayd.store.audit import list_events
from gatewayd.store.logins import ABSOLUTE, IDLE, Failures

CREDENTIALS = Credentials("admin", "a long enough password")
IP = "192.0.2.1"


class Clock:
    def __init__(self) -> None:
        self.ns = time.time_ns()

    def __call__(self) -> int:
        return self.ns

    def pass_ms(self, ms: float) -> None:
        self.ns += int(ms * 1_000_000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "time_ns", clock)
    return clock


async def log_in(logins: Logins, ip: str = IP) -> str:
    tried = await logins.begin("admin", "a long enough password", ip, "browser", None)
    assert tried.cookie is not None
    return tried.cookie


async def test_a_login_is_found_by_its_cookie_and_stored_by_its_hash(store: Store) -> None:
    logins = Logins(store, CREDENTIALS)
    cookie = await log_in(logins)
    assert await logins.find({"gatewayd": cookie}) is not None
    assert await logins.find({"__Host-gatewayd": cookie}) is not None
    for other in ("", cookie[:-1], cookie + "x", cookie.swapcase(), "x" * 5000, "\udcff"):
        assert await logins.find({"gatewayd": other}) is None
    assert await logins.find({"other": cookie}) is None
    async with store.read() as session:
        assert cookie not in str(await session.fetch_all("SELECT * FROM admin_session"))


async def test_it_ends_when_idle_and_after_a_week_whatever_happens(store: Store, clock: Clock) -> None:
    logins = Logins(store, CREDENTIALS)
    cookie = await log_in(logins)
    for _ in range(ABSOLUTE // IDLE + 1):
        clock.pass_ms(IDLE - 60_000)
        found = await logins.find({"gatewayd": cookie})
        if found is None:
            break
    assert found is None
    idle = await log_in(logins)
    clock.pass_ms(IDLE - 1)
    assert await logins.find({"gatewayd": idle}) is not None
    clock.pass_ms(IDLE)
    assert await logins.find({"gatewayd": idle}) is None


async def test_a_new_password_or_name_ends_every_login(store: Store) -> None:
    cookie = await log_in(Logins(store, CREDENTIALS))
    for changed in (Credentials("admin", "another long password"), Credentials("root", "a long enough password")):
        assert await Logins(store, changed).find({"gatewayd": cookie}) is None
    assert await Logins(store, CREDENTIALS).find({"gatewayd": cookie}) is not None


async def test_logging_in_anew_ends_the_old_login(store: Store) -> None:
    logins = Logins(store, CREDENTIALS)
    first = await log_in(logins)
    old = await logins.find({"gatewayd": first})
    second = await logins.begin("admin", "a long enough password", IP, "browser", old)
    assert second.cookie not in (None, first)
    assert await logins.find({"gatewayd": first}) is None
    assert len(await logins.list_()) == 1


async def test_it_can_be_revoked_and_everything_is_audited(store: Store) -> None:
    logins = Logins(store, CREDENTIALS)
    cookie = await log_in(logins)
    await logins.begin("admin", "wrong", IP, "", None)
    (login,) = await logins.list_()
    assert not await logins.revoke("0" * 64, "admin@x")
    assert await logins.revoke(login.sha256, "admin@x")
    assert await logins.find({"gatewayd": cookie}) is None
    other = await logins.find({"gatewayd": await log_in(logins)})
    assert other is not None
    await logins.end(other, "admin@x")
    async with store.read() as session:
        events = {(event.actor, event.action) for event in await list_events(session)}
    assert events == {
        ("admin@x", "logout"), ("admin@x", "revoke"), (f"unknown@{IP}", "login_failed"), (f"admin@{IP}", "login"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("username", "password"),
    [("admin", ""), ("", ""), ("admin", "a long enough passwor"), ("Admin", "a long enough password"),
     ("admin", "a long enough password "), ("root", "a long enough password"), ("admin", "pässwörd\udcff")],
)  # fmt: skip
def test_only_the_right_name_and_password_match(username: str, password: str) -> None:
    assert not CREDENTIALS.match(username, password)
    assert CREDENTIALS.match("admin", "a long enough password")


async def test_thirty_tries_are_throttled_and_the_wait_ends(store: Store, clock: Clock) -> None:
    logins = Logins(store, CREDENTIALS)
    tried = [await logins.begin("admin", f"wrong {number}", IP, "", None) for number in range(30)]
    assert [one.wait for one in tried[:5]] == [0] * 5
    assert all(one.wait > 0 for one in tried[5:])
    assert (await logins.begin("admin", "a long enough password", IP, "", None)).wait > 0
    assert (await logins.begin("admin", "a long enough password", "192.0.2.2", "", None)).cookie
    waits = []
    for _ in range(6):  # each further failure makes it longer
        wait = (await logins.begin("admin", "wrong", IP, "", None)).wait
        waits.append(wait)
        clock.pass_ms(wait * 1000)
        assert (await logins.begin("admin", "wrong", IP, "", None)).wait == 0
    assert waits == sorted(waits)
    assert waits[-1] > 4 * waits[0]
    assert max(waits) * 1000 <= MAX_WAIT
    clock.pass_ms(MAX_WAIT)
    assert await log_in(logins)


async def test_tries_at_the_same_moment_are_counted_one_by_one(store: Store) -> None:
    logins = Logins(store, CREDENTIALS)
    tried = await asyncio.gather(*(logins.begin("admin", "wrong", IP, "", None) for _ in range(20)))
    assert sum(one.wait == 0 for one in tried) == 5


async def test_failures_from_everywhere_do_not_lock_out_who_is_logged_in(store: Store, clock: Clock) -> None:
    logins = Logins(store, CREDENTIALS)
    await log_in(logins)
    for number in range(60):
        await logins.begin("admin", "wrong", f"198.51.100.{number}", "", None)
    stranger = await logins.begin("admin", "a long enough password", "203.0.113.1", "", None)
    assert 0 < stranger.wait <= 60
    assert await log_in(logins)
    clock.pass_ms(stranger.wait * 1000)
    assert (await logins.begin("admin", "a long enough password", "203.0.113.1", "", None)).cookie


def test_waits_double_and_have_an_end() -> None:
    def wait(failures: int) -> int:
        return wait_after(Failures(failures, 0, failures, 0), 0)

    assert [wait(count) // 1000 for count in (4, 5, 6, 7, 8)] == [0, 15, 30, 60, 120]
    assert wait(1_000_000) == MAX_WAIT
