"""Records edited by hand, on both engines: one transaction each, with its audit event and its revision."""

from __future__ import annotations

import time
from typing import Any

import pytest

from gatewayd.config.apply import apply
from gatewayd.config.load import Desired, DesiredGateway
from gatewayd.config.planned import Choice
from gatewayd.config.records import (
    InvalidField,
    Record,
    Stale,
    UnknownGateway,
    delete_record,
    detach_record,
    list_records,
    pause_gateway,
    read_record,
    restore_record,
    resume_gateway,
    revert_fields,
    save_record,
)
from gatewayd.errors import ConfigurationError
from gatewayd.gateways import Gateway
from gatewayd.store import Store
from gatewayd.store.audit import AuditEvent, list_events
from gatewayd.store.keys import build_vault, load_secret_keys
from gatewayd.store.secrets import list_secrets
from gatewayd.store.state import read_revision
from gatewayd.store.tokens import remove_token

ME = "admin@10.0.0.1"
ONE, TWO = "1" * 64, "2" * 64


def gateway(**values: Any) -> Gateway:
    return Gateway.model_validate({"upstream": {"base_url": "https://api.example.com"}, **values})


async def sync(store: Store, **gateways: dict[str, Any]) -> None:
    wanted = {id_: DesiredGateway(id_, gateway(**values), "configs/a.yaml", 3) for id_, values in gateways.items()}
    choice = Choice(mass_prune=True)
    await apply(store, Desired("default", wanted), mode="sync", generate_tokens=False, choice=choice)


async def record(store: Store, gateway_id: str = "demo") -> Record:
    async with store.read() as session:
        return await read_record(session, gateway_id)


async def revision(store: Store) -> int:
    async with store.read() as session:
        return await read_revision(session)


async def events(store: Store, gateway_id: str = "demo") -> list[AuditEvent]:
    async with store.read() as session:
        return await list_events(session, f"gateway:{gateway_id}")


async def test_a_new_record_belongs_to_the_ui(store: Store) -> None:
    saved = await save_record(store, "demo", gateway(name="Demo"), generation=None, by=ME)
    assert (saved.row.managed_by, saved.row.generation, saved.row.updated_by, saved.revision) == ("ui", 1, ME, 1)
    found = await record(store)
    assert (found.row, found.status) == (saved.row, "ui")
    (event,) = await events(store)
    assert (event.actor, event.action) == (ME, "create")
    assert event.detail["fields"] == [
        {"field": "name", "after": "Demo"},
        {"field": "upstream.base_url", "after": "https://api.example.com/v1"},
    ]


async def test_a_save_raises_generation_and_revision_and_tells_what_changed(store: Store) -> None:
    await save_record(store, "demo", gateway(name="One", limits={"concurrent": 3}), generation=None, by=ME)
    saved = await save_record(store, "demo", gateway(name="Two"), generation=1, by=ME)
    assert (saved.row.generation, saved.revision) == (2, 2)
    assert (await events(store))[0].detail == {
        "fields": [{"field": "limits.concurrent", "before": 3}, {"field": "name", "before": "One", "after": "Two"}]
    }


async def test_a_save_without_a_change_writes_nothing(store: Store) -> None:
    await save_record(store, "demo", gateway(name="One"), generation=None, by=ME)
    saved = await save_record(store, "demo", gateway(name="One"), generation=1, by=ME)
    assert (saved.row.generation, saved.revision, len(await events(store))) == (1, 1, 1)


async def test_a_stale_save_changes_nothing_and_gives_the_newer_record(store: Store) -> None:
    await save_record(store, "demo", gateway(name="One"), generation=None, by=ME)
    await save_record(store, "demo", gateway(name="Two"), generation=1, by="admin@10.0.0.2")
    for change in (
        save_record(store, "demo", gateway(name="Three"), generation=1, by=ME),
        delete_record(store, "demo", generation=1, by=ME),
        detach_record(store, "demo", generation=1, by=ME),
        revert_fields(store, "demo", generation=1, by=ME),
    ):
        with pytest.raises(Stale, match=r"changed by admin@10\.0\.0\.2 meanwhile") as stale:
            await change
        assert stale.value.row.spec["name"] == "Two"
    assert (await revision(store), len(await events(store))) == (2, 2)


