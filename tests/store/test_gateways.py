"""Gateway and token rows, there and back, on both engines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gatewayd.errors import StoreUnavailable
from gatewayd.store import Store
from gatewayd.store.gateways import GatewayRow, add_gateway, list_gateways, read_gateway, save_gateway
from gatewayd.store.tokens import TokenRow, add_token, list_tokens, remove_token

ROW = GatewayRow(
    "demo",
    {"upstream": {"base_url": "https://api.example.com/v1"}, "name": "Grüße 🚀 \\ \" ' : %s :x"},
    "file:default",
    updated_at=1_700_000_000_123,
    updated_by="file:default",
    source_file="configs/demo.yaml",
    source_line=3,
    applied={"name": "\u2028"},
    generation=2**40,
)
TOKEN = TokenRow("demo", "laptop", "ab" * 32, "ui", 1_700_000_000_123)


async def test_a_row_comes_back_as_it_went_in(store: Store) -> None:
    async with store.write_lock() as session:
        await add_gateway(session, ROW)
        await add_gateway(session, replace(ROW, id="another", applied=None, source_file=None, source_line=None))
    async with store.read() as session:
        assert [row.id for row in await list_gateways(session)] == ["another", "demo"]
        assert await read_gateway(session, "demo") == ROW
        assert (await list_gateways(session))[0].applied is None
        assert await read_gateway(session, "none") is None


async def test_saving_replaces_that_row_alone(store: Store) -> None:
    async with store.write_lock() as session:
        await add_gateway(session, ROW)
        await add_gateway(session, replace(ROW, id="other"))
        await save_gateway(session, replace(ROW, state="deleted", generation=7))
    async with store.read() as session:
        assert await list_gateways(session) == [replace(ROW, state="deleted", generation=7), replace(ROW, id="other")]


async def test_a_second_row_of_the_same_id_is_refused(store: Store) -> None:
    with pytest.raises(StoreUnavailable):
        await _add_twice(store)
    async with store.read() as session:
        assert await list_gateways(session) == []


async def _add_twice(store: Store) -> None:
    async with store.write_lock() as session:
        await add_gateway(session, ROW)
        await add_gateway(session, ROW)


async def test_a_spec_that_is_no_json_object_does_not_hide_the_others(store: Store) -> None:
    async with store.write_lock() as session:
        await add_gateway(session, ROW)
        await add_gateway(session, replace(ROW, id="other"))
        await session.execute("UPDATE gateway SET spec = 'broken' WHERE id = 'other'")
    async with store.read() as session:
        rows = await list_gateways(session)
    assert [row.spec for row in rows] == [ROW.spec, {}]


async def test_tokens_come_back_by_gateway_and_name(store: Store) -> None:
    async with store.write_lock() as session:
        for id_ in ("demo", "other"):
            await add_gateway(session, replace(ROW, id=id_))
        for row in (TOKEN, replace(TOKEN, name="desk"), replace(TOKEN, gateway_id="other")):
            await add_token(session, row)
    async with store.read() as session:
        assert [(row.gateway_id, row.name) for row in await list_tokens(session)] == [
            ("demo", "desk"),
            ("demo", "laptop"),
            ("other", "laptop"),
        ]
        assert await list_tokens(session, "other") == [replace(TOKEN, gateway_id="other")]


async def test_removing_a_token_removes_that_one(store: Store) -> None:
    async with store.write_lock() as session:
        await add_gateway(session, ROW)
        await add_token(session, TOKEN)
        await add_token(session, replace(TOKEN, name="desk"))
        await remove_token(session, "demo", "laptop")
    async with store.read() as session:
        assert [row.name for row in await list_tokens(session)] == ["desk"]


async def test_a_token_needs_its_gateway(store: Store) -> None:
    with pytest.raises(StoreUnavailable):
        async with store.write_lock() as session:
            await add_token(session, TOKEN)
