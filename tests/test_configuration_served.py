"""The configuration of serving processes: files that change under them, pauses, edits; traffic notices nothing.

GATEWAYD_TEST_SECONDS: how long traffic goes on during changes; the suite does less than a thorough run.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from gatewayd.config.records import (
    delete_record,
    pause_gateway,
    read_record,
    restore_record,
    resume_gateway,
    save_record,
)
from gatewayd.gateways import Gateway
from gatewayd.store import Store
from tests.servers import RunningServer, RunningSimulator, run_server

T = TypeVar("T")
SECONDS = float(os.environ.get("GATEWAYD_TEST_SECONDS", "8"))
RATE = 50
BODY = {"model": "sim-fast", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
MODELS = '[{name: "sim-*"}]'
TWO_WORKERS = ("--workers", "2")


def until(read: Callable[[], T], wanted: Callable[[T], bool], seconds: float = 10) -> T:
    deadline = time.monotonic() + seconds
    while True:
        value = read()
        if wanted(value) or time.monotonic() > deadline:
            assert wanted(value), value
            return value
        time.sleep(0.05)  # another process does it


def get(server: RunningServer, path: str) -> httpx.Response:
    with httpx.Client(trust_env=False) as client:
        return client.get(f"{server.root}{path}", headers={"x-api-key": server.token})


def statuses(server: RunningServer, count: int = 20) -> set[int]:
    """Of many fresh connections, which the workers share."""
    found = set()
    for _ in range(count):
        with httpx.Client(trust_env=False, timeout=10) as client:
            answer = client.post(f"{server.base_url}/v1/messages", json=BODY, headers={"x-api-key": server.token})
            found.add(answer.status_code)
    return found


def names(server: RunningServer) -> set[str]:
    """Of the gateways that its token opens in any worker."""
    ids = [id_ for id_ in ("demo", "other", "third") for _ in range(8)]
    return {id_ for id_ in ids if get(server, f"/gateway/{id_}/v1/models").is_success}


def write(server: RunningServer, tmp_path: Path, folder: Path, *ids: str) -> None:
    """The record of `demo` under these ids."""
    kept = tmp_path / "record"
    if not kept.exists():
        kept.write_text((tmp_path / "configs" / "demo.yaml").read_text().partition("gateways:\n")[2])
    record = kept.read_text()
    folder.mkdir(exist_ok=True)
    records = "".join(record.replace("  demo:", f"  {id_}:") for id_ in ids)
    (folder / ".new").write_text(f"version: 1\ngateways:\n{records}")
    (folder / ".new").rename(folder / "demo.yaml")


def metric(server: RunningServer, name: str) -> float:
    for line in get(server, "/metrics").text.splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[1])
    raise AssertionError(name)


def test_the_swapped_links_of_a_mounted_configmap_are_followed(tmp_path: Path, simulator: RunningSimulator) -> None:
    """Kubernetes: files are links to `..data/`, a link itself, which is replaced by a rename."""
    mount = tmp_path / "mount"
    mount.mkdir()
    env = {"GATEWAYD_CONFIG_DIR": str(mount), "GATEWAYD_CONFIG_POLL_SECONDS": "0.2"}
    with run_server(tmp_path, "demo", simulator.base_url, MODELS, env=env) as server:
        for number, ids in enumerate((("demo", "other"), ("demo", "other", "third"), ("demo", "third"))):
            version = mount / f"..2026_{number}"
            write(server, tmp_path, version, *ids)
            (mount / "..data_tmp").symlink_to(version.name)
            (mount / "..data_tmp").rename(mount / "..data")
            if number == 0:
                (mount / "demo.yaml").symlink_to("..data/demo.yaml")
            until(lambda: names(server), lambda found, ids=ids: found == set(ids))


def test_on_sighup_all_workers_read_the_files_and_live_on(tmp_path: Path, simulator: RunningSimulator) -> None:
    env = {"GATEWAYD_CONFIG_POLL_SECONDS": "0"}
    with run_server(tmp_path, "demo", simulator.base_url, MODELS, env=env, arguments=TWO_WORKERS) as server:
        for ids in (("demo", "other"), ("demo", "third")):
            write(server, tmp_path, tmp_path / "configs", *ids)
            server.process.send_signal(signal.SIGHUP)
            until(lambda: names(server), lambda found, ids=ids: found == set(ids))
        assert server.process.poll() is None
        assert statuses(server) == {200}
    assert server.process.returncode == 0


def test_a_bad_file_is_told_everywhere_until_it_is_put_right(tmp_path: Path, simulator: RunningSimulator) -> None:
    env = {"GATEWAYD_CONFIG_POLL_SECONDS": "0.2"}
    with run_server(tmp_path, "demo", simulator.base_url, MODELS, env=env) as server:
        assert metric(server, "gatewayd_config_last_apply_successful") == 1
        assert metric(server, "gatewayd_config_last_apply_timestamp_seconds") > time.time() - 60
        bad = tmp_path / "configs" / "bad.yaml"
        bad.write_text("version: 1\ngateways:\n  other: {upstream: {base_ulr: x}}\n")
        until(lambda: metric(server, "gatewayd_config_last_apply_successful"), lambda value: value == 0)
        ready = get(server, "/ready")
        assert ready.status_code == 200
        assert any("bad.yaml:3:" in warning for warning in ready.json()["warnings"])
        assert "configuration not applied: " in server.log.read_text()
        assert statuses(server, 2) == {200}
        bad.unlink()
        until(lambda: metric(server, "gatewayd_config_last_apply_successful"), lambda value: value == 1)
        assert "warnings" not in get(server, "/ready").json()


def test_a_pause_is_in_every_worker_within_a_second(
    database_url: str, tmp_path: Path, simulator: RunningSimulator
) -> None:
    env = {"DATABASE_URL": database_url}

    async def pause() -> None:
        async with Store(database_url) as store:
            await pause_gateway(store, "demo", reason="maintenance", until=None, by="admin")

    async def resume() -> None:
        async with Store(database_url) as store:
            await resume_gateway(store, "demo", by="admin")

    with run_server(tmp_path, "demo", simulator.base_url, MODELS, env=env, arguments=TWO_WORKERS) as server:
        for action, expected in ((pause, 503), (resume, 200)):
            asyncio.run(action())
            time.sleep(1)  # the promise is a time
            assert statuses(server) == {expected}
        assert names(server) == {"demo"}


def test_where_the_files_win_an_edit_is_put_back_while_serving(
    database_url: str, tmp_path: Path, simulator: RunningSimulator
) -> None:
    env = {"DATABASE_URL": database_url, "GATEWAYD_CONFIG_DRIFT": "revert", "GATEWAYD_CONFIG_POLL_SECONDS": "0.2"}

    async def change() -> None:
        async with Store(database_url) as store:
            async with store.read() as session:
                row = (await read_record(session, "demo")).row
            edited = Gateway.model_validate({**row.spec, "models": [{"name": "nothing"}]})
            await save_record(store, "demo", edited, generation=row.generation, by="admin")

    async def models() -> object:
        async with Store(database_url) as store, store.read() as session:
            return (await read_record(session, "demo")).row.spec["models"]

    with run_server(tmp_path, "demo", simulator.base_url, MODELS, env=env) as server:
        asyncio.run(change())
        until(lambda: asyncio.run(models()), lambda found: found == [{"name": "sim-*"}])
        until(lambda: statuses(server, 1), lambda found: found == {200})


@pytest.mark.parametrize("arguments", [(), TWO_WORKERS], ids=["one", "two"])
async def test_traffic_does_not_notice_that_the_configuration_changes_all_the_time(
    tmp_path: Path, simulator: RunningSimulator, arguments: tuple[str, ...]
) -> None:
    """Files, SIGHUP, edits, another record's deletion: each twice a second under load, and a long stream meanwhile."""
    url = f"sqlite:///{tmp_path}/gatewayd.db"
    env = {"GATEWAYD_CONFIG_POLL_SECONDS": "0.2", "DATABASE_URL": url}
    found: Counter[int | str] = Counter()
    with run_server(tmp_path, "demo", simulator.base_url, MODELS, env=env, arguments=arguments) as server:
        async with httpx.AsyncClient(
            trust_env=False, timeout=30, headers={"x-api-key": server.token}, limits=httpx.Limits(max_connections=None)
        ) as client:
            ends = time.monotonic() + SECONDS
            changing = asyncio.create_task(_change(server, tmp_path, url, ends))
            slow = asyncio.create_task(_stream(client, server))
            asked = []
            while time.monotonic() < ends:
                asked.append(asyncio.create_task(_ask(client, server, found)))
                await asyncio.sleep(1 / RATE)
            await asyncio.gather(*asked)
            changes = await changing
            assert (await slow).endswith(b'data: {"type":"message_stop"}\n\n')
    print(f"{dict(found)} during {changes} changes")
    assert set(found) == {200}
    assert changes >= SECONDS


