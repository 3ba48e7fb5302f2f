"""What holds for every verb."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from gatewayd.cli import VERBS, main
from tests.cli.conftest import Run

ROOT = Path(__file__).resolve().parents[2]


def verbs() -> list[tuple[str, ...]]:
    """Every verb, with the verbs of groups behind their group."""
    context = click.Context(main)
    found: list[tuple[str, ...]] = []
    for name in VERBS:
        command = main.get_command(context, name)
        inner = list(command.commands) if isinstance(command, click.Group) else []
        found += [(name, verb) for verb in inner] or [(name,)]
    return found


@pytest.mark.parametrize("verb", verbs(), ids=" ".join)
def test_the_help_of_each_verb_starts_with_an_example(verb: tuple[str, ...], run: Run) -> None:
    done = run(*verb, "--help")
    assert done.returncode == 0
    _, _, text = done.stdout.partition("\n")
    assert f"gatewayd {' '.join(verb)}" in text.strip().splitlines()[0]
    assert text.strip().startswith("Example: ")


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["validate", "--nonsense"], ["token", "create", "demo"], ["connect"]]
)
def test_wrong_usage_exits_64(arguments: list[str], run: Run) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (64, "")


@pytest.mark.parametrize(
    "arguments", [["db", "status"], ["token", "list", "demo"], ["connect", "demo"], ["healthcheck"], ["validate"]]
)
def test_bad_settings_are_one_line_each_and_exit_1(arguments: list[str], run: Run) -> None:
    done = run(*arguments, PORT="x", GATEWAYD_UI="maybe")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "gatewayd: PORT: 'x' cannot be used: write a whole number",
        "gatewayd: GATEWAYD_UI: 'maybe' cannot be used: write on or off",
    ]


@pytest.mark.parametrize("arguments", [["db", "upgrade"], ["token", "list", "demo"], ["connect", "demo"]])
@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgres://me:hunter2@127.0.0.1:1/data", "connection refused"),
        ("sqlite:////dev/null/x.db", "mkdir -p"),
        ("sqlite:////proc/version", "/proc/version"),
        ("oracle://me:hunter2@db", "DATABASE_URL: write"),
    ],
)
def test_an_unusable_database_is_one_line(arguments: list[str], url: str, says: str, run: Run) -> None:
    done = run(*arguments, DATABASE_URL=url)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("gatewayd: ")
    assert says in line
    assert "hunter2" not in line


@pytest.mark.parametrize("content", [b"garbage" * 200, b""])
def test_the_module_runs_as_a_program_and_leaves_no_traceback(tmp_path: Path, content: bytes) -> None:
    """In a process of its own, where threads of the drivers would still speak after the end."""
    (tmp_path / "gatewayd.db").write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-m", "gatewayd", "token", "list", "demo"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("gatewayd: SQLite ./gatewayd.db ")


def test_no_reader_asks_for_the_admin_password(run: Run) -> None:
    assert run("db", "upgrade").returncode == 0
    assert run("db", "status").returncode == 0


def test_the_version_is_told(run: Run) -> None:
    assert run("--version").stdout.startswith("gatewayd, version ")
