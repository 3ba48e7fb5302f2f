"""`gatewayd validate`: errors as data on stdout, in three forms; the summary on stderr."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import CONFIG, Run
from tests.tools import ROOT

BAD = CONFIG.replace("upstream:", "upstraem:")
ERRORS = [
    ("configs/a.yaml", 3, 3, "gateways.demo.upstream", "is missing; write upstream: {base_url: https://…}"),
    ("configs/a.yaml", 4, 5, "gateways.demo.upstraem", "unknown key; did you mean upstream?"),
]


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    (tmp_path / "configs").mkdir()
    return tmp_path / "configs"


def test_good_files_exit_0_with_a_summary_on_stderr(configs: Path, run: Run) -> None:
    (configs / "a.yaml").write_text(CONFIG)
    done = run("validate")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "1 gateway in 1 file: no errors\n")


def test_errors_are_lines_on_stdout_and_exit_1(configs: Path, run: Run) -> None:
    (configs / "a.yaml").write_text(BAD)
    done = run("validate")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"{file}:{line}:{column}: {path}: {text}" for file, line, column, path, text in ERRORS
    ]
    assert done.stderr == "2 errors\n"


@pytest.mark.parametrize("option", [["-o", "json"], ["--json"]])
def test_errors_as_json(configs: Path, run: Run, option: list[str]) -> None:
    (configs / "a.yaml").write_text(BAD)
    keys = ("file", "line", "column", "path", "message")
    assert json.loads(run("validate", *option).stdout) == [dict(zip(keys, error, strict=True)) for error in ERRORS]


def test_no_errors_as_json_are_an_empty_list(configs: Path, run: Run) -> None:
    (configs / "a.yaml").write_text(CONFIG)
    assert json.loads(run("validate", "--json").stdout) == []


def test_errors_as_annotations_of_github(configs: Path, run: Run) -> None:
    (configs / "a,b.yaml").write_text('version: 1\n"100%": 1\n')
    done = run("validate", "-o", "github")
    assert done.stdout.splitlines() == [
        "::error file=configs/a%2Cb.yaml,line=2,col=1::100%25: unknown key; known: gateways, source, version"
    ]


def test_files_can_be_named(configs: Path, run: Run) -> None:
    (configs / "a.yaml").write_text(BAD)
    (configs / "b.yaml").write_text(CONFIG)
    assert run("validate", "configs/b.yaml").returncode == 0


def test_the_directory_of_the_settings_is_the_default(tmp_path: Path, run: Run) -> None:
    (tmp_path / "elsewhere").mkdir()
    assert run("validate", GATEWAYD_CONFIG_DIR="elsewhere").stderr == "0 gateways in 0 files: no errors\n"


def test_a_path_that_is_not_there_is_an_error(run: Run) -> None:
    done = run("validate", "nowhere")
    assert (done.returncode, done.stderr) == (
        1,
        "gatewayd: nowhere does not exist; name YAML files or a directory of them\n",
    )


def test_no_key_and_no_database_is_needed(configs: Path, tmp_path: Path, run: Run) -> None:
    (configs / "a.yaml").write_text(CONFIG.replace(".com}", ".com, api_key: {env: X_API_KEY}}"))
    assert run("validate", DATABASE_URL="postgres://nowhere.invalid/x").returncode == 0
    assert not (tmp_path / "gatewayd.db").exists()


def test_checking_files_loads_nothing_of_the_database() -> None:
    """It would take longer than the checking."""
    code = (
        "import sys, gatewayd.cli.validate, gatewayd.cli.schema; print([m for m in sys.modules if 'sqlalchemy' in m])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