@pytest.mark.parametrize("gateway_id", ["", "Demo", "-x", "a" * 64, "demo\n"])
async def test_an_id_that_no_url_can_have_is_refused(store: Store, gateway_id: str) -> None:
    with pytest.raises(InvalidField) as error:
        await save_record(store, gateway_id, gateway(), generation=None, by=ME)
    assert error.value.field == "id"
    assert await revision(store) == 0


async def test_a_taken_id_is_refused_and_that_of_a_deleted_record_too(store: Store) -> None:
    await save_record(store, "demo", gateway(), generation=None, by=ME)
    with pytest.raises(InvalidField, match="is taken"):
        await save_record(store, "demo", gateway(), generation=None, by=ME)
    await delete_record(store, "demo", generation=1, by=ME)
    with pytest.raises(InvalidField, match="restore it"):
        await save_record(store, "demo", gateway(), generation=None, by=ME)


async def test_a_fallback_must_be_there_and_be_another(store: Store) -> None:
    for name, told in (("demo", "its own"), ("none", "no gateway 'none'")):
        with pytest.raises(InvalidField, match=told):
            await save_record(store, "demo", gateway(fallback=[name]), generation=None, by=ME)
    await save_record(store, "other", gateway(), generation=None, by=ME)
    await save_record(store, "demo", gateway(fallback=["other"]), generation=None, by=ME)


async def test_unknown_records_are_told_with_those_there_are(store: Store) -> None:
    await save_record(store, "demo", gateway(), generation=None, by=ME)
    for change in (
        save_record(store, "dmeo", gateway(), generation=1, by=ME),
        delete_record(store, "dmeo", generation=1, by=ME),
        pause_gateway(store, "dmeo", reason="x", until=None, by=ME),
        resume_gateway(store, "dmeo", by=ME),
        restore_record(store, "dmeo", by=ME),
    ):
        with pytest.raises(UnknownGateway, match="no gateway 'dmeo'; there is: demo"):
            await change
    assert await revision(store) == 1


async def test_a_provider_key_is_stored_with_the_record_and_is_nowhere_to_be_read(store: Store) -> None:
    vault = build_vault(load_secret_keys("k" * 32, store.address))
    refers = gateway(upstream={"base_url": "https://api.example.com", "api_key": {"stored": True}})
    with pytest.raises(InvalidField, match="enter it"):
        await save_record(store, "demo", refers, generation=None, by=ME, vault=vault)
    with pytest.raises(InvalidField, match="refers to another"):
        await save_record(store, "demo", gateway(), generation=None, by=ME, provider_key="sk-secret", vault=vault)
    await save_record(store, "demo", refers, generation=None, by=ME, provider_key="sk-secret", vault=vault)
    saved = await save_record(store, "demo", refers, generation=1, by=ME, provider_key="sk-other", vault=vault)
    async with store.read() as session:
        (stored,) = await list_secrets(session)
    assert vault.decrypt(stored.ciphertext) == "sk-other"
    assert "sk-" not in repr(saved) + repr(await events(store))
    assert (await events(store))[0].detail == {"fields": [{"field": "upstream.api_key", "entered": True}]}
    await save_record(store, "demo", gateway(), generation=2, by=ME)
    async with store.read() as session:
        assert await list_secrets(session) == []


async def test_a_base_url_that_moves_elsewhere_asks_for_the_stored_key_again(store: Store) -> None:
    vault = build_vault(load_secret_keys("a-key-of-sixteen-characters", store.address))
    refers = gateway(upstream={"base_url": "https://api.example.com", "api_key": {"stored": True}})
    await save_record(store, "demo", refers, generation=None, by=ME, provider_key="sk-secret", vault=vault)
    moved = gateway(upstream={"base_url": "https://evil.example", "api_key": {"stored": True}})
    with pytest.raises(InvalidField, match=r"the stored one is for https://api\.example\.com alone"):
        await save_record(store, "demo", moved, generation=1, by=ME, vault=vault)
    saved = await save_record(store, "demo", moved, generation=1, by=ME, provider_key="sk-theirs", vault=vault)
    assert saved.row.generation == 2
    longer = gateway(upstream={"base_url": "https://evil.example/v2", "api_key": {"stored": True}})
    await save_record(store, "demo", longer, generation=2, by=ME, vault=vault)