async def _ask(client: httpx.AsyncClient, server: RunningServer, found: Counter[int | str]) -> None:
    try:
        found[(await client.post(f"{server.base_url}/v1/messages", json=BODY)).status_code] += 1
    except httpx.HTTPError as error:
        found[type(error).__name__] += 1


async def _stream(client: httpx.AsyncClient, server: RunningServer) -> bytes:
    body = BODY | {"model": "sim-slow", "stream": True, "max_tokens": 100}
    return (await client.post(f"{server.base_url}/v1/messages", json=body)).content


async def _change(server: RunningServer, tmp_path: Path, url: str, ends: float) -> int:
    changes = 0
    async with Store(url) as store:
        while time.monotonic() < ends:
            write(server, tmp_path, tmp_path / "configs", "demo", *(["other"], ["other", "third"])[changes % 2])
            server.process.send_signal(signal.SIGHUP)
            await _edit(store, changes)
            changes += 1
            await asyncio.sleep(0.5)
    return changes


async def _edit(store: Store, number: int) -> None:
    """Whoever comes too late does nothing."""
    with suppress(Exception):
        async with store.read() as session:
            row = (await read_record(session, "demo")).row
            other = (await read_record(session, "other")).row
        gateway = Gateway.model_validate({**row.spec, "name": f"edit {number}"})
        await save_record(store, "demo", gateway, generation=row.generation, by="admin")
        if other.is_active:
            await delete_record(store, "other", generation=other.generation, by="admin")
        else:
            await restore_record(store, "other", by="admin")
