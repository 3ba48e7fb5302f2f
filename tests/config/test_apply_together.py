"""Several processes that apply, edit and die at the same moment, on both engines: one result, nothing lost, never half.

GATEWAYD_TEST_ROUNDS: how often; the suite does fewer than a thorough run.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gatewayd.config.records import Record, Stale, read_record, save_record
from gatewayd.gateways import Gateway
from gatewayd.store import Store
from gatewayd.store.gateways import GatewayRow, list_gateways
from gatewayd.store.migrations import upgrade
from gatewayd.store.state import read_revision
from tests.tools import ROOT

ROUNDS = int(os.environ.get("GATEWAYD_TEST_ROUNDS", "0"))
PROCESSES = 4
GATEWAYS = 20


def program(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.config.appliers", *map(str, arguments)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen(command, text=True, cwd=ROOT, **pipes)


@contextmanager
def appliers(url: str) -> Iterator[list[subprocess.Popen[str]]]:
    processes = [program("apply", url) for _ in range(PROCESSES)]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def write(folder: Path, name: str, seed: int) -> None:
    """The same records in other files and in another order for each seed."""
    folder.mkdir(exist_ok=True)
    ids = [f"g{number}" for number in range(GATEWAYS)]
    shuffled = random.Random(seed)
    shuffled.shuffle(ids)
    for part in range(3):
        records = "".join(
            f"  {id_}: {{name: {name}, upstream: {{base_url: https://x.example}}}}\n" for id_ in ids[part::3]
        )
        (folder / f"{(part + seed) % 3}.yaml").write_text(f"version: 1\ngateways:\n{records}")


async def prepare(url: str) -> None:
    async with Store(url) as store:
        await upgrade(store)


async def read(url: str) -> tuple[int, list[GatewayRow]]:
    async with Store(url) as store, store.read() as session:
        return await read_revision(session), await list_gateways(session)


async def edit(url: str, concurrent: int) -> None:
    """As the UI does, once more where somebody was faster."""
    async with Store(url) as store:
        while True:
            async with store.read() as session:
                found: Record = await read_record(session, "g0")
            gateway = Gateway.model_validate({**found.row.spec, "limits": {"concurrent": concurrent}})
            try:
                await save_record(store, "g0", gateway, generation=found.row.generation, by="admin")
            except Stale:
                continue
            return


def test_processes_that_apply_the_same_at_once_make_one_revision_and_lose_no_edit(
    database_url: str, tmp_path: Path
) -> None:
    asyncio.run(prepare(database_url))
    with appliers(database_url) as processes:
        for number in range(1, (ROUNDS or 6) + 1):
            before, _ = asyncio.run(read(database_url))
            for process_number, process in enumerate(processes):
                folder = tmp_path / str(process_number)
                write(folder, f"v{number}", process_number)
                assert process.stdin is not None
                process.stdin.write(f"{folder}\n")
            for process in processes:
                assert process.stdin is not None
                process.stdin.flush()
            if number > 1:
                asyncio.run(edit(database_url, number))
            answers = [json.loads(process.stdout.readline()) for process in processes if process.stdout]
            revision, rows = asyncio.run(read(database_url))
            assert [written for _, written in answers].count(True) == 1, answers
            assert revision == before + 1 + (number > 1)
            assert {row.id: row.spec["name"] for row in rows} == {f"g{n}": f"v{number}" for n in range(GATEWAYS)}
            if number > 1:
                assert rows[0].spec["limits"] == {"concurrent": number}


def test_a_process_killed_while_it_applies_leaves_the_old_or_the_new(database_url: str, tmp_path: Path) -> None:
    for name, digit in (("one", "1"), ("two", "2")):
        (tmp_path / name).mkdir()
        records = "".join(
            f"  g{n}:\n    name: {name}\n    upstream: {{base_url: https://x.example}}\n"
            f'    tokens: [{{name: laptop, sha256: "{digit * 64}"}}]\n'
            for n in range(100)
        )
        (tmp_path / name / "a.yaml").write_text(f"version: 1\ngateways:\n{records}")
    asyncio.run(prepare(database_url))
    count = 4 * ROUNDS or 20
    killer = program("kill", database_url, tmp_path, count)
    output, _ = killer.communicate(timeout=30 + 3 * count)
    assert killer.returncode == 0
    found = json.loads(output)
    print(found)
    assert sum(found.values()) == count
    assert "half" not in found
    assert found["old"], "none was killed in time"
