"""The configuration while it serves: first snapshot, what is followed, and what goes wrong without harm."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from gatewayd.config import live as live_module
from gatewayd.config.live import Live, start
from gatewayd.config.load import InvalidConfiguration
from gatewayd.config.tokens import add_client_token, revoke_client_token
from gatewayd.store import Store
from gatewayd.store.migrations import upgrade
from tests.databases import Cluster

GOOD = "version: 1\ngateways:\n  demo:\n    name: {name}\n    upstream: {{base_url: https://api.example.com{more}}}\n"


def write(directory: Path, name: str = "One", more: str = "") -> None:
    """In one step: a poll must not find the file half written."""
    (directory / ".a.yaml").write_text(GOOD.format(name=name, more=more))
    (directory / ".a.yaml").rename(directory / "a.yaml")


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    directory = tmp_path / "configs"
    directory.mkdir()
    return directory


@pytest.fixture(autouse=True)
def quick_polls(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)  # as it is served: what is logged then is formed too
    monkeypatch.setattr(live_module, "_DATABASE_POLL_SECONDS", {"sqlite": 0.02, "postgresql": 0.02})


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


async def test_the_first_start_migrates_applies_and_gives_a_token(database_url: str, configs: Path) -> None:
    write(configs)
    live, started = await start(Store(database_url), environ={}, config_dir=configs)
    assert started.upgraded
    assert started.files == 1
    assert started.applied is not None
    assert (started.applied.created, len(started.applied.generated), started.warnings) == (("demo",), 1, ())
    assert (names(live), live.current.revision) == ({"demo": "One"}, 1)
    assert list(live.current.gateways["demo"].token_hashes.values()) == ["generated"]


async def test_an_empty_directory_is_no_trouble(store: Store, configs: Path) -> None:
    started = await build(store, configs).start()
    assert started.warnings == ()


async def test_a_missing_directory_is_a_warning(store: Store, tmp_path: Path) -> None:
    started = await build(store, tmp_path / "none").start()
    assert started.warnings == (f"configuration directory {tmp_path}/none does not exist; no gateways come from files",)


async def test_bad_files_stop_the_very_first_start_with_every_error(store: Store, configs: Path) -> None:
    (configs / "a.yaml").write_text("version: 2\n")
    (configs / "b.yaml").write_text("gateways: 1\n")
    with pytest.raises(InvalidConfiguration) as error:
        await build(store, configs).start()
    assert str(error.value).splitlines() == [
        f"{configs}/a.yaml:1:10: version: write 1",
        f"{configs}/b.yaml:1:1: version: is missing; write version: 1",
        f"{configs}/b.yaml:1:11: gateways: write a mapping: keys with their values, indented below this key",
    ]


async def test_bad_files_at_a_later_start_leave_the_last_good_state(store: Store, configs: Path) -> None:
    write(configs)
    await build(store, configs).start()
    (configs / "a.yaml").write_text("version: 2\n")
    live = build(store, configs)
    started = await live.start()
    assert names(live) == {"demo": "One"}
    assert started.warnings == live.problems == (f"{configs}/a.yaml:1:10: version: write 1",)


async def test_the_mode_off_reads_no_files(store: Store, configs: Path) -> None:
    (configs / "a.yaml").write_text("broken: [")
    live = build(store, configs, mode="off")
    assert (await live.start()).files == 0
    assert live.current.gateways == {}


async def test_the_mode_seed_leaves_changed_files_alone(store: Store, configs: Path) -> None:
    write(configs, "One")
    live = build(store, configs, mode="seed")
    await live.start()
    write(configs, "Two")
    await live.reload()
    assert names(live) == {"demo": "One"}


async def test_a_changed_file_is_taken_up(store: Store, configs: Path) -> None:
    write(configs, "One")
    live = build(store, configs)
    await live.start()
    async with watching(live):
        write(configs, "Two")
        await until(lambda: names(live) == {"demo": "Two"})


async def test_a_swapped_link_is_taken_up(store: Store, tmp_path: Path) -> None:
    """As a mounted ConfigMap changes: the files are links through a link to a directory."""
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        write(tmp_path / version, version)
    (tmp_path / "data").symlink_to("one")
    directory = tmp_path / "configs"
    directory.mkdir()
    (directory / "a.yaml").symlink_to(tmp_path / "data" / "a.yaml")
    live = build(store, directory)
    await live.start()
    assert names(live) == {"demo": "one"}
    async with watching(live):
        (tmp_path / "new").symlink_to("two")
        (tmp_path / "new").rename(tmp_path / "data")
        await until(lambda: names(live) == {"demo": "two"})


async def test_a_bad_file_keeps_serving_is_logged_once_and_heals(
    store: Store, configs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(configs, "One")
    live = build(store, configs)
    await live.start()
    async with watching(live):
        (configs / ".bad.yaml").write_text("version: 1\ngatewys: {}\n")
        (configs / ".bad.yaml").rename(configs / "a.yaml")
        await until(lambda: bool(live.problems))
        await asyncio.sleep(0.2)  # several polls of the same content
        assert names(live) == {"demo": "One"}
        write(configs, "Two")
        await until(lambda: names(live) == {"demo": "Two"} and live.problems == ())
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert told == [
        f"configuration not applied: {configs}/a.yaml:2:1: gatewys: unknown key; did you mean gateways?",
    ]


async def test_a_new_gateway_while_serving_says_how_to_make_a_token(
    store: Store, configs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    live = build(store, configs)
    await live.start()
    write(configs)
    await live.reload()
    assert "gateway demo has no client token; run: gatewayd token create demo NAME" in caplog.messages
    assert live.current.gateways["demo"].token_hashes == {}


async def test_a_change_by_another_process_is_taken_up(database_url: str, store: Store, configs: Path) -> None:
    write(configs)
    live = build(store, configs, poll_seconds=0)
    await live.start()
    async with watching(live), Store(database_url) as other:
        await add_client_token(other, "demo", "laptop")
        await until(lambda: "laptop" in live.current.gateways["demo"].token_hashes.values())
        await revoke_client_token(other, "demo", "laptop")
        await until(lambda: "laptop" not in live.current.gateways["demo"].token_hashes.values())


async def test_commits_that_change_no_configuration_build_nothing(
    database_url: str, store: Store, configs: Path
) -> None:
    """On SQLite the request log lies in the same file: its commits are seen, and must cost next to nothing."""
    write(configs)
    live = build(store, configs)
    await live.start()
    before = live.current
    async with watching(live), Store(database_url) as other:
        for _ in range(5):
            async with other.write_lock() as session:
                await session.execute("UPDATE gateway SET updated_at = updated_at")
            await asyncio.sleep(0.05)
    assert live.current is before


async def test_snapshots_are_swapped_not_changed(store: Store, configs: Path) -> None:
    write(configs, "One")
    live = build(store, configs)
    await live.start()
    before = live.current
    write(configs, "Two")
    await live.reload()
    assert before.gateways["demo"].gateway.name == "One"
    assert live.current is not before


async def test_an_unset_secret_stops_that_gateway_alone(store: Store, configs: Path) -> None:
    write(configs, more=", api_key: {env: DEMO_API_KEY}")
    (configs / "b.yaml").write_text("version: 1\ngateways:\n  free: {upstream: {base_url: https://x.example}}\n")
    live = build(store, configs)
    await live.start()
    demo, free = live.current.gateways["demo"], live.current.gateways["free"]
    assert (demo.api_key, demo.missing_secret, free.missing_secret) == (None, "DEMO_API_KEY", None)


async def test_a_set_secret_is_in_the_snapshot_and_nowhere_in_the_database(store: Store, configs: Path) -> None:
    write(configs, more=", api_key: {env: DEMO_API_KEY}")
    live = build(store, configs, environ={"DEMO_API_KEY": " sk-demo-secret\n"})
    await live.start()
    assert live.current.gateways["demo"].api_key == "sk-demo-secret"
    async with store.read() as session:
        rows = await session.fetch_all("SELECT * FROM gateway")
    assert "sk-demo-secret" not in str(rows)


async def test_a_secret_file_that_changes_is_read_again(store: Store, configs: Path) -> None:
    (configs / "demo.key").write_text("first")
    write(configs, more=", api_key: {file: demo.key}")
    live = build(store, configs)
    await live.start()
    assert live.current.gateways["demo"].api_key == "first"
    async with watching(live):
        (configs / "demo.key").write_text("second")
        await until(lambda: live.current.gateways["demo"].api_key == "second")


@pytest.mark.parametrize("spec", ["broken", "{}", '{"upstream":{"base_url":"https://x.example"},"new_field":"sk-x"}'])
async def test_a_record_that_is_not_valid_is_left_out_and_told(
    store: Store, configs: Path, spec: str, caplog: pytest.LogCaptureFixture
) -> None:
    (configs / "b.yaml").write_text("version: 1\ngateways:\n  free: {upstream: {base_url: https://x.example}}\n")
    write(configs)
    live = build(store, configs)
    await live.start()
    async with store.write_lock() as session:
        await session.execute(f"UPDATE gateway SET spec = '{spec.replace(':', chr(92) + ':')}' WHERE id = 'demo'")
    await live.refresh()
    assert list(live.current.gateways) == ["free"]
    (told,) = [text for text in caplog.messages if "demo is not served" in text]
    assert "sk-x" not in told


async def test_a_lost_database_leaves_the_last_good_state_and_is_logged_once(
    store: Store, configs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(configs)
    live = build(store, configs)
    await live.start()
    async with watching(live):
        await store.disconnect()
        await until(lambda: live.database_problem is not None)
        await asyncio.sleep(0.2)  # several tries
        assert names(live) == {"demo": "One"}
        assert len([text for text in caplog.messages if "the last good configuration goes on serving" in text]) == 1
        await store.connect()
        await until(lambda: live.database_problem is None)


async def test_a_start_without_a_database_is_an_error(tmp_path: Path, configs: Path) -> None:
    with pytest.raises(live_module.StoreUnavailable):
        await start(Store(f"sqlite:///{tmp_path}/none/x.db"), environ={}, config_dir=configs)


async def test_the_watch_finds_what_changed_before_it_began(database_url: str, configs: Path) -> None:
    write(configs)
    store = Store(database_url)
    live, _ = await start(store, environ={}, config_dir=configs, poll_seconds=0)
    async with Store(database_url) as other:
        await upgrade(other)
        await add_client_token(other, "demo", "laptop")
    async with store, watching(live):
        await until(lambda: "laptop" in live.current.gateways["demo"].token_hashes.values())


@pytest.fixture
def quick_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "_FIRST_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(live_module, "_LONGEST_WAIT_SECONDS", 0.2)


async def test_while_the_database_is_away_the_files_are_served_and_then_all(
    postgresql: Cluster, configs: Path, quick_tries: None
) -> None:
    write(configs)
    url = await asyncio.to_thread(postgresql.create_database)
    await asyncio.to_thread(postgresql.stop)
    try:
        live, started = await start(Store(url), environ={}, config_dir=configs)
        assert "until it answers, the gateways of the files are served" in started.warnings[0]
        assert (names(live), live.current.complete, started.files) == ({"demo": "One"}, False, 1)
        store = Store(url)
        live = build(store, configs)
        await live.begin()
        assert (names(live), live.current.complete) == ({"demo": "One"}, False)
        assert "connection refused" in str(live.database_problem)
        watching_it = watching(live)
        await watching_it.__aenter__()
        await live.reload()
        await asyncio.sleep(0.5)  # several tries
        assert not live.current.complete
    finally:
        await asyncio.to_thread(postgresql.start)
    try:
        await until(lambda: live.current.complete)
        assert (names(live), live.current.revision, live.database_problem) == ({"demo": "One"}, 1, None)
        write(configs, "Two")
        await until(lambda: names(live) == {"demo": "Two"})
    finally:
        await watching_it.__aexit__(None, None, None)
        await store.disconnect()


async def test_bad_files_while_the_database_is_away_are_told_and_serve_nothing(
    configs: Path, unused_tcp_port: int
) -> None:
    (configs / "a.yaml").write_text("version: 1\ngateways: [")
    url = f"postgresql://me:hidden@127.0.0.1:{unused_tcp_port}/x"
    live, started = await start(Store(url), environ={}, config_dir=configs)
    assert (names(live), live.current.complete) == ({}, False)
    assert [warning for warning in started.warnings if "a.yaml:2:" in warning]
    assert "hidden" not in str(started)