async def test_headers_are_not_told_in_the_audit_trail(store: Store) -> None:
    headers = {"base_url": "https://api.example.com", "headers": {"X-Key": "very-secret"}}
    await save_record(store, "demo", gateway(upstream=headers), generation=None, by=ME)
    assert {"field": "upstream.headers.X-Key", "after": "(hidden)"} in (await events(store))[0].detail["fields"]
    assert "very-secret" not in repr(await events(store))


async def test_a_deleted_record_of_the_ui_comes_back_with_its_values(store: Store) -> None:
    await save_record(store, "demo", gateway(name="Mine"), generation=None, by=ME)
    await delete_record(store, "demo", generation=1, by=ME)
    assert not (await record(store)).row.is_active
    with pytest.raises(UnknownGateway, match="is deleted"):
        await save_record(store, "demo", gateway(), generation=2, by=ME)
    restored = await restore_record(store, "demo", by=ME)
    assert (restored.row.state, restored.row.spec["name"], restored.revision) == ("active", "Mine", 3)
    assert [event.action for event in await events(store)] == ["restore", "delete", "create"]
    with pytest.raises(UnknownGateway, match="is not deleted"):
        await restore_record(store, "demo", by=ME)


async def test_a_record_deleted_while_its_file_has_it_goes_back_to_the_file(store: Store) -> None:
    await sync(store, demo={"name": "File"})
    await delete_record(store, "demo", generation=1, by=ME)
    assert (await record(store)).status == "drifted"
    await sync(store, demo={"name": "File"})
    assert not (await record(store)).row.is_active
    assert (await restore_record(store, "demo", by=ME)).row.managed_by == "file:default"
    assert (await record(store)).status == "synced"


async def test_a_record_restored_after_it_left_the_files_belongs_to_the_ui_and_stays(store: Store) -> None:
    await sync(store, demo={}, other={})
    await sync(store, other={})
    restored = await restore_record(store, "demo", by=ME)
    assert (restored.row.managed_by, (await record(store)).status) == ("ui", "ui")
    await sync(store, other={})
    assert (await record(store)).row.is_active


async def test_an_edit_of_a_file_s_record_is_told_with_who_made_it(store: Store) -> None:
    await sync(store, demo={"name": "File", "limits": {"concurrent": 1}})
    assert (await record(store)).status == "synced"
    began = time.time_ns() // 1_000_000
    await save_record(store, "demo", gateway(name="UI", limits={"concurrent": 1}), generation=1, by=ME)
    await save_record(store, "demo", gateway(name="UI", limits={"concurrent": 9}), generation=2, by="admin@10.0.0.2")
    found = await record(store)
    name, limit = sorted(found.differences, key=lambda difference: str(difference.changed_by))
    assert (found.status, name.change.name, name.change.file, name.change.live) == ("drifted", "name", "File", "UI")
    assert (name.changed_by, limit.changed_by) == (ME, "admin@10.0.0.2")
    assert name.changed_at is not None
    assert name.changed_at >= began
    async with store.read() as session:
        assert [(shown.row.id, shown.status) for shown in await list_records(session)] == [("demo", "drifted")]


async def test_a_conflict_shows_all_three_values_until_it_is_reverted(store: Store) -> None:
    await sync(store, demo={"name": "Old"})
    await save_record(store, "demo", gateway(name="UI"), generation=1, by=ME)
    await sync(store, demo={"name": "New"})
    found = await record(store)
    (difference,) = found.differences
    change = difference.change
    assert (found.status, change.last, change.file, change.live) == ("conflict", "Old", "New", "UI")
    saved = await revert_fields(store, "demo", ["name"], generation=found.row.generation, by=ME)
    assert (saved.row.spec["name"], (await record(store)).status) == ("New", "synced")
    assert (await events(store))[0].detail == {"fields": [{"field": "name", "before": "UI", "after": "New"}]}


