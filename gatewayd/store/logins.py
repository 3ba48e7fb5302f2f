"""The `admin_session` table: logins to the UI, each found by the SHA-256 of its cookie, which alone is stored.

A login ends after IDLE without a request, after ABSOLUTE whatever happens, when it is revoked, and when the password
changes: then its `credential` is no longer that of the process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gatewayd.store.clean import clean_text
from gatewayd.store.database import Session
from gatewayd.store.tables import admin_session, audit_event

IDLE, ABSOLUTE = 8 * 3_600_000, 7 * 86_400_000  # milliseconds
_TEXT = 256

c = admin_session.c


@dataclass(frozen=True, slots=True)
class Login:
    """sha256: of the cookie, in hexadecimal; times in UTC epoch milliseconds; credential: which password made it."""

    sha256: str
    created_at: int
    seen_at: int
    client_ip: str
    user_agent: str
    credential: str


async def add_login(session: Session, login: Login) -> None:
    """Those that have ended go at the same time."""
    await session.execute(admin_session.delete().where(sa.not_(_alive(login.credential, login.created_at))))
    await session.execute(
        admin_session.insert().values(
            sha256=login.sha256,
            created_at=login.created_at,
            seen_at=login.seen_at,
            client_ip=login.client_ip,
            user_agent=clean_text(login.user_agent, _TEXT) or "",
            credential=login.credential,
        )
    )


async def read_login(session: Session, sha256: str, credential: str, now: int) -> Login | None:
    """None where there is none that is still good."""
    row = await session.fetch_one(admin_session.select().where(c.sha256 == sha256, _alive(credential, now)))
    return _login(row) if row else None


async def list_logins(session: Session, credential: str, now: int) -> list[Login]:
    """Those that are good, the latest seen first."""
    query = admin_session.select().where(_alive(credential, now)).order_by(c.seen_at.desc(), c.sha256)
    return [_login(row) for row in await session.fetch_all(query)]


async def touch_login(session: Session, sha256: str, now: int) -> None:
    await session.execute(sa.update(admin_session).where(c.sha256 == sha256).values(seen_at=now))


async def remove_login(session: Session, sha256: str) -> bool:
    """Whether there was one."""
    query = admin_session.delete().where(c.sha256 == sha256).returning(c.sha256)
    return await session.fetch_one(query) is not None


@dataclass(frozen=True, slots=True)
class Failures:
    """Failed logins since some time, and when the latest was; of an address and of all."""

    of_address: int
    latest_of_address: int
    of_all: int
    latest_of_all: int


async def count_failures(session: Session, action: str, actor: str, since: int) -> Failures:
    """From the audit trail, which all processes share and a restart does not forget."""
    a = audit_event.c
    mine = sa.case((a.actor == actor, a.at))
    query = sa.select(
        sa.func.count(mine).label("of_address"),
        sa.func.coalesce(sa.func.max(mine), 0).label("latest_of_address"),
        sa.func.count().label("of_all"),
        sa.func.coalesce(sa.func.max(a.at), 0).label("latest_of_all"),
    ).where(a.action == action, a.at >= since)
    row = await session.fetch_one(query)
    return Failures(**{name: int(row[name]) for name in Failures.__slots__}) if row else Failures(0, 0, 0, 0)


def _alive(credential: str, now: int) -> Any:
    return sa.and_(c.credential == credential, c.seen_at > now - IDLE, c.created_at > now - ABSOLUTE)


def _login(row: Mapping[str, Any]) -> Login:
    return Login(**row)
