"""Desired against stored: one owner per record, and nothing overwritten or removed silently. Pure, no database."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gatewayd.config.load import Desired, DesiredGateway
from gatewayd.config.plan import UI, Plan, plan_seed, plan_sync
from gatewayd.gateways import Gateway
from gatewayd.store.gateways import GatewayRow
from gatewayd.store.tokens import TokenRow

ONE, TWO = "1" * 64, "2" * 64


def wanted(id_: str = "demo", line: int = 3, **values: Any) -> DesiredGateway:
    record = Gateway.model_validate({"upstream": {"base_url": "https://api.example.com"}, **values})
    return DesiredGateway(id_, record, "configs/a.yaml", line)


def desire(*gateways: DesiredGateway, source: str = "default") -> Desired:
    return Desired(source, {gateway.id: gateway for gateway in gateways})


def stored(gateway: DesiredGateway, **changes: Any) -> GatewayRow:
    """The row as `apply` left it."""
    (row,) = plan_sync(desire(gateway), [], []).creations
    return replace(row, updated_at=1, updated_by="file:default", **changes)


def token(name: str, sha256: str = ONE, owner: str = "file:default") -> TokenRow:
    return TokenRow("demo", name, sha256, owner, 1)


def test_what_is_absent_is_created_with_its_tokens() -> None:
    plan = plan_sync(desire(wanted(name="Demo", tokens=[{"name": "a", "sha256": ONE}])), [], [])
    (row,) = plan.creations
    assert row.spec == {"name": "Demo", "upstream": {"base_url": "https://api.example.com/v1"}}
    assert row.applied == {**row.spec, "tokens": [{"name": "a", "sha256": ONE}]}
    assert (row.managed_by, row.source_file, row.source_line, row.state) == (
        "file:default",
        "configs/a.yaml",
        3,
        "active",
    )
    assert [(added.name, added.managed_by) for added in plan.added_tokens] == [("a", "file:default")]


def test_the_same_again_is_no_change() -> None:
    gateway = wanted(tokens=[{"name": "a", "sha256": ONE}])
    assert plan_sync(desire(gateway), [stored(gateway)], [token("a")]) == Plan()


def test_a_change_in_the_file_is_taken_over() -> None:
    plan = plan_sync(desire(wanted(name="New")), [stored(wanted(name="Old"))], [])
    (row,) = plan.updates
    assert row.spec["name"] == "New"
    assert row.applied is not None
    assert row.applied["name"] == "New"
    assert not plan.creations


def test_a_record_that_moved_in_the_files_gets_its_new_place() -> None:
    (row,) = plan_sync(desire(wanted(line=9)), [stored(wanted(line=3))], []).updates
    assert row.source_line == 9


def test_a_record_of_the_ui_is_left_alone_and_told() -> None:
    row = stored(wanted(name="Mine"), managed_by=UI, applied=None)
    plan = plan_sync(desire(wanted(name="Theirs")), [row], [])
    assert plan.is_empty
    assert [notice.text for notice in plan.notices] == [
        "configs/a.yaml:3: gateway demo belongs to the UI; the file is not applied"
    ]


def test_a_record_of_another_source_is_left_alone_and_told() -> None:
    plan = plan_sync(desire(wanted(name="x"), source="team"), [stored(wanted())], [])
    assert plan.is_empty
    assert "belongs to file:default" in plan.notices[0].text


def test_a_record_that_is_no_longer_in_the_files_stays_and_is_told() -> None:
    plan = plan_sync(desire(), [stored(wanted()), stored(wanted("ui"), managed_by=UI)], [])
    assert plan.is_empty
    assert [notice.text for notice in plan.notices] == ["gateway demo is no longer in the files; it goes on serving"]


def test_a_record_deleted_in_the_ui_stays_deleted_and_is_told() -> None:
    plan = plan_sync(desire(wanted(name="New")), [stored(wanted(), state="deleted")], [])
    assert plan.is_empty
    assert "was deleted in the UI" in plan.notices[0].text


def test_an_edit_in_the_ui_stays_while_the_file_does_not_change() -> None:
    row = stored(wanted(name="File"))
    assert plan_sync(desire(wanted(name="File")), [replace(row, spec={**row.spec, "name": "UI"})], []) == Plan()


def test_an_edit_on_both_sides_keeps_the_ui_and_is_told_until_resolved() -> None:
    row = stored(wanted(name="Old"))
    plan = plan_sync(desire(wanted(name="File")), [replace(row, spec={**row.spec, "name": "UI"})], [])
    assert plan.is_empty
    assert "changed in the UI and in the file" in plan.notices[0].text


def test_the_same_edit_on_both_sides_is_no_conflict() -> None:
    row = stored(wanted(name="Old"))
    plan = plan_sync(desire(wanted(name="New")), [replace(row, spec={**row.spec, "name": "New"})], [])
    assert plan.notices == ()
    assert plan.updates[0].applied == {**row.spec, "name": "New"}


def test_tokens_of_the_file_are_replaced_by_name() -> None:
    before = wanted(
        tokens=[{"name": "kept", "sha256": ONE}, {"name": "new-hash", "sha256": ONE}, {"name": "gone", "sha256": ONE}]
    )
    after = wanted(
        tokens=[{"name": "kept", "sha256": ONE}, {"name": "new-hash", "sha256": TWO}, {"name": "added", "sha256": TWO}]
    )
    rows = [token("kept"), token("new-hash"), token("gone"), token("laptop", owner=UI)]
    plan = plan_sync(desire(after), [stored(before)], rows)
    assert [(row.name, row.sha256) for row in plan.added_tokens] == [("new-hash", TWO), ("added", TWO)]
    assert [row.name for row in plan.removed_tokens] == ["gone", "new-hash"]


def test_a_token_revoked_elsewhere_is_not_brought_back() -> None:
    before = wanted(tokens=[{"name": "a", "sha256": ONE}])
    plan = plan_sync(desire(wanted(name="x", tokens=[{"name": "a", "sha256": ONE}])), [stored(before)], [])
    assert plan.added_tokens == ()
    assert len(plan.updates) == 1


def test_a_token_of_that_name_made_elsewhere_stays_and_is_told() -> None:
    plan = plan_sync(desire(wanted(tokens=[{"name": "a", "sha256": TWO}])), [stored(wanted())], [token("a", owner=UI)])
    assert (plan.added_tokens, plan.removed_tokens) == ((), ())
    assert "a token 'a' of gateway demo was made elsewhere; it stays" in plan.notices[0].text


def test_a_changed_token_does_not_undo_an_edit_in_the_ui() -> None:
    row = stored(wanted(name="File"))
    after = wanted(name="File", tokens=[{"name": "a", "sha256": ONE}])
    plan = plan_sync(desire(after), [replace(row, spec={**row.spec, "name": "UI"})], [])
    assert plan.updates[0].spec["name"] == "UI"
    assert [added.name for added in plan.added_tokens] == ["a"]


def test_seeding_creates_what_was_never_there_and_gives_it_to_the_ui() -> None:
    files = desire(wanted("old", name="File"), wanted("gone"), wanted("new", tokens=[{"name": "a", "sha256": ONE}]))
    rows = [stored(wanted("old"), managed_by=UI), stored(wanted("gone"), managed_by=UI, state="deleted")]
    plan = plan_seed(files, rows)
    assert [(row.id, row.managed_by, row.applied, row.source_file) for row in plan.creations] == [
        ("new", UI, None, None)
    ]
    assert [added.managed_by for added in plan.added_tokens] == [UI]
    assert plan.updates == ()
