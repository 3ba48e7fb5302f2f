"""Plans written in one transaction, on both engines."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from gatewayd.config.apply import Applied, apply
from gatewayd.config.load import Desired, DesiredGateway
from gatewayd.gateways import Gateway
from gatewayd.store import Store
from gatewayd.store.gateways import GatewayRow, list_gateways, save_gateway
from gatewayd.store.migrations import upgrade
from gatewayd.store.state import read_revision
from gatewayd.store.tokens import TokenRow, list_tokens

ROOT = Path(__file__).resolve().parents[2]
ONE = "1" * 64

#: Signals that it is ready, waits until told to go, applies the directory.
APPLIER = """
import asyncio, sys
from pathlib import Path
from gatewayd.config.live import Live
from gatewayd.store import Store
async def main():
    async with Store(sys.argv[1]) as store:
        live = Live(store, environ={}, config_dir=Path(sys.argv[2]))
        print("ready", flush=True)
        sys.stdin.readline()
        started = await live.start()
        print(live.current.revision, len(started.applied.created), len(started.applied.generated))
asyncio.run(main())
"""


def desire(**gateways: dict[str, Any]) -> Desired:
    records = {
        id_: DesiredGateway(
            id_, Gateway.model_validate({"upstream": {"base_url": "https://x.example"}, **values}), "a.yaml", 3
        )
        for id_, values in gateways.items()
    }
    return Desired("default", records)


async def sync(store: Store, desired: Desired, *, generate_tokens: bool = True) -> Applied:
    return await apply(store, desired, mode="sync", generate_tokens=generate_tokens)


async def contents(store: Store) -> tuple[int, list[GatewayRow], list[TokenRow]]:
    async with store.read() as session:
        return await read_revision(session), await list_gateways(session), await list_tokens(session)


async def test_applying_twice_changes_nothing_the_second_time(store: Store) -> None:
    files = desire(demo={"name": "Demo", "tokens": [{"name": "a", "sha256": ONE}]}, other={})
    first = await sync(store, files)
    before = await contents(store)
    second = await sync(store, files)
    assert (first.created, first.revision) == (("demo", "other"), 1)
    assert (second.revision, second.written, second.created, second.updated, second.notices) == (1, False, (), (), ())
    assert await contents(store) == before


async def test_an_update_counts_the_generation_and_the_revision_up(store: Store) -> None:
    await sync(store, desire(demo={}, other={}))
    result = await sync(store, desire(demo={"name": "New"}, other={}))
    revision, rows, _ = await contents(store)
    assert (result.updated, revision) == (("demo",), 2)
    assert [(row.id, row.generation, row.updated_by) for row in rows] == [
        ("demo", 2, "file:default"),
        ("other", 1, "file:default"),
    ]
    assert rows[0].updated_at > 1_700_000_000_000


async def test_what_is_only_noted_leaves_the_record_to_whoever_edited_it(store: Store) -> None:
    await sync(store, desire(demo={"name": "Old"}))
    async with store.write_lock() as session:
        (row,) = await list_gateways(session)
        edited = replace(row, spec={**row.spec, "name": "UI"}, generation=2, updated_at=5, updated_by="admin")
        await save_gateway(session, edited)
    result = await sync(store, desire(demo={"name": "File"}))
    _, (row,), _ = await contents(store)
    assert (result.written, row.spec, row.declared and row.declared["name"]) == (True, edited.spec, "File")
    assert (row.generation, row.updated_at, row.updated_by) == (2, 5, "admin")


async def test_a_gateway_without_a_token_gets_one_once(store: Store) -> None:
    files = desire(bare={}, declared={"tokens": [{"name": "a", "sha256": ONE}]})
    first, second = await sync(store, files), await sync(store, files)
    (new,) = first.generated
    _, _, tokens = await contents(store)
    assert re.fullmatch(r"gwd_[A-Za-z0-9_-]{43}", new.token)
    assert (new.gateway_id, second.generated) == ("bare", ())
    assert {(row.gateway_id, row.sha256) for row in tokens} == {
        ("bare", sha256(new.token.encode()).hexdigest()),
        ("declared", ONE),
    }
    assert new.token not in repr(first)


async def test_without_generating_the_gateways_are_only_named(store: Store) -> None:
    result = await sync(store, desire(bare={}), generate_tokens=False)
    assert (result.generated, result.without_token) == ((), ("bare",))
    assert (await contents(store))[2] == []


async def test_the_last_declared_token_removed_leaves_a_generated_one(store: Store) -> None:
    await sync(store, desire(demo={"tokens": [{"name": "a", "sha256": ONE}]}))
    result = await sync(store, desire(demo={}))
    assert [row.name for row in (await contents(store))[2]] == ["generated"]
    assert len(result.generated) == 1


async def test_seeding_happens_once_and_leaves_later_files_alone(store: Store) -> None:
    await apply(store, desire(demo={"name": "First"}), mode="seed", generate_tokens=True)
    result = await apply(store, desire(demo={"name": "Second"}), mode="seed", generate_tokens=True)
    revision, rows, _ = await contents(store)
    assert (revision, [row.spec["name"] for row in rows], rows[0].managed_by) == (1, ["First"], "ui")
    assert (result.written, result.created) == (False, ())


async def test_a_failure_in_the_middle_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("gatewayd.config.apply.add_tokens", fail)
    with pytest.raises(RuntimeError):
        await sync(store, desire(demo={}))
    assert await contents(store) == (0, [], [])


def test_four_processes_applying_at_once_make_one_revision(database_url: str, tmp_path: Path) -> None:
    directory = tmp_path / "configs"
    directory.mkdir()
    records = "".join(f"  g{i}: {{upstream: {{base_url: https://api.example.com}}}}\n" for i in range(20))
    (directory / "a.yaml").write_text(f"version: 1\ngateways:\n{records}")
    appliers = [
        subprocess.Popen(
            [sys.executable, "-c", APPLIER, database_url, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for _ in range(4)
    ]
    for applier in appliers:
        assert applier.stdout is not None
        applier.stdout.readline()
    for applier in appliers:
        assert applier.stdin is not None
        applier.stdin.write("go\n")
        applier.stdin.flush()
    results = [applier.communicate(timeout=60) for applier in appliers]
    assert sorted(out.strip() for out, _ in results) == ["1 0 0", "1 0 0", "1 0 0", "1 20 20"], results
    revision, rows, tokens = asyncio.run(_contents_of(database_url))
    assert (revision, len(rows), len(tokens)) == (1, 20, 20)


async def _contents_of(url: str) -> tuple[int, list[GatewayRow], list[TokenRow]]:
    async with Store(url) as store:
        await upgrade(store)
        return await contents(store)


def test_a_process_killed_while_applying_leaves_all_or_nothing(database_url: str, tmp_path: Path) -> None:
    """Killed inside the transaction, after the first rows were written."""
    program = APPLIER.replace(
        "import asyncio, sys\n",
        "import asyncio, os, signal, sys\nimport gatewayd.config.apply as module\n"
        "async def die(session): os.kill(os.getpid(), signal.SIGKILL)\nmodule.bump_revision = die\n",
    )
    (tmp_path / "a.yaml").write_text("version: 1\ngateways:\n  demo: {upstream: {base_url: https://api.example.com}}\n")
    done = subprocess.run(
        [sys.executable, "-c", program, database_url, str(tmp_path)],
        input="go\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == -9, done.stderr
    assert asyncio.run(_contents_of(database_url)) == (0, [], [])
