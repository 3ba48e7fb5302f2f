"""Audit events, there and back, on both engines."""

from __future__ import annotations

from gatewayd.store import Store
from gatewayd.store.audit import AuditEvent, add_events, list_events

ONE = AuditEvent(
    "admin@10.0.0.1", "update", "gateway:demo", {"fields": [{"field": "name", "after": "Grüße 🚀 '"}]}, at=1
)
TWO = AuditEvent("cli@host", "delete", "gateway:other", at=2)
THREE = AuditEvent("file:default@3f2c1ab", "create", "gateway:demo", at=3)


async def test_events_come_back_as_they_went_in_the_newest_first(store: Store) -> None:
    async with store.write_lock() as session:
        await add_events(session, [ONE, TWO])
        await add_events(session, [])
        await add_events(session, [THREE])
    async with store.read() as session:
        assert await list_events(session) == [THREE, TWO, ONE]
        assert await list_events(session, "gateway:demo") == [THREE, ONE]
        assert await list_events(session, limit=1) == [THREE]
        assert await list_events(session, before=3) == [TWO, ONE]


async def test_a_detail_that_is_no_json_object_hides_nothing_else(store: Store) -> None:
    async with store.write_lock() as session:
        await add_events(session, [ONE])
        await session.execute("UPDATE audit_event SET detail = 'broken'")
    async with store.read() as session:
        (event,) = await list_events(session)
    assert (event.detail, event.subject) == ({}, "gateway:demo")
