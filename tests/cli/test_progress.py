"""Long work tells how far it is on a terminal, a real one here, and is silent elsewhere."""

from __future__ import annotations

import os
import pty
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import ROOT, clean_env
from tests.store.make_fixtures import fixture


def on_a_terminal(folder: Path, *arguments: str) -> str:
    """What the verb writes to stderr where that is a terminal."""
    ours, theirs = pty.openpty()
    env = clean_env({"DATABASE_URL": f"sqlite:///{folder}/x.db", "PYTHONPATH": str(ROOT)})
    with subprocess.Popen(
        [sys.executable, "-m", "gatewayd", *arguments], cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=theirs
    ) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # the other side is closed
                break
            if not piece:
                break
            said += piece
    os.close(ours)
    assert process.returncode == 0, said
    return said.decode()


@pytest.fixture
def old_database(tmp_path: Path) -> Path:
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.executescript(fixture("0003", "sqlite").read_text(encoding="utf-8"))
    return tmp_path


def test_an_upgrade_on_a_terminal(old_database: Path) -> None:
    said = on_a_terminal(old_database, "db", "upgrade")
    assert "\rschema 0003 to " in said
    assert "MB copied to x.db.schema-0003" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("db", "backup", "copy.db"), "MB written"),
        (("logs", "export", "--since", "2020-01-01"), "0 rows"),
        (("logs", "prune"), "0 rows and bodies removed"),
    ],
)
def test_other_long_work_on_a_terminal(old_database: Path, arguments: tuple[str, ...], says: str) -> None:
    on_a_terminal(old_database, "db", "upgrade")
    assert says in on_a_terminal(old_database, *arguments)


def test_elsewhere_nothing_is_shown(old_database: Path) -> None:
    env = clean_env({"DATABASE_URL": f"sqlite:///{old_database}/x.db", "PYTHONPATH": str(ROOT)})
    command = [sys.executable, "-m", "gatewayd", "db", "upgrade"]
    done = subprocess.run(command, cwd=old_database, env=env, capture_output=True, text=True, check=True)
    assert "\r" not in done.stderr
