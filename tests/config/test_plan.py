"""Desired against stored, record by record: nothing overwritten or removed without being told. Pure, no database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.config.load import Desired, DesiredGateway
from gatewayd.config.plan import check_choice, plan_seed, plan_sync
from gatewayd.config.planned import UI, Choice, Plan, RecordPlan
from gatewayd.config.reconcile import is_detached
from gatewayd.config.status import read_status
from gatewayd.errors import ConfigurationError
from gatewayd.gateways import Gateway
from gatewayd.store.gateways import GatewayRow
from gatewayd.store.tokens import TokenRow

ONE, TWO, THREE = "1" * 64, "2" * 64, "3" * 64


def wanted(id_: str = "demo", line: int = 3, **values: Any) -> DesiredGateway:
    record = Gateway.model_validate({"upstream": {"base_url": "https://api.example.com"}, **values})
    return DesiredGateway(id_, record, "configs/a.yaml", line)


def desire(*gateways: DesiredGateway, source: str = "default") -> Desired:
    return Desired(source, {gateway.id: gateway for gateway in gateways})


def token(name: str, sha256: str = ONE, owner: str = "file:default") -> TokenRow:
    return TokenRow("demo", name, sha256, owner, 1)


@dataclass
class Database:
    """What `apply` writes, in memory."""

    rows: dict[str, GatewayRow] = field(default_factory=dict)
    tokens: dict[tuple[str, str], TokenRow] = field(default_factory=dict)

    def plan(self, desired: Desired, choice: Choice | None = None) -> Plan:
        return plan_sync(desired, list(self.rows.values()), list(self.tokens.values()), choice)

    def apply(self, desired: Desired, choice: Choice | None = None) -> Plan:
        plan = self.plan(desired, choice)
        for record in plan.records:
            if record.row is not None:
                self.rows[record.id] = record.row
            for gone in record.removed_tokens:
                del self.tokens[gone.gateway_id, gone.name]
            for added in record.added_tokens:
                assert (added.gateway_id, added.name) not in self.tokens
                self.tokens[added.gateway_id, added.name] = added
        return plan

    def edit(self, id_: str = "demo", **values: Any) -> None:
        """As the UI does."""
        row = self.rows[id_]
        self.rows[id_] = replace(row, spec={**row.spec, **values}, generation=row.generation + 1)

    def delete(self, id_: str = "demo") -> None:
        self.rows[id_] = replace(self.rows[id_], state="deleted")

    def status(self, id_: str = "demo", planned: RecordPlan | None = None) -> str:
        return read_status(self.rows[id_], self.tokens_of(id_), planned)

    def tokens_of(self, id_: str = "demo") -> list[TokenRow]:
        return [row for row in self.tokens.values() if row.gateway_id == id_]


def applied(*gateways: DesiredGateway) -> Database:
    database = Database()
    database.apply(desire(*gateways))
    return database


def only(plan: Plan) -> RecordPlan:
    (record,) = plan.records
    return record


def test_what_is_absent_is_created_with_its_tokens() -> None:
    record = only(plan_sync(desire(wanted(name="Demo", tokens=[{"name": "a", "sha256": ONE}])), [], []))
    row = record.row
    assert row is not None
    assert row.spec == {"name": "Demo", "upstream": {"base_url": "https://api.example.com/v1"}}
    assert row.applied == row.declared == {**row.spec, "tokens": [{"name": "a", "sha256": ONE}]}
    assert (row.managed_by, row.source_file, row.source_line, row.state) == (
        "file:default",
        "configs/a.yaml",
        3,
        "active",
    )
    assert [(added.name, added.managed_by) for added in record.added_tokens] == [("a", "file:default")]
    assert (record.result, record.where) == ("create", "configs/a.yaml:3")


def test_the_same_again_is_no_change() -> None:
    gateway = wanted(tokens=[{"name": "b", "sha256": ONE}, {"name": "a", "sha256": TWO}])
    database = applied(gateway)
    swapped = wanted(tokens=[{"name": "a", "sha256": TWO}, {"name": "b", "sha256": ONE}])
    for files in (gateway, swapped):
        plan = database.plan(desire(files))
        assert (plan.is_empty, plan.moved, only(plan).result, database.status()) == (True, [], "keep", "synced")


#: the name last applied, in the file, live -> result, the name live afterwards, the status afterwards
FIELDS = [
    ("A", "A", "A", "keep", "keep", "A", "synced"),
    ("A", "B", "A", "keep", "update", "B", "synced"),
    ("A", "A", "B", "keep", "drift", "B", "drifted"),
    ("A", "B", "B", "keep", "keep", "B", "synced"),
    ("A", "B", "C", "keep", "conflict", "C", "conflict"),
    ("A", "A", "B", "revert", "update", "A", "synced"),
    ("A", "B", "C", "revert", "update", "B", "synced"),
    ("A", "B", "B", "revert", "keep", "B", "synced"),
]


@pytest.mark.parametrize(("last", "file", "live", "drift", "result", "after", "status"), FIELDS)
def test_a_field_of_a_record(last: str, file: str, live: str, drift: Any, result: str, after: str, status: str) -> None:
    database = applied(wanted(name=last))
    database.edit(name=live)
    plan = database.apply(desire(wanted(name=file)), Choice(drift))
    assert only(plan).result == result
    assert (database.rows["demo"].spec["name"], database.status()) == (after, status)
    again = database.plan(desire(wanted(name=file)), Choice(drift))
    assert not again.changed
    assert (len(again.conflicts), len(again.drifted)) == (len(plan.conflicts), len(plan.drifted))


#: in the files before and now, state elsewhere, drift -> result, served afterwards, status afterwards
RECORDS = [
    ("kept", "absent from the files", "keep", "delete", False, "synced"),
    ("edited", "absent from the files", "keep", "conflict", True, "conflict"),
    ("edited", "absent from the files", "revert", "delete", False, "synced"),
    ("deleted", "absent from the files", "keep", "keep", False, "synced"),
    ("deleted", "same", "keep", "drift", False, "drifted"),
    ("deleted", "same", "revert", "create", True, "synced"),
    ("deleted", "changed", "keep", "conflict", False, "conflict"),
    ("deleted", "changed", "revert", "create", True, "synced"),
    ("detached", "same", "keep", "detached", True, "detached"),
    ("detached", "changed", "revert", "detached", True, "detached"),
]


@pytest.mark.parametrize(("elsewhere", "file", "drift", "result", "served", "status"), RECORDS)
def test_a_record_as_a_whole(elsewhere: str, file: str, drift: Any, result: str, served: bool, status: str) -> None:
    database = applied(wanted(name="File"), wanted("other"))
    if elsewhere == "edited":
        database.edit(name="UI")
    elif elsewhere == "deleted":
        database.delete()
    elif elsewhere == "detached":
        database.apply(desire(wanted(name="File"), wanted("other")), Choice(detach=["demo"]))
    files = {"same": [wanted(name="File")], "changed": [wanted(name="New")]}.get(file, [])
    plan = database.apply(desire(*files, wanted("other")), Choice(drift))
    assert {record.id: record.result for record in plan.records}["demo"] == result
    assert (database.rows["demo"].is_active, database.status()) == (served, status)
    again = database.plan(desire(*files, wanted("other")), Choice(drift))
    assert not again.changed
    assert len(again.conflicts) == len(plan.conflicts)


def test_a_change_elsewhere_and_one_of_another_field_in_the_file_both_hold() -> None:
    database = applied(wanted(name="Old", limits={"concurrent": 1}))
    database.edit(name="UI")
    plan = database.apply(desire(wanted(name="Old", limits={"concurrent": 2}, fallback=[])))
    assert only(plan).result == "update"
    assert only(plan).drifted
    assert database.rows["demo"].spec == {
        "name": "UI",
        "limits": {"concurrent": 2},
        "upstream": {"base_url": "https://api.example.com/v1"},
    }


def test_a_conflict_holds_back_that_field_alone() -> None:
    database = applied(wanted(name="Old", limits={"concurrent": 1}))
    database.edit(name="UI")
    plan = database.apply(desire(wanted(name="File", limits={"concurrent": 2})))
    assert only(plan).conflicts
    assert database.rows["demo"].spec["limits"] == {"concurrent": 2}
    assert only(plan).notice == (
        "configs/a.yaml:3: gateway demo: changed elsewhere and in the file: name; the live values stay"
    )
    row = database.rows["demo"]
    assert row.applied is not None
    assert row.declared is not None
    assert (row.applied["name"], row.declared["name"]) == ("Old", "File")


def test_force_takes_the_file_where_both_changed_and_nowhere_else() -> None:
    database = applied(wanted(name="Old", limits={"concurrent": 1}))
    database.edit(name="UI", limits={"concurrent": 9})
    database.apply(desire(wanted(name="File", limits={"concurrent": 1})), Choice(force=True))
    assert (database.rows["demo"].spec["name"], database.rows["demo"].spec["limits"]) == ("File", {"concurrent": 9})
    assert database.status() == "drifted"


def test_force_deletes_what_left_the_files_though_it_was_changed_elsewhere() -> None:
    database = applied(wanted(), wanted("other"))
    database.edit(name="UI")
    assert database.apply(desire(wanted("other")), Choice(force=True)).of("delete")


def test_force_brings_back_what_the_file_changed_after_it_was_deleted_elsewhere() -> None:
    database = applied(wanted(name="Old"))
    database.delete()
    assert only(database.apply(desire(wanted(name="Old")), Choice(force=True))).result == "drift"
    assert only(database.apply(desire(wanted(name="New")), Choice(force=True))).result == "create"


def test_what_left_the_files_and_comes_back_is_served_again_with_its_tokens() -> None:
    database = applied(wanted(name="File", tokens=[{"name": "a", "sha256": ONE}]), wanted("other"))
    database.tokens["demo", "phone"] = token("phone", TWO, UI)
    database.apply(desire(wanted("other")))
    assert not database.rows["demo"].is_active
    database.apply(desire(wanted(name="Back", tokens=[{"name": "a", "sha256": THREE}]), wanted("other")))
    assert (database.rows["demo"].is_active, database.rows["demo"].spec["name"]) == (True, "Back")
    assert {row.name: row.sha256 for row in database.tokens_of()} == {"a": THREE, "phone": TWO}


def test_a_record_without_pruning_goes_on_and_waits_to_be_deleted() -> None:
    database = applied(wanted(), wanted("other"))
    plan = database.apply(desire(wanted("other")), Choice(prune=False))
    assert (plan.conflicts, database.rows["demo"].is_active, database.status()) == ([], True, "pending_delete")
    assert plan.notices == ["gateway demo is no longer in the files; it goes on serving"]
    assert database.apply(desire(wanted("other"))).of("delete")


@pytest.mark.parametrize("choice", [Choice(), Choice(prune=False)])
def test_what_was_deleted_elsewhere_does_not_come_back_because_the_files_were_away_for_a_while(choice: Choice) -> None:
    database = applied(wanted(), wanted("other"))
    database.delete()
    database.apply(desire(), choice)
    plan = database.apply(desire(wanted(), wanted("other")))
    assert {record.id: record.result for record in plan.records} == {"demo": "drift", "other": "keep"}


def test_a_record_that_moved_in_the_files_gets_its_new_place_and_no_other_change() -> None:
    database = applied(wanted(line=3))
    plan = database.apply(desire(wanted(line=9)))
    assert (plan.is_empty, len(plan.moved)) == (True, 1)
    assert (database.rows["demo"].source_line, database.rows["demo"].generation) == (9, 1)


def test_a_record_of_the_ui_is_left_alone_and_told() -> None:
    database = Database({"demo": GatewayRow("demo", {"name": "Mine"}, UI, 1, "admin")})
    record = only(database.plan(desire(wanted(name="Theirs"))))
    assert (record.result, record.row, database.status()) == ("conflict", None, "ui")
    assert record.notice == (
        "configs/a.yaml:3: gateway demo belongs to the UI; the file is not applied (to take it over: --adopt demo)"
    )


def test_a_record_of_another_source_is_left_alone_and_told() -> None:
    plan = applied(wanted()).plan(desire(wanted(name="x"), source="team"))
    assert plan.is_empty
    assert "belongs to file:default" in only(plan).notice


def test_an_adopted_record_has_the_file_s_values_and_keeps_the_tokens_of_the_ui() -> None:
    spec = {"name": "Mine", "limits": {"concurrent": 9}, "upstream": {"base_url": "https://mine.example/v1"}}
    database = Database(
        {"demo": GatewayRow("demo", spec, UI, 1, "admin")}, {("demo", "phone"): token("phone", TWO, UI)}
    )
    files = desire(wanted(name="File", tokens=[{"name": "a", "sha256": ONE}]))
    record = only(database.apply(files, Choice(adopt=["demo"])))
    assert (record.result, [change.name for change in record.changes]) == (
        "adopt",
        ["limits.concurrent", "name", "tokens.a", "upstream.base_url"],
    )
    assert database.rows["demo"].spec == {"name": "File", "upstream": {"base_url": "https://api.example.com/v1"}}
    assert (database.rows["demo"].managed_by, database.status()) == ("file:default", "synced")
    assert {row.name for row in database.tokens_of()} == {"a", "phone"}
    assert database.plan(files).is_empty


def test_a_detached_record_can_be_adopted_again() -> None:
    database = applied(wanted(name="File"))
    database.apply(desire(wanted(name="File")), Choice(detach=["demo"]))
    assert is_detached(database.rows["demo"])
    database.edit(name="UI")
    assert only(database.plan(desire(wanted(name="File")))).result == "detached"
    assert only(database.apply(desire(wanted(name="File")), Choice(adopt=["demo"]))).result == "adopt"
    assert database.rows["demo"].spec["name"] == "File"


def test_the_tokens_of_a_record_deleted_by_another_owner_do_not_come_back_with_its_id() -> None:
    database = Database(
        {"demo": GatewayRow("demo", {}, UI, 1, "admin", state="deleted")}, {("demo", "old"): token("old", TWO, UI)}
    )
    record = only(database.apply(desire(wanted(tokens=[{"name": "new", "sha256": ONE}]))))
    assert record.result == "create"
    assert {row.name for row in database.tokens_of()} == {"new"}


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        (Choice(adopt=["none"]), "--adopt none: the files have no gateway 'none'"),
        (Choice(adopt=["new"]), "--adopt new: nobody has a gateway 'new' yet"),
        (Choice(detach=["none"]), "--detach none: source default has no gateway 'none' (there is none)"),
        (Choice(detach=["mine"]), "--detach mine: source default has no gateway 'mine' (it belongs to ui)"),
    ],
)
def test_an_id_that_cannot_be_meant_is_an_error(choice: Choice, told: str) -> None:
    rows = [GatewayRow("demo", {}, "file:default", 1, "x"), GatewayRow("mine", {}, UI, 1, "x")]
    with pytest.raises(ConfigurationError) as error:
        check_choice(desire(wanted(), wanted("new")), rows, choice)
    assert told in str(error.value)


def many(count: int, first: int = 0) -> list[DesiredGateway]:
    return [wanted(f"g{number}") for number in range(first, count)]


@pytest.mark.parametrize(
    ("before", "after", "deleted"),
    [(1, 0, 0), (3, 0, 0), (3, 1, 2), (4, 2, 2), (4, 1, 0), (10, 5, 5), (10, 4, 0), (2, 1, 1)],
)
def test_not_too_many_records_are_deleted_at_once(before: int, after: int, deleted: int) -> None:
    database = applied(*many(before))
    plan = database.apply(desire(*many(after)))
    assert (len(plan.of("delete")), bool(plan.refused)) == (deleted, deleted == 0)
    if plan.refused:
        assert "gatewayd apply --allow-mass-prune" in plan.refused
        assert database.status("g0" if after == 0 else f"g{after}") == "pending_delete"


@pytest.mark.parametrize("choice", [Choice(force=True), Choice(mass_prune=True)])
def test_unless_it_is_wanted(choice: Choice) -> None:
    assert len(applied(*many(4)).plan(desire(), choice).of("delete")) == 4


def test_records_of_others_are_never_pruned() -> None:
    database = applied(wanted("mine"), wanted("rest"))
    database.rows["ui"] = GatewayRow("ui", {}, UI, 1, "admin")
    database.rows["team"] = GatewayRow("team", {}, "file:team", 1, "x", applied={}, declared={})
    plan = database.plan(desire(wanted("rest")), Choice(force=True))
    assert [record.id for record in plan.of("delete")] == ["mine"]


#: the hash last applied, in the file, live and who made it -> those live afterwards, is there a conflict
TOKENS = [
    (ONE, ONE, (ONE, "file:default"), ONE, False),
    (ONE, TWO, (ONE, "file:default"), TWO, False),
    (ONE, None, (ONE, "file:default"), None, False),
    (None, ONE, None, ONE, False),
    (ONE, ONE, None, None, False),
    (ONE, TWO, None, None, True),
    (None, ONE, (TWO, UI), TWO, True),
    (None, ONE, (ONE, UI), ONE, False),
    (None, None, (TWO, UI), TWO, False),
    (ONE, None, None, None, False),
]


@pytest.mark.parametrize(("last", "file", "live", "after", "conflict"), TOKENS)
def test_a_client_token(last: Any, file: Any, live: Any, after: Any, conflict: bool) -> None:
    def declared(sha256: str | None) -> list[dict[str, str]]:
        return [{"name": "a", "sha256": sha256}] if sha256 else []

    database = applied(wanted(tokens=declared(last)))
    database.tokens = {("demo", "a"): token("a", *live)} if live else {}
    plan = database.apply(desire(wanted(tokens=declared(file))))
    assert {row.sha256 for row in database.tokens_of()} == ({after} if after else set())
    assert bool(plan.conflicts) == conflict
    assert database.plan(desire(wanted(tokens=declared(file)))).is_empty


def test_what_is_not_yet_applied_is_told_by_a_plan() -> None:
    database = applied(wanted(name="Old"), wanted("gone"), wanted("both"), wanted("same"))
    database.edit("both", name="UI")
    plan = database.plan(desire(wanted(name="New"), wanted("both", name="File"), wanted("same")))
    assert {record.id: database.status(record.id, record) for record in plan.records} == {
        "both": "conflict",
        "demo": "out_of_sync",
        "gone": "pending_delete",
        "same": "synced",
    }


def test_seeding_creates_what_was_never_there_and_gives_it_to_the_ui() -> None:
    files = desire(wanted("old", name="File"), wanted("gone"), wanted("new", tokens=[{"name": "a", "sha256": ONE}]))
    rows = [GatewayRow("old", {}, UI, 1, "x"), GatewayRow("gone", {}, UI, 1, "x", state="deleted")]
    record = only(plan_seed(files, rows))
    assert record.row is not None
    assert (record.id, record.row.managed_by, record.row.applied, record.row.source_file) == ("new", UI, None, None)
    assert [added.managed_by for added in record.added_tokens] == [UI]
    assert not is_detached(record.row)


_ids = st.sampled_from(["a", "b", "c", "d"])
_gateway = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["x", "y"]),
        "limits": st.fixed_dictionaries({}, optional={"concurrent": st.sampled_from([1, 2])}),
        "fallback": st.sampled_from([[], ["b"], ["b", "c"]]),
        "tokens": st.sampled_from([[], [{"name": "t", "sha256": ONE}], [{"name": "t", "sha256": TWO}]]),
    },
)
_files = st.dictionaries(_ids, _gateway, max_size=4)
_choices = st.builds(
    Choice,
    drift=st.sampled_from(["keep", "revert"]),
    force=st.booleans(),
    prune=st.booleans(),
    mass_prune=st.booleans(),
)
_steps = st.lists(
    st.tuples(st.just("apply"), _files, _choices)
    | st.tuples(st.just("edit"), _ids, st.sampled_from(["x", "z"]))
    | st.tuples(st.just("delete"), _ids, st.none())
    | st.tuples(st.just("revoke"), _ids, st.none()),
    max_size=8,
)


def files(records: dict[str, Any]) -> Desired:
    return desire(*(wanted(id_, **values) for id_, values in records.items()))


def history(steps: Iterable[tuple[str, Any, Any]]) -> Database:
    database = Database()
    for kind, what, how in steps:
        if kind == "apply":
            database.apply(files(what), how)
        elif kind == "edit" and what in database.rows:
            database.edit(what, name=how)
        elif kind == "delete" and what in database.rows:
            database.delete(what)
        elif kind == "revoke":
            database.tokens.pop((what, "t"), None)
    return database


@given(_steps, _files, _choices)
def test_whatever_happened_before_applying_twice_is_applying_once(steps: Any, records: Any, choice: Choice) -> None:
    database = history(steps)
    plan = database.apply(files(records), choice)
    assert not database.plan(files(records), choice).changed
    if choice.drift == "revert" and not plan.refused and choice.prune:
        assert {row.id: row.spec for row in database.rows.values() if row.is_active} == {
            id_: gateway.gateway.spec_without_tokens() for id_, gateway in files(records).gateways.items()
        }


@given(_steps, _files, _choices, st.randoms())
def test_the_order_of_the_files_never_matters(steps: Any, records: Any, choice: Choice, random: Any) -> None:
    shuffled = list(records.items())
    random.shuffle(shuffled)
    database = history(steps)
    assert database.plan(files(dict(shuffled)), choice) == database.plan(files(records), choice)


@given(_steps, _files)
def test_with_keep_no_edit_made_elsewhere_is_ever_lost(steps: Any, records: Any) -> None:
    database = history(steps)
    before = {id_: row for id_, row in database.rows.items() if row.is_active and row.spec.get("name") == "z"}
    database.apply(files(records), Choice(mass_prune=True))
    assert all(database.rows[id_].spec.get("name") == "z" for id_ in before)
    assert all(database.rows[id_].is_active for id_ in before)
