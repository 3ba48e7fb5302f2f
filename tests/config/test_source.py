"""The directory of files: what it leaves in the database, what is deleted with it, and who else applies it."""

from __future__ import annotations

import asyncio
import logging
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gatewayd.config import live as live_module
from gatewayd.config.apply import Applied, apply
from gatewayd.config.live import Live
from gatewayd.config.load import InvalidConfiguration, load_files, read_files
from gatewayd.config.planned import Choice
from gatewayd.config.records import read_record, save_record
from gatewayd.config.secrets import SecretReader
from gatewayd.errors import ConfigurationError
from gatewayd.gateways import Gateway
from gatewayd.store import Store
from gatewayd.store.audit import list_events
from gatewayd.store.sources import SourceRow, list_sources, save_source


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    directory = tmp_path / "configs"
    directory.mkdir()
    return directory


@pytest.fixture(autouse=True)
def quick_polls(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(live_module, "_DATABASE_POLL_SECONDS", {"sqlite": 0.02, "postgresql": 0.02})


def write(directory: Path, **names: str) -> None:
    """In one step: a poll must not find the file half written."""
    records = "".join(
        f"  {id_}:\n    name: {name}\n    upstream: {{base_url: https://api.example.com}}\n"
        for id_, name in names.items()
    )
    (directory / ".a.yaml").write_text(f"version: 1\ngateways:\n{records}" if names else "version: 1\n")
    (directory / ".a.yaml").rename(directory / "a.yaml")


def build(store: Store, configs: Path, **options: Any) -> Live:
    return Live(store, **{"environ": {}, "config_dir": configs, "poll_seconds": 0.02, **options})


@asynccontextmanager
async def watching(live: Live) -> AsyncIterator[None]:
    task = asyncio.create_task(live.watch())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


def names(live: Live) -> dict[str, str]:
    return {id_: gateway.gateway.name for id_, gateway in live.current.gateways.items()}


async def source(store: Store) -> SourceRow:
    async with store.read() as session:
        (row,) = await list_sources(session)
    return row


async def edit(store: Store, name: str, gateway_id: str = "demo") -> None:
    async with store.read() as session:
        row = (await read_record(session, gateway_id)).row
    gateway = Gateway.model_validate({**row.spec, "name": name})
    await save_record(store, gateway_id, gateway, generation=row.generation, by="admin@10.0.0.1")


async def applied_by(store: Store, configs: Path, host: str) -> Applied:
    desired = load_files(read_files([configs]), SecretReader({}, configs))
    return await apply(store, desired, mode="sync", generate_tokens=False, host=host)


async def test_what_was_applied_is_noted_with_its_hash_its_time_and_its_commit(store: Store, configs: Path) -> None:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false")
    write(configs, demo="One")
    for arguments in (["init", "--quiet"], ["add", "."], [*identity, "commit", "--quiet", "--message=x"]):
        subprocess.run(["git", *arguments], cwd=configs, check=True)
    live = build(store, configs)
    await live.start()
    row = await source(store)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=configs, check=True, capture_output=True, text=True)
    assert (row.source, row.git_sha, row.previous_hash, row.flaps) == ("default", head.stdout.strip(), None, 0)
    assert live.current.applied_at == row.applied_at / 1000 > 1_700_000_000
    async with store.read() as session:
        assert (await list_events(session, "gateway:demo"))[-1].actor == f"file:default@{row.git_sha[:7]}"  # type: ignore[index]


async def test_a_comment_is_no_new_revision_and_a_new_place_is_noted(store: Store, configs: Path) -> None:
    write(configs, demo="One")
    live = build(store, configs)
    await live.start()
    before = await source(store)
    (configs / "a.yaml").write_text("# why it is so\n" + (configs / "a.yaml").read_text())
    await live.reload()
    assert (live.current.revision, await source(store)) == (1, before)
    async with store.read() as session:
        row = (await read_record(session, "demo")).row
    assert (row.source_line, row.generation) == (4, 1)


async def test_what_left_the_files_is_no_longer_served_and_comes_back_with_them(store: Store, configs: Path) -> None:
    write(configs, demo="One", other="Two")
    live = build(store, configs)
    await live.start()
    tokens = live.current.gateways["demo"].token_hashes
    async with watching(live):
        write(configs, other="Two")
        await until(lambda: names(live) == {"other": "Two"})
        write(configs, demo="Back", other="Two")
        await until(lambda: names(live) == {"demo": "Back", "other": "Two"})
    assert live.current.gateways["demo"].token_hashes == tokens