async def test_one_field_is_reverted_and_the_others_stay(store: Store) -> None:
    await sync(store, demo={"name": "File", "limits": {"concurrent": 1}})
    await save_record(store, "demo", gateway(name="UI", limits={"concurrent": 9}), generation=1, by=ME)
    with pytest.raises(InvalidField, match="nothing to revert"):
        await revert_fields(store, "demo", ["fallback"], generation=2, by=ME)
    saved = await revert_fields(store, "demo", ["limits.concurrent"], generation=2, by=ME)
    assert (saved.row.spec["name"], saved.row.spec["limits"]) == ("UI", {"concurrent": 1})
    await revert_fields(store, "demo", generation=3, by=ME)
    assert (await record(store)).status == "synced"


async def test_a_revoked_token_of_a_file_is_a_difference_and_can_be_taken_back(store: Store) -> None:
    await sync(store, demo={"tokens": [{"name": "my.laptop", "sha256": ONE}]})
    async with store.write_lock() as session:
        await remove_token(session, "demo", "my.laptop")
    assert (await record(store)).status == "drifted"
    await revert_fields(store, "demo", ["tokens.my.laptop"], generation=1, by=ME)
    found = await record(store)
    assert [(token.name, token.sha256, token.managed_by) for token in found.tokens] == [
        ("my.laptop", ONE, "file:default")
    ]
    assert (found.status, ONE in repr(await events(store))) == ("synced", False)


async def test_a_detached_record_is_no_longer_touched_by_its_file(store: Store) -> None:
    await sync(store, demo={"name": "File"}, other={})
    await detach_record(store, "demo", generation=1, by=ME)
    assert (await record(store)).status == "detached"
    await sync(store, demo={"name": "Newer"}, other={})
    assert (await record(store)).row.spec["name"] == "File"
    await sync(store, other={})
    assert (await record(store)).row.is_active
    with pytest.raises(InvalidField, match="no file"):
        await detach_record(store, "demo", generation=2, by=ME)


async def test_a_pause_leaves_the_record_as_it_is(store: Store) -> None:
    await sync(store, demo={})
    before = (await record(store)).row
    until = time.time_ns() // 1_000_000 + 60_000
    await pause_gateway(store, "demo", reason=" provider is down ", until=until, by=ME)
    found = await record(store)
    assert (found.row, found.status) == (before, "synced")
    assert found.pause is not None
    assert (found.pause.pause_reason, found.pause.until, found.pause.paused_by) == ("provider is down", until, ME)
    await resume_gateway(store, "demo", by=ME)
    assert (await record(store)).pause is None
    assert [event.action for event in await events(store)][:2] == ["resume", "pause"]
    with pytest.raises(UnknownGateway, match="not paused"):
        await resume_gateway(store, "demo", by=ME)


async def test_a_pause_that_is_over_is_none(store: Store) -> None:
    await sync(store, demo={})
    await pause_gateway(store, "demo", reason="short", until=1, by=ME)
    assert (await record(store)).pause is None


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "x" * 201])
async def test_a_pause_needs_a_reason_of_one_line(store: Store, reason: str) -> None:
    await sync(store, demo={})
    with pytest.raises(InvalidField) as error:
        await pause_gateway(store, "demo", reason=reason, until=None, by=ME)
    assert error.value.field == "reason"


async def test_what_fails_leaves_neither_change_nor_event(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await sync(store, demo={"name": "File"})
    before, told = await record(store), await events(store)

    async def fail(*_: object) -> None:
        raise ConfigurationError("no")

    monkeypatch.setattr("gatewayd.config.records.bump_revision", fail)
    for change in (
        save_record(store, "demo", gateway(name="UI"), generation=1, by=ME),
        delete_record(store, "demo", generation=1, by=ME),
        detach_record(store, "demo", generation=1, by=ME),
        pause_gateway(store, "demo", reason="x", until=None, by=ME),
    ):
        with pytest.raises(ConfigurationError):
            await change
    assert (await record(store), await events(store)) == (before, told)
