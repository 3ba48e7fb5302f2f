"""/system: what runs, the room it takes, who is logged in, and the audit trail."""

from __future__ import annotations

import platform
from collections.abc import Sequence

from sanic import HTTPResponse

from gatewayd.admin.visit import NoSuchPage, Visit
from gatewayd.admin.wording import iso
from gatewayd.store.audit import AuditEvent, list_events
from gatewayd.store.migrations import read_status
from gatewayd.store.size import read_size

_PAGE = 50
_MOST = 10_000  # of an export


async def show(visit: Visit) -> HTTPResponse:
    before = visit.argument("before")
    events = await _events(visit, int(before[:15]) if before.isdecimal() else None, _PAGE + 1)
    store = visit.admin.store
    async with store.session() as session:
        size = await read_size(session)
    return await visit.page(
        "system/show.html",
        facts=visit.admin.facts,
        python=platform.python_version(),
        database=store.address.shown,
        size=size,
        schema=(await read_status(store)).current,
        state=visit.state(),
        served=len(visit.admin.live.current.gateways),
        database_problem=visit.admin.live.database_problem,
        can_store=visit.admin.vault.can_store,
        logins=await visit.admin.logins.list_(),
        events=events[:_PAGE],
        more=events[_PAGE - 1].at if len(events) > _PAGE else None,
        before=before,
    )


async def end_login(visit: Visit) -> HTTPResponse:
    """Somebody else's, or one's own."""
    sha256 = visit.field("login")
    if not await visit.admin.logins.revoke(sha256, visit.actor):
        raise NoSuchPage("That login has ended already.")
    return visit.redirect("/system?done=ended")


async def audit_csv(visit: Visit) -> HTTPResponse:
    rows = [list(_told(event).values()) for event in await _events(visit, None, _MOST)]
    return visit.csv("audit", ["id", "at", "actor", "action", "subject", "detail"], rows)


async def audit_json(visit: Visit) -> HTTPResponse:
    events = await _events(visit, None, _MOST)
    return visit.json({"events": [_told(event) | {"detail": event.detail} for event in events]})


async def _events(visit: Visit, before: int | None, limit: int) -> Sequence[AuditEvent]:
    async with visit.admin.store.read() as session:
        return await list_events(session, before=before, limit=limit)


def _told(event: AuditEvent) -> dict[str, object]:
    return {"id": event.id, "at": iso(event.at), "actor": event.actor, "action": event.action,
            "subject": event.subject, "detail": str(event.detail) if event.detail else ""}  # fmt: skip
