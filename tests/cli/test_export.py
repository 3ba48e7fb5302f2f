"""`gatewayd export`: YAML on stdout, warnings on stderr, files, patches."""

from __future__ import annotations

import asyncio
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from gatewayd.config.live import start
from gatewayd.store import Store
from gatewayd.store.gateways import read_gateway, save_gateway
from tests.cli.conftest import Run

FILE = """version: 1
gateways:
  # The one.
  demo:
    upstream: {base_url: https://api.example.com, api_key: {env: DEMO_API_KEY}}   # no path: /v1
    name: Demo
    tokens: [{name: declared, sha256: "1111111111111111111111111111111111111111111111111111111111111111"}]
"""
CANONICAL = """version: 1
gateways:
  demo:
    name: Demo
    upstream:
      base_url: https://api.example.com/v1
      api_key: {env: DEMO_API_KEY}
    tokens:
      - {name: declared, sha256: "1111111111111111111111111111111111111111111111111111111111111111"}
"""


@pytest.fixture
def applied(tmp_path: Path) -> Path:
    """The file, applied to a database in the directory where the command runs."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "a.yaml").write_text(FILE)
    asyncio.run(start(Store(f"sqlite:///{tmp_path}/gatewayd.db"), environ={}, config_dir=tmp_path / "configs"))
    return tmp_path


def rename(directory: Path, name: str) -> None:
    """As somebody else would, in the database."""

    async def run() -> None:
        async with Store(f"sqlite:///{directory}/gatewayd.db") as store, store.write_lock() as session:
            row = await read_gateway(session, "demo")
            assert row is not None
            await save_gateway(session, replace(row, spec={**row.spec, "name": name}))

    asyncio.run(run())


def test_the_records_go_to_stdout_in_canonical_form(applied: Path, run: Run) -> None:
    done = run("export")
    assert (done.returncode, done.stdout, done.stderr) == (0, CANONICAL, "")


def test_json_is_the_same_by_id(applied: Path, run: Run) -> None:
    told = json.loads(run("export", "--json").stdout)
    assert told["demo"]["managed_by"] == "file:default"
    assert told["demo"]["upstream"]["api_key"] == {"env": "DEMO_API_KEY"}


def test_a_directory_gets_a_file_that_is_valid(applied: Path, run: Run) -> None:
    done = run("export", "-o", "out")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "wrote out/default.yaml\n")
    assert [path.name for path in (applied / "out").iterdir()] == ["default.yaml"]
    assert run("validate", "out").returncode == 0


def test_a_patch_is_empty_while_nothing_was_changed(applied: Path, run: Run) -> None:
    done = run("export", "--patch", "configs/a.yaml")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_patch_can_be_applied_and_spares_comments(applied: Path, run: Run) -> None:
    rename(applied, "On: call")
    diff = run("export", "--patch", "configs/a.yaml").stdout
    assert diff.splitlines()[:2] == ["--- a/configs/a.yaml", "+++ b/configs/a.yaml"]
    done = subprocess.run(["git", "apply", "-"], input=diff, cwd=applied, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (applied / "configs" / "a.yaml").read_text() == FILE.replace("name: Demo", 'name: "On: call"')


def test_a_patch_for_records_that_are_not_there_says_so(applied: Path, run: Run) -> None:
    (applied / "b.yaml").write_text(FILE.replace("demo:", "other:"))
    done = run("export", "--patch", "b.yaml")
    assert (done.stdout, done.stderr) == (
        "",
        "warning: gateway other is not in the database; nothing is proposed for it\n",
    )


@pytest.mark.parametrize("arguments", [["--managed-by", "me"], ["--json", "-o", "x"], ["--patch", "nowhere.yaml"]])
def test_wrong_usage_exits_64(applied: Path, run: Run, arguments: list[str]) -> None:
    assert run("export", *arguments).returncode == 64


def test_an_owner_without_records_is_an_error(applied: Path, run: Run) -> None:
    done = run("export", "--managed-by", "ui")
    assert (done.returncode, done.stderr) == (1, "gatewayd: ui has no gateway; owners of gateways: file:default\n")


def test_the_schema_goes_to_stdout(run: Run) -> None:
    assert json.loads(run("schema").stdout)["title"] == "gatewayd configuration"