async def test_an_emptied_directory_deletes_nothing_and_says_so(
    store: Store, configs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(configs, demo="One", other="Two")
    live = build(store, configs)
    await live.start()
    (configs / "a.yaml").unlink()
    await live.reload()
    assert names(live) == {"demo": "One", "other": "Two"}
    assert "the files of source default have no gateway at all; its 2 are kept" in caplog.text
    started = await build(store, configs).start()
    assert "gatewayd apply --allow-mass-prune" in started.warnings[0]
    assert names(live) == {"demo": "One", "other": "Two"}


async def test_a_directory_that_is_gone_deletes_nothing(store: Store, configs: Path) -> None:
    write(configs, demo="One")
    live = build(store, configs)
    await live.start()
    (configs / "a.yaml").unlink()
    configs.rmdir()
    await live.reload()
    assert names(live) == {"demo": "One"}


async def test_an_edit_elsewhere_stays_and_is_counted(store: Store, configs: Path) -> None:
    write(configs, demo="File", other="File")
    live = build(store, configs)
    await live.start()
    await edit(store, "UI")
    await edit(store, "UI", "other")
    write(configs, demo="New", other="File")
    await live.reload()
    assert names(live) == {"demo": "UI", "other": "UI"}
    assert (live.current.drifted, live.current.conflicts) == (1, 1)
    again = build(store, configs)
    started = await again.start()  # a conflict does not stop it
    assert (again.current.drifted, again.current.conflicts) == (1, 1)
    assert any("changed elsewhere and in the file: name" in warning for warning in started.warnings)


async def test_where_the_files_win_an_edit_elsewhere_is_put_back_without_being_asked(
    store: Store, configs: Path
) -> None:
    write(configs, demo="File")
    live = build(store, configs, drift="revert")
    await live.start()
    async with watching(live):
        await edit(store, "UI")
        await until(lambda: live.current.revision >= 3)
        assert names(live) == {"demo": "File"}
    async with store.read() as session:
        event = (await list_events(session, "gateway:demo"))[0]
    assert event.detail["fields"] == [{"field": "name", "before": "UI", "after": "File"}]


async def test_where_the_files_do_not_win_nothing_is_put_back(store: Store, configs: Path) -> None:
    write(configs, demo="File")
    live = build(store, configs)
    await live.start()
    await edit(store, "UI")
    await live.refresh()
    assert not live.source.may_put_back(live.current.revision)


async def test_content_that_comes_back_too_soon_is_applied_told_and_counted(store: Store, configs: Path) -> None:
    """As during a rollout, when an old replica starts again beside a new one."""
    write(configs, demo="Old")
    await applied_by(store, configs, "pod-1")
    write(configs, demo="New")
    assert (await applied_by(store, configs, "pod-2")).notices == ()
    write(configs, demo="Old")
    back = await applied_by(store, configs, "pod-1")
    assert back.updated == ("demo",)
    (told,) = back.notices
    assert told.startswith("source default goes back and forth: pod-1 applies again what pod-2 replaced 0 s ago")
    assert (await source(store)).flaps == 1
    live = build(store, configs)
    await live.refresh()
    assert live.current.flaps == 1


async def test_one_s_own_change_of_mind_is_no_such_thing_and_neither_is_a_late_one(store: Store, configs: Path) -> None:
    for name in ("Old", "New", "Old"):
        write(configs, demo=name)
        assert (await applied_by(store, configs, "pod-1")).notices == ()
    write(configs, demo="Newer")
    await applied_by(store, configs, "pod-2")
    async with store.write_lock() as session:
        row = (await list_sources(session))[0]
        await save_source(session, replace(row, applied_at=row.applied_at - 16 * 60_000))
    write(configs, demo="Old")
    assert (await applied_by(store, configs, "pod-1")).notices == ()
    assert (await source(store)).flaps == 0


async def test_the_pending_plan_is_shown_and_applied_by_hand(store: Store, configs: Path) -> None:
    write(configs, demo="One")
    live = build(store, configs)
    await live.start()
    await edit(store, "UI")
    write(configs, demo="Two")
    assert [record.result for record in (await live.plan()).records] == ["conflict"]
    applied = await live.apply_now(by="admin@10.0.0.1", choice=Choice(force=True))
    assert (applied.updated, names(live)) == (("demo",), {"demo": "Two"})
    async with store.read() as session:
        assert (await list_events(session, "gateway:demo"))[0].actor == "admin@10.0.0.1"


async def test_by_hand_it_can_be_applied_where_nothing_is_by_itself(store: Store, configs: Path) -> None:
    write(configs, demo="One")
    live = build(store, configs, mode="off")
    await live.start()
    assert names(live) == {}
    await live.apply_now(by="admin")
    assert names(live) == {"demo": "One"}


async def test_what_cannot_be_planned_says_why(store: Store, configs: Path, tmp_path: Path) -> None:
    (configs / "a.yaml").write_text("version: 2\n")
    with pytest.raises(InvalidConfiguration, match="write 1"):
        await build(store, configs).plan()
    with pytest.raises(ConfigurationError, match="does not exist"):
        await build(store, tmp_path / "none").apply_now(by="admin")


async def test_seeded_records_belong_to_the_ui_and_leave_no_source(store: Store, configs: Path) -> None:
    write(configs, demo="One")
    live = build(store, configs, mode="seed", drift="revert")
    await live.start()
    await edit(store, "UI")
    await live.reload()
    assert names(live) == {"demo": "UI"}
    async with store.read() as session:
        assert await list_sources(session) == []
