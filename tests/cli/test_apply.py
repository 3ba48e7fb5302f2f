"""`plan`, `apply`, `pause` and `resume`: what they show, what they change, and their exit codes."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from gatewayd.config.records import Record, delete_record, list_records, read_record, save_record
from gatewayd.gateways import Gateway
from gatewayd.store import Store
from gatewayd.store.audit import AuditEvent, list_events
from gatewayd.store.state import read_revision
from tests.cli.conftest import Result, Run

T = TypeVar("T")
ONE = "1" * 64
DEMO = """version: 1
gateways:
  demo:
    name: {name}
    upstream:
      base_url: https://api.example.com
      headers: {{X-Key: {key}}}
    limits: {{concurrent: {limit}}}
    tokens: [{{name: laptop, sha256: "{sha256}"}}]
"""


def database(action: Callable[[Store], Awaitable[T]]) -> T:
    async def run() -> T:
        async with Store("sqlite:///gatewayd.db") as store:
            return await action(store)

    return asyncio.run(run())


def record(gateway_id: str = "demo") -> Record:
    async def read(store: Store) -> Record:
        async with store.read() as session:
            return await read_record(session, gateway_id)

    return database(read)


def revision() -> int:
    async def read(store: Store) -> int:
        async with store.read() as session:
            return await read_revision(session)

    return database(read)


def events() -> list[AuditEvent]:
    async def read(store: Store) -> list[AuditEvent]:
        async with store.read() as session:
            return await list_events(session)

    return database(read)


def served() -> list[str]:
    async def read(store: Store) -> list[str]:
        async with store.read() as session:
            return [found.row.id for found in await list_records(session) if found.row.is_active]

    return database(read)


def edit(**values: Any) -> None:
    """As the UI does."""
    row = record().row
    gateway = Gateway.model_validate({**row.spec, **values})
    database(lambda store: save_record(store, "demo", gateway, generation=row.generation, by="admin@10.0.0.1"))


def write(name: str = "Old", limit: int = 1, key: str = "quite-secret", sha256: str = ONE) -> None:
    Path("configs").mkdir(exist_ok=True)
    Path("configs/a.yaml").write_text(DEMO.format(name=name, limit=limit, key=key, sha256=sha256))


def write_many(count: int) -> None:
    Path("configs").mkdir(exist_ok=True)
    records = "".join(f"  g{n}: {{upstream: {{base_url: https://x.example}}}}\n" for n in range(count))
    Path("configs/a.yaml").write_text(f"version: 1\ngateways:\n{records}" if count else "version: 1\n")


def applied(run: Run) -> Result:
    done = run("apply", "--yes")
    assert done.returncode == 0, done.stderr
    return done


def test_a_plan_of_an_empty_database_changes_nothing(run: Run) -> None:
    write()
    done = run("plan")
    assert (done.returncode, Path("gatewayd.db").exists()) == (0, False)
    assert done.stdout.splitlines() == [
        "+ gateway demo  configs/a.yaml:3",
        "+     limits.concurrent: 1",
        '+     name: "Old"',
        '+     tokens.laptop: "(hidden)"',
        '+     upstream.base_url: "https://api.example.com/v1"',
        '+     upstream.headers.X-Key: "(hidden)"',
        "Plan: 1 to create, 0 to change, 0 to delete, 0 drifted, 0 conflicts. Revision 0.",
    ]
    assert run("plan", "--detailed-exitcode").returncode == 2


def test_another_program_s_database_is_refused_by_name(run: Run) -> None:
    write()
    with sqlite3.connect("gatewayd.db") as connection:
        connection.execute("CREATE TABLE theirs (id INTEGER)")
    for verb in (("plan",), ("apply", "--yes")):
        done = run(*verb)
        assert (done.returncode, "theirs" in done.stderr) == (1, True), done.stderr


def test_apply_makes_the_database_and_then_there_is_nothing_to_do(run: Run) -> None:
    write()
    assert "applied; the database is at revision 1" in applied(run).stderr
    assert record().row.spec["name"] == "Old"
    again = run("apply", "--yes")
    assert (again.returncode, again.stderr, revision()) == (0, "nothing to apply\n", 1)
    done = run("plan", "--detailed-exitcode")
    assert (done.returncode, done.stdout) == (
        0,
        "Plan: 0 to create, 0 to change, 0 to delete, 0 drifted, 0 conflicts. Revision 1.\n",
    )


def test_a_change_is_shown_field_by_field_with_the_secrets_masked(run: Run) -> None:
    write()
    applied(run)
    edit(name="UI")
    write(name="Old", limit=5, key="other-secret", sha256="2" * 64)
    done = run("apply", "--yes")
    assert done.stdout.splitlines() == [
        "~ gateway demo  configs/a.yaml:3",
        "~     limits.concurrent: 1 -> 5",
        '!     name: drifted: live "UI" stays, the file says "Old"',
        '~     tokens.laptop: "(hidden)" -> "(hidden)"',
        '~     upstream.headers.X-Key: "(hidden)" -> "(hidden)"',
        "Plan: 0 to create, 1 to change, 0 to delete, 1 drifted, 0 conflicts. Revision 2.",
    ]
    assert done.returncode == 0
    assert (record().row.spec["name"], record().row.spec["limits"]) == ("UI", {"concurrent": 5})
    told = repr([event.detail for event in events()]) + done.stdout + done.stderr
    assert not re.search("secret|1{64}|2{64}", told)


def test_a_conflict_is_left_and_the_rest_applied_until_force_takes_the_file(run: Run) -> None:
    write()
    applied(run)
    edit(name="UI")
    write(name="New", limit=5)
    plan = run("plan")
    assert plan.returncode == 3
    assert '!     name: conflict: live "UI" stays, the file says "New", last applied was "Old"' in plan.stdout
    done = run("apply", "--yes")
    assert done.returncode == 3
    assert "0 drifted, 1 conflict. Revision 2." in done.stdout
    assert (record().row.spec["name"], record().row.spec["limits"], record().status) == (
        "UI",
        {"concurrent": 5},
        "conflict",
    )
    assert run("apply", "--yes").returncode == 3
    assert run("apply", "--yes", "--force").returncode == 0
    assert (record().row.spec["name"], record().status) == ("New", "synced")


def test_with_revert_the_file_wins_and_what_was_there_is_in_the_audit_trail(run: Run) -> None:
    write()
    applied(run)
    edit(name="UI")
    assert run("apply", "--yes", GATEWAYD_CONFIG_DRIFT="revert").returncode == 0
    assert record().row.spec["name"] == "Old"
    assert events()[0].action == "update"
    assert events()[0].detail["fields"] == [{"field": "name", "before": "UI", "after": "Old"}]


def test_audit_events_say_who_and_where(run: Run) -> None:
    write()
    applied(run)
    (event,) = events()
    assert re.fullmatch(r"cli@\S+", event.actor)
    assert (event.action, event.subject, event.detail["where"]) == ("create", "gateway:demo", "configs/a.yaml:3")


def test_deletions_come_first_and_only_where_they_are_wanted(run: Run) -> None:
    write_many(3)
    applied(run)
    Path("configs/a.yaml").write_text(
        "version: 1\ngateways:\n  g0: {name: X, upstream: {base_url: https://x.example}}\n"
        "  a: {upstream: {base_url: https://x.example}}\n  g1: {upstream: {base_url: https://x.example}}\n"
    )
    kept = run("apply", "--yes", "--no-prune")
    assert kept.stdout.splitlines()[0] == "! gateway g2  (is no longer in the files; it goes on serving)"
    assert (kept.returncode, served()) == (0, ["a", "g0", "g1", "g2"])
    done = run("apply", "--yes")
    assert done.stdout.splitlines()[0] == "- gateway g2  (is no longer in the files)"
    assert (done.returncode, served()) == (0, ["a", "g0", "g1"])


def test_single_files_never_delete_what_stands_in_others(run: Run) -> None:
    write_many(3)
    applied(run)
    Path("configs/b.yaml").write_text("version: 1\ngateways: {new: {upstream: {base_url: https://x.example}}}\n")
    assert run("apply", "--yes", "configs/b.yaml").returncode == 0
    assert served() == ["g0", "g1", "g2", "new"]


@pytest.mark.parametrize(("before", "after"), [(4, 1), (2, 0)])
def test_a_mass_deletion_is_refused_and_told_unless_it_is_allowed(run: Run, before: int, after: int) -> None:
    write_many(before)
    applied(run)
    write_many(after)
    for verb in (("plan",), ("apply", "--yes")):
        done = run(*verb)
        assert done.returncode == 3
        assert "gatewayd apply --allow-mass-prune" in done.stdout
        assert " 0 to delete," in done.stdout
    assert len(served()) == before
    done = run("apply", "--yes", "--allow-mass-prune")
    assert (done.returncode, len(served())) == (0, after)


def test_a_missing_directory_changes_nothing(run: Run) -> None:
    write_many(2)
    applied(run)
    Path("configs").rename("elsewhere")
    for verb in (("plan",), ("apply", "--yes", "--force"), ("apply", "--yes", "none")):
        done = run(*verb)
        assert done.returncode == 1
        assert re.fullmatch(r"gatewayd: (configs|none) does not exist; name YAML files .*\n", done.stderr)
    assert (len(served()), revision()) == (2, 1)


def test_files_with_errors_change_nothing_and_every_error_is_told(run: Run) -> None:
    write_many(2)
    applied(run)
    Path("configs/b.yaml").write_text("version: 2\nnonsense: 1\n")
    for verb in (("plan",), ("apply", "--yes", "--force")):
        done = run(*verb)
        assert done.returncode == 1
        assert len(re.findall(r"^gatewayd: configs/b\.yaml:\d:\d+: ", done.stderr, re.MULTILINE)) == 2
    assert revision() == 1


def test_a_revision_that_is_no_longer_the_expected_one_changes_nothing(run: Run) -> None:
    write()
    applied(run)
    write(name="New")
    for option in ("--yes", "--dry-run"):
        done = run("apply", option, "--expect-revision", "7")
        assert done.returncode == 1
        assert "gatewayd: the database is at revision 1, not 7" in done.stderr
    assert record().row.spec["name"] == "Old"
    assert run("apply", "--yes", "--expect-revision", "1").returncode == 0


def test_an_id_that_is_not_there_changes_nothing(run: Run) -> None:
    write()
    applied(run)
    write(name="New")
    for option in ("--adopt", "--detach"):
        done = run("apply", "--yes", option, "dmeo")
        assert done.returncode == 1
        assert f"gatewayd: {option} dmeo: " in done.stderr
    assert (record().row.spec["name"], revision()) == ("Old", 1)


def test_a_record_is_detached_skipped_and_adopted_again(run: Run) -> None:
    write()
    applied(run)
    write(name="New")
    done = run("apply", "--yes", "--detach", "demo")
    assert (done.returncode, record().status, record().row.spec["name"]) == (0, "detached", "Old")
    skipped = run("apply", "--yes")
    assert skipped.returncode == 0
    assert "was detached from its file" in skipped.stdout
    assert record().row.spec["name"] == "Old"
    assert run("apply", "--yes", "--adopt", "demo").returncode == 0
    assert (record().status, record().row.spec["name"]) == ("synced", "New")


def test_a_record_of_the_ui_is_a_conflict_until_it_is_adopted(run: Run) -> None:
    write_many(1)
    applied(run)
    mine = Gateway.model_validate({"name": "Mine", "upstream": {"base_url": "https://mine.example"}})
    database(lambda store: save_record(store, "demo", mine, generation=None, by="admin"))
    Path("configs/b.yaml").write_text(DEMO.format(name="File", limit=1, key="k", sha256=ONE))
    done = run("apply", "--yes", "--force")
    assert done.returncode == 3
    assert "belongs to the UI; the file is not applied (to take it over: --adopt demo)" in done.stdout
    assert record().row.spec["name"] == "Mine"
    done = run("apply", "--yes", "--adopt", "demo")
    assert done.returncode == 0
    assert '~     name: "Mine" -> "File"' in done.stdout
    assert (record().row.spec["name"], record().row.managed_by) == ("File", "file:default")


def test_what_was_deleted_in_the_ui_stays_deleted_and_is_no_conflict(run: Run) -> None:
    write()
    applied(run)
    database(lambda store: delete_record(store, "demo", generation=1, by="admin"))
    done = run("apply", "--yes")
    assert (done.returncode, served()) == (0, [])
    assert "! gateway demo  configs/a.yaml:3  (was deleted elsewhere; it stays so)" in done.stdout


def test_nobody_to_ask_and_no_yes_is_wrong_usage(run: Run) -> None:
    write()
    done = run("apply")
    assert done.returncode == 64
    assert "add --yes" in done.stderr
    assert not Path("gatewayd.db").exists()


def test_wrong_usage_of_plan_exits_64(run: Run) -> None:
    assert run("plan", "--detailed").returncode == 64


@pytest.mark.parametrize(("answer", "code", "after"), [("y", 0, "New"), ("n", 1, "Old")])
def test_on_a_terminal_it_shows_the_plan_and_asks(
    run: Run, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, after: str
) -> None:
    write()
    applied(run)
    write(name="New")
    monkeypatch.setattr("gatewayd.cli.apply.is_attended", lambda: True)
    done = run("apply", input=answer)
    assert done.returncode == code
    assert '~     name: "Old" -> "New"' in done.stdout
    assert "Apply this?" in done.stderr
    assert record().row.spec["name"] == after


def test_a_dry_run_shows_the_plan_and_changes_nothing(run: Run) -> None:
    write()
    applied(run)
    write(name="New")
    done = run("apply", "--dry-run")
    assert (done.returncode, record().row.spec["name"]) == (0, "Old")
    assert "1 to change" in done.stdout


def test_json_tells_counts_and_fields(run: Run) -> None:
    write()
    applied(run)
    edit(name="UI")
    write(name="New", limit=5, key="other-secret")
    told = json.loads(run("plan", "--json").stdout)
    (told_record,) = told.pop("records")
    assert told == {
        "revision": 2,
        "create": 0,
        "change": 1,
        "delete": 0,
        "drifted": 0,
        "conflicts": 1,
        "refused": None,
    }
    assert told_record["fields"] == [
        {"field": "limits.concurrent", "outcome": "take", "last": 1, "file": 5, "live": 1},
        {"field": "name", "outcome": "conflict", "last": "Old", "file": "New", "live": "UI"},
        {
            "field": "upstream.headers.X-Key",
            "outcome": "take",
            "last": "(hidden)",
            "file": "(hidden)",
            "live": "(hidden)",
        },
    ]
    done = json.loads(run("apply", "--yes", "--json").stdout)
    assert (done["applied"], done["new_revision"], done["conflicts"]) == (True, 3, 1)


def test_github_sees_each_thing_at_its_line(run: Run) -> None:
    write()
    applied(run)
    edit(name="UI")
    write(name="New", limit=5)
    done = run("plan", "-o", "github")
    assert done.returncode == 3
    conflict = 'name: conflict: live "UI" stays, the file says "New", last applied was "Old"'
    assert done.stdout.splitlines() == [
        "::error file=configs/a.yaml,line=3::~ gateway demo  configs/a.yaml:3",
        f"::error file=configs/a.yaml,line=3::! {conflict}",
    ]


def test_colors_are_for_terminals_that_want_them(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    write()
    monkeypatch.setattr("gatewayd.cli.terminal.is_terminal", lambda: True)
    assert "\x1b[32m+ gateway demo" in run("plan").stdout
    for plain in (run("plan", NO_COLOR="1"), run("plan", "--no-color"), run("plan", TERM="dumb")):
        assert "\x1b" not in plain.stdout


def test_a_value_cannot_move_the_cursor_of_a_terminal(run: Run) -> None:
    write(name='"\\e[2J"')
    assert "\x1b" not in run("plan").stdout


def test_a_new_token_is_not_printed_where_it_would_stay(run: Run) -> None:
    Path("configs").mkdir()
    Path("configs/a.yaml").write_text("version: 1\ngateways: {demo: {upstream: {base_url: https://x.example}}}\n")
    done = applied(run)
    assert "gateway demo has a new token 'generated'; the UI shows it" in done.stderr
    assert "gwd_" not in done.stdout + done.stderr
    assert [token.name for token in record().tokens] == ["generated"]


def test_a_gateway_is_paused_and_resumed(run: Run) -> None:
    write()
    applied(run)
    assert run("pause", "demo").returncode == 64
    done = run("pause", "demo", "--reason", "maintenance", "--minutes", "5")
    assert (done.returncode, done.stderr) == (0, "gateway demo is paused; to end that: gatewayd resume demo\n")
    pause = record().pause
    assert pause is not None
    assert pause.pause_reason == "maintenance"
    assert (pause.until or 0) - pause.paused_at == pytest.approx(300_000, abs=1000)
    assert run("plan", "--detailed-exitcode").returncode == 0
    assert run("resume", "demo").returncode == 0
    assert record().pause is None
    for verb in (("resume", "demo"), ("resume", "none"), ("pause", "none", "--reason", "x")):
        done = run(*verb)
        assert (done.returncode, done.stderr.startswith("gatewayd: ")) == (1, True)
