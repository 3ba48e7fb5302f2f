"""`gatewayd logs export|prune` and `db backup`, on both engines."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import shutil
import sqlite3
import stat
import time
from pathlib import Path

import pytest

from gatewayd.store import Store
from gatewayd.store.bodies import Bodies
from gatewayd.store.log_writer import LogWriter
from gatewayd.store.migrations import upgrade
from tests.cli.conftest import Run
from tests.store.rows import log_row

DAY = 86_400_000


@pytest.fixture
def logged(database_url: str) -> str:
    """A request now, one of 10 and one of 100 days ago, with bodies; 1500 of yesterday without."""

    async def fill() -> None:
        async with Store(database_url) as store:
            await upgrade(store)
            writer = LogWriter(store)
            now = int(time.time() * 1000)
            for days in (0, 10, 100):
                row = log_row(id=f"req_{days}", ended_at=now - days * DAY - 1000, gateway="old" if days else "new")
                writer.put(row._replace(error="=1+1"), Bodies({"n": days}))
            for number in range(1500):
                writer.put(log_row(id=f"req_y{number}", ended_at=now - DAY - number))
            await writer.flush()

    asyncio.run(fill())
    return database_url


def test_an_export_has_every_row_once_newest_first(logged: str, run: Run) -> None:
    done = run("logs", "export", "--since", "200d", DATABASE_URL=logged)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len({row["id"] for row in rows}) == len(rows) == 1503
    assert (rows[0]["id"], rows[-1]["id"]) == ("req_0", "req_100")
    assert rows[0]["ended_at"].endswith("Z")
    assert rows[0]["cost_nano"] == 1000


def test_an_export_of_a_time_and_a_gateway(logged: str, run: Run) -> None:
    done = run("logs", "export", "--since", "30d", "--until", "5d", "--gateway", "old", DATABASE_URL=logged)
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["req_10"]
    since = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 12 * 86_400))
    done = run("logs", "export", "--since", since, "--until", "2d", DATABASE_URL=logged)
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["req_10"]


def test_csv_has_a_head_and_no_formulas(logged: str, run: Run) -> None:
    done = run("logs", "export", "--since", "20h", "--format", "csv", DATABASE_URL=logged)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(row["id"], row["gateway"], row["error"]) for row in rows] == [("req_0", "new", "'=1+1")]


def test_a_time_that_is_none_is_told(logged: str, run: Run) -> None:
    done = run("logs", "export", "--since", "yesterday", DATABASE_URL=logged)
    assert done.returncode == 64
    assert "write 24h, 7d or 2026-11-24T10:00" in done.stderr


def test_prune_removes_to_the_end_and_says_what(logged: str, run: Run) -> None:
    done = run("logs", "prune", DATABASE_URL=logged, GATEWAYD_BODY_RETENTION_DAYS="5")
    assert done.returncode == 0
    assert "removed 0 rows, 1 whole days and 2 bodies" in done.stderr or "removed 1 rows and 2 bodies" in done.stderr
    done = run("logs", "prune", "--days", "5", DATABASE_URL=logged)
    left = run("logs", "export", "--since", "200d", DATABASE_URL=logged).stdout.splitlines()
    assert len(left) == 1501


def test_a_backup_is_a_database_that_its_owner_alone_can_read(logged: str, run: Run, tmp_path: Path) -> None:
    if logged.startswith("postgresql") and shutil.which("pg_dump") is None:
        pytest.skip("needs pg_dump")
    path = tmp_path / "it's a copy.db"
    done = run("db", "backup", str(path), DATABASE_URL=logged)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    if logged.startswith("sqlite"):
        with sqlite3.connect(path) as copy:
            assert copy.execute("SELECT count(*) FROM request_log").fetchone() == (1503,)
    else:
        assert path.read_bytes().startswith(b"PGDMP")
    again = run("db", "backup", str(path), DATABASE_URL=logged)
    assert (again.returncode, "exists already" in again.stderr) == (1, True)


def test_a_backup_that_fails_leaves_no_file(run: Run, tmp_path: Path) -> None:
    url = "postgresql://u:hidden@127.0.0.1:9/x"
    done = run("db", "backup", str(tmp_path / "x.db"), DATABASE_URL=url)
    assert done.returncode == 1
    assert "hidden" not in done.stderr
    missing = run("db", "backup", str(tmp_path / "none" / "x.db"), DATABASE_URL=f"sqlite:///{tmp_path}/y.db")
    assert (missing.returncode, "cannot be written" in missing.stderr) == (1, True)
    assert not list(tmp_path.glob("x.db*"))
