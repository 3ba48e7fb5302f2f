"""`gatewayd token`, `connect` and `db`, on a database that `start` filled."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from gatewayd.config.live import start
from gatewayd.store import Store
from gatewayd.store.tokens import list_tokens
from tests.cli.conftest import CONFIG, Run
from tests.store.make_fixtures import fixture


@pytest.fixture
def filled(tmp_path: Path, database_url: str) -> str:
    """A database with the gateway `demo`; its URL. Once on each engine."""
    directory = tmp_path / "filled"
    directory.mkdir()
    (directory / "a.yaml").write_text(CONFIG)
    asyncio.run(start(Store(database_url), environ={}, config_dir=directory))
    return database_url


def hashes(url: str) -> dict[str, str]:
    async def read() -> dict[str, str]:
        async with Store(url) as store, store.read() as session:
            return {row.name: row.sha256 for row in await list_tokens(session)}

    return asyncio.run(read())


def test_a_new_token_is_printed_alone_and_only_its_hash_is_stored(filled: str, run: Run) -> None:
    done = run("token", "create", "demo", "laptop", DATABASE_URL=filled)
    token = done.stdout.removesuffix("\n")
    assert done.returncode == 0
    assert token.startswith("gwd_")
    assert hashes(filled)["laptop"] == sha256(token.encode()).hexdigest()
    assert token not in done.stderr


def test_a_second_token_of_the_same_name_is_refused(filled: str, run: Run) -> None:
    done = run("token", "create", "demo", "declared", DATABASE_URL=filled)
    assert (done.returncode, done.stdout) == (1, "")
    assert "gatewayd: gateway demo has a token 'declared' already" in done.stderr


@pytest.mark.parametrize("name", ["", "x" * 65])
def test_a_token_needs_a_sensible_name(filled: str, run: Run, name: str) -> None:
    done = run("token", "create", "demo", name, DATABASE_URL=filled)
    assert (done.returncode, done.stderr) == (1, "gatewayd: a token's name has 1 to 64 characters\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["token", "create", "none", "x"],
        ["token", "list", "none"],
        ["token", "revoke", "none", "x"],
        ["connect", "none"],
    ],
)
def test_an_unknown_gateway_names_those_there_are(filled: str, run: Run, arguments: list[str]) -> None:
    done = run(*arguments, DATABASE_URL=filled)
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        "gatewayd: there is no gateway 'none'; there is: demo\n",
    )


def test_tokens_are_listed_without_hashes(filled: str, run: Run) -> None:
    run("token", "create", "demo", "laptop", DATABASE_URL=filled)
    text = run("token", "list", "demo", DATABASE_URL=filled).stdout
    listed = json.loads(run("token", "list", "demo", "--json", DATABASE_URL=filled).stdout)
    assert [(row["name"], row["managed_by"]) for row in listed] == [("declared", "file:default"), ("laptop", "ui")]
    assert [line.split()[0] for line in text.splitlines()] == ["declared", "laptop"]
    assert "1111" not in text + str(listed)


def test_a_revoked_token_is_gone(filled: str, run: Run) -> None:
    done = run("token", "revoke", "demo", "declared", DATABASE_URL=filled)
    assert done.returncode == 0
    assert "it is declared in a configuration file" in done.stderr
    assert hashes(filled) == {}
    again = run("token", "revoke", "demo", "declared", DATABASE_URL=filled)
    assert (again.returncode, again.stderr) == (1, "gatewayd: gateway demo has no token 'declared'; it has: none\n")


def test_connect_without_a_token_shows_a_placeholder_and_how_to_get_one(filled: str, run: Run) -> None:
    done = run("connect", "demo", DATABASE_URL=filled, PORT="9999")
    assert done.stdout.splitlines() == [
        "export ANTHROPIC_BASE_URL=http://127.0.0.1:9999/gateway/demo",
        "export ANTHROPIC_AUTH_TOKEN=YOUR_TOKEN",
        """export ANTHROPIC_MODEL='it'"'"'s-a-model'""",
        """export ANTHROPIC_DEFAULT_HAIKU_MODEL='it'"'"'s-a-model'""",
        "export CLAUDE_CODE_MAX_CONTEXT_TOKENS=131072",
        "export CLAUDE_CODE_AUTO_COMPACT_WINDOW=131072",
        "export CLAUDE_CODE_MAX_OUTPUT_TOKENS=8192",
        "unset ANTHROPIC_API_KEY",
    ]
    assert "gatewayd connect demo --new-token NAME" in done.stderr


def test_connect_can_make_a_token(filled: str, run: Run) -> None:
    done = run("connect", "demo", "--new-token", "laptop", "--json", DATABASE_URL=filled)
    token = json.loads(done.stdout)["ANTHROPIC_AUTH_TOKEN"]
    assert hashes(filled)["laptop"] == sha256(token.encode()).hexdigest()
    assert "YOUR_TOKEN" not in done.stderr


def test_connect_uses_the_public_url(filled: str, run: Run) -> None:
    done = run("connect", "demo", "--json", DATABASE_URL=filled, GATEWAYD_PUBLIC_URL="https://llm.example.com/")
    assert json.loads(done.stdout)["ANTHROPIC_BASE_URL"] == "https://llm.example.com/gateway/demo"


def test_connect_for_the_clients_settings_file(filled: str, run: Run) -> None:
    done = run("connect", "demo", "--settings", DATABASE_URL=filled)
    assert json.loads(done.stdout)["env"]["ANTHROPIC_MODEL"] == "it's-a-model"
    assert "never for a project's committed file" in done.stderr


def test_the_shell_reads_back_what_was_meant(filled: str, run: Run) -> None:
    program = shutil.which("bash") or "sh"
    text = run("connect", "demo", DATABASE_URL=filled).stdout
    script = f'{text}\necho "$ANTHROPIC_MODEL|$ANTHROPIC_API_KEY|$CLAUDE_CODE_MAX_OUTPUT_TOKENS"'
    done = subprocess.run(
        [program, "-c", script],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        env={"ANTHROPIC_API_KEY": "old"},
    )
    assert done.stdout == "it's-a-model||8192\n"


def test_fish_and_powershell_quote_in_their_own_ways(filled: str, run: Run) -> None:
    fish = run("connect", "demo", "--shell", "fish", DATABASE_URL=filled).stdout
    powershell = run("connect", "demo", "--shell", "powershell", DATABASE_URL=filled).stdout
    assert r"set -gx ANTHROPIC_MODEL 'it\'s-a-model'" in fish.splitlines()
    assert "set -e ANTHROPIC_API_KEY" in fish.splitlines()
    assert "$env:ANTHROPIC_MODEL = 'it''s-a-model'" in powershell.splitlines()
    assert "Remove-Item Env:ANTHROPIC_API_KEY -ErrorAction SilentlyContinue" in powershell.splitlines()


def test_status_before_and_after_an_upgrade(database_url: str, run: Run) -> None:
    before = run("db", "status", "--json", DATABASE_URL=database_url)
    assert (before.returncode, json.loads(before.stdout)["state"]) == (1, "upgrade needed")
    assert "run: gatewayd db upgrade" in run("token", "list", "demo", DATABASE_URL=database_url).stderr
    assert run("db", "upgrade", DATABASE_URL=database_url).returncode == 0
    after = run("db", "status", "--json", DATABASE_URL=database_url)
    assert (after.returncode, json.loads(after.stdout)["state"]) == (0, "current")
    assert run("db", "upgrade", DATABASE_URL=database_url).stderr.startswith("schema is at ")


def test_asking_for_the_status_makes_no_file(tmp_path: Path, run: Run) -> None:
    assert run("db", "status").returncode == 1
    assert not (tmp_path / "gatewayd.db").exists()


def test_a_newer_schema_is_told(database_url: str, run: Run) -> None:
    async def age() -> None:
        async with Store(database_url) as store, store.write_lock() as session:
            await session.execute("UPDATE alembic_version SET version_num = '9999'")

    run("db", "upgrade", DATABASE_URL=database_url)
    asyncio.run(age())
    assert "newer than this program" in run("db", "status", DATABASE_URL=database_url).stdout
    done = run("db", "upgrade", DATABASE_URL=database_url)
    assert (done.returncode, "install the newer gatewayd" in done.stderr) == (1, True)


def test_an_older_sqlite_is_copied_and_status_says_so_before(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(fixture("0005", "sqlite").read_text(encoding="utf-8"))
    url, copy = f"sqlite:///{path}", f"{path}.schema-0005"
    status = run("db", "status", DATABASE_URL=url)
    assert status.stderr == f"the upgrade first copies the database to {copy}\n"
    assert json.loads(run("db", "status", "--json", DATABASE_URL=url).stdout)["backup"] == copy
    assert not Path(copy).exists()
    assert f"the database from before is in {copy}" in run("db", "upgrade", DATABASE_URL=url).stderr
    assert Path(copy).exists()
    assert run("db", "status", DATABASE_URL=url).stderr == ""


def test_secrets_of_a_lost_key_are_given_up(filled: str, run: Run) -> None:
    first = {"DATABASE_URL": filled, "GATEWAYD_SECRET_KEY": "the-first-key-of-this-place"}
    second = {"DATABASE_URL": filled, "GATEWAYD_SECRET_KEY": "another-key-of-this-place"}
    made = run("token", "create", "demo", "laptop", **first)
    assert "the UI can show it again" in made.stderr
    refused = run("token", "create", "demo", "phone", **second)
    assert (refused.returncode, "run: gatewayd db forget-secrets" in refused.stderr) == (1, True)
    given_up = run("db", "forget-secrets", **second)
    assert given_up.stderr == "removed 0 provider keys, and what would show 1 client tokens\n"
    assert run("token", "create", "demo", "phone", **second).returncode == 0
    assert hashes(filled)["laptop"] == sha256(made.stdout.strip().encode()).hexdigest()
