"""One record: what its file says, what was applied of that, what is live -> its part of the plan. Pure.

Whole records follow the rule of the fields: what the files no longer have is deleted unless it was changed elsewhere,
and what was deleted elsewhere stays deleted. What another owner holds is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from gatewayd.config.load import DesiredGateway
from gatewayd.config.merge import (
    ABSENT,
    Field,
    FieldChange,
    Fields,
    build_spec,
    merge_fields,
    read_fields,
    replace_fields,
    without_tokens,
)
from gatewayd.config.planned import UI, Action, Choice, Finding, RecordPlan
from gatewayd.store.gateways import GatewayRow, Spec
from gatewayd.store.tokens import TokenRow


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Of the records of one owner."""

    owner: str
    choice: Choice

    def plan(self, wanted: DesiredGateway | None, row: GatewayRow | None, tokens: list[TokenRow]) -> RecordPlan | None:
        if row is None:
            return create_record(self.owner, wanted) if wanted else None
        if row.id in self.choice.detach and row.managed_by == self.owner:
            return _detach(wanted, row)
        if wanted is None:
            return self._leave(row, tokens)
        if row.managed_by != self.owner:
            return self._of_another(wanted, row, tokens)
        if not row.is_active:
            return self._deleted(wanted, row, tokens)
        return self._merge(wanted, row, tokens)

    def _of_another(self, wanted: DesiredGateway, row: GatewayRow, tokens: list[TokenRow]) -> RecordPlan:
        if row.id in self.choice.adopt:
            return _take_over("adopt", self.owner, wanted, row, tokens)
        if is_detached(row):
            reason = f"gateway {row.id} was detached from its file and belongs to the UI; the file is not applied"
            return RecordPlan(row.id, before=row, finding="detached", file=wanted.file, line=wanted.line, reason=reason)
        if not row.is_active:  # nobody has it any more
            return _take_over("create", self.owner, wanted, row, tokens)
        owner = "the UI" if row.managed_by == UI else row.managed_by
        reason = f"gateway {row.id} belongs to {owner}; the file is not applied (to take it over: --adopt {row.id})"
        return RecordPlan(row.id, before=row, finding="conflict", file=wanted.file, line=wanted.line, reason=reason)

    def _deleted(self, wanted: DesiredGateway, row: GatewayRow, tokens: list[TokenRow]) -> RecordPlan:
        """By a file that had left it out, or elsewhere while its file had it."""
        changed = read_fields(row.applied or {}) != read_fields(wanted.gateway.spec())
        if row.declared is None or self.choice.drift == "revert" or (changed and self.choice.force):
            return _take_over("create", self.owner, wanted, row, tokens)
        finding: Finding = "conflict" if changed else "drift"
        reason = f"gateway {row.id} was deleted elsewhere{' and changed in the file' if changed else ''}; it stays so"
        return _written(
            RecordPlan(row.id, before=row, finding=finding, file=wanted.file, line=wanted.line, reason=reason),
            replace(_at_place(wanted, row), declared=wanted.gateway.spec()),
        )

    def _leave(self, row: GatewayRow, tokens: list[TokenRow]) -> RecordPlan | None:
        """No file has it any more."""
        gone = replace(row, declared=None)
        if not row.is_active:  # where nothing is pruned it may well be in them again: it would be made anew
            return _written(RecordPlan(row.id, before=row), gone) if row.declared and self.choice.prune else None
        drifted = is_drifted(row, tokens)
        reason = f"gateway {row.id} is no longer in the files"
        if drifted and self.choice.drift == "keep" and not self.choice.force:
            told = f"{reason}, and was changed elsewhere; it goes on serving"
            return _written(RecordPlan(row.id, before=row, finding="conflict", reason=told), gone)
        if not self.choice.prune:
            told = f"{reason}; it goes on serving"
            return _written(RecordPlan(row.id, before=row, finding="pending", reason=told), gone)
        deleted = replace(gone, state="deleted", generation=row.generation + 1)
        return RecordPlan(row.id, "delete", deleted, row, reason=reason)

    def _merge(self, wanted: DesiredGateway, row: GatewayRow, tokens: list[TokenRow]) -> RecordPlan:
        last, file = read_fields(row.applied or {}), read_fields(wanted.gateway.spec())
        declared = _kept(row.declared, file)
        live = live_fields(replace(row, declared=declared), tokens)
        changes = merge_fields(last, file, live, self.choice.drift, force=self.choice.force)
        applied = replace_fields(
            last, ((change.field, change.file) for change in changes if change.outcome != "conflict")
        )
        spec = replace_fields(without_tokens(live), _results(changes))
        taken = [change for change in changes if change.outcome == "take"]
        merged = replace(
            _at_place(wanted, row), spec=build_spec(spec), applied=_kept(row.applied, applied), declared=declared
        )
        record = RecordPlan(
            row.id,
            "update" if taken else "keep",
            before=row,
            file=wanted.file,
            line=wanted.line,
            changes=tuple(changes),
            added_tokens=tuple(_tokens_taken(self.owner, row.id, taken)),
            removed_tokens=tuple(_tokens_replaced(tokens, taken)),
        )
        return _written(record, merged)


def _results(changes: Iterable[FieldChange]) -> list[tuple[Field, object]]:
    return [(change.field, change.result) for change in changes if change.field[0] != "tokens"]


def _kept(old: Spec | None, fields: Fields) -> Spec:
    """The old one where it says the same in another order."""
    return old if old is not None and read_fields(old) == fields else build_spec(fields)


def create_record(owner: str, wanted: DesiredGateway) -> RecordPlan:
    """applied, source: of records that belong to a file."""
    declared = wanted.gateway.spec()
    of_file = owner != UI
    row = GatewayRow(
        wanted.id,
        wanted.gateway.spec_without_tokens(),
        owner,
        0,
        "",
        source_file=wanted.file if of_file else None,
        source_line=wanted.line if of_file else None,
        applied=declared if of_file else None,
        declared=declared,
    )
    changes = merge_fields({}, read_fields(declared), {}, "keep")
    added = _tokens_taken(owner, wanted.id, changes)
    return RecordPlan(
        wanted.id, "create", row, file=wanted.file, line=wanted.line, changes=tuple(changes), added_tokens=tuple(added)
    )


def _take_over(
    action: Action, owner: str, wanted: DesiredGateway, row: GatewayRow, tokens: list[TokenRow]
) -> RecordPlan:
    """The file's values, all of them. Tokens of a record that another owner had deleted do not come back."""
    declared = wanted.gateway.spec()
    file = read_fields(declared)
    live = live_fields(replace(row, declared=declared), tokens)
    changes = tuple(merge_fields(read_fields(row.applied or {}), file, live, "revert"))
    foreign = action == "create" and row.managed_by != owner
    removed = tokens if foreign else list(_tokens_replaced(tokens, changes))
    present = {} if foreign else live
    added = tuple(
        _token(owner, row.id, field, value)
        for field, value in file.items()
        if field[0] == "tokens" and present.get(field, ABSENT) != value
    )
    spec = wanted.gateway.spec_without_tokens()
    new = replace(
        _at_place(wanted, row), spec=spec, managed_by=owner, applied=declared, declared=declared, state="active"
    )
    new = replace(new, generation=row.generation + 1)
    return RecordPlan(
        row.id,
        action,
        new,
        row,
        file=wanted.file,
        line=wanted.line,
        changes=changes,
        added_tokens=added,
        removed_tokens=tuple(removed),
    )


def _detach(wanted: DesiredGateway | None, row: GatewayRow) -> RecordPlan:
    reason = f"gateway {row.id} is detached from its file and belongs to the UI from now on"
    new = replace(row, managed_by=UI, generation=row.generation + 1)
    file, line = (wanted.file, wanted.line) if wanted else ("", 0)
    return RecordPlan(row.id, "keep", new, row, "detached", file, line, reason)


def _written(record: RecordPlan, row: GatewayRow) -> RecordPlan:
    """With the row to be written, where it differs. What a form was filled from counts as another generation."""
    before = record.before
    if row == before and not (record.added_tokens or record.removed_tokens):
        return record
    if before is not None and row.spec != before.spec:
        row = replace(row, generation=row.generation + 1)
    return replace(record, row=row)


def _at_place(wanted: DesiredGateway, row: GatewayRow) -> GatewayRow:
    return replace(row, source_file=wanted.file, source_line=wanted.line)


def _tokens_taken(owner: str, gateway_id: str, taken: Iterable[FieldChange]) -> list[TokenRow]:
    return [
        _token(owner, gateway_id, change.field, change.file)
        for change in taken
        if change.field[0] == "tokens" and change.file is not ABSENT
    ]


def _tokens_replaced(tokens: Iterable[TokenRow], taken: Iterable[FieldChange]) -> list[TokenRow]:
    names = {change.field[1] for change in taken if change.field[0] == "tokens" and change.outcome == "take"}
    return [token for token in tokens if token.name in names]


def _token(owner: str, gateway_id: str, field: Field, sha256: str) -> TokenRow:
    return TokenRow(gateway_id, field[1], sha256, owner, 0)


def is_detached(row: GatewayRow) -> bool:
    """It belonged to a file once, which is still noted, and was given to the UI."""
    return row.managed_by == UI and row.source_file is not None


def live_fields(row: GatewayRow, tokens: Iterable[TokenRow]) -> Fields:
    """What is live of what a file could have: tokens that only the UI knows are no part of it."""
    fields = read_fields(row.spec)
    known = {token["name"] for spec in (row.applied, row.declared) if spec for token in spec.get("tokens", ())}
    for token in tokens:
        if token.managed_by != UI or token.name in known:
            fields["tokens", token.name] = token.sha256
    return fields


def is_drifted(row: GatewayRow, tokens: Iterable[TokenRow]) -> bool:
    """Changed elsewhere since its file was applied."""
    applied = read_fields(row.applied or {})
    return bool(merge_fields(applied, applied, live_fields(row, tokens), "keep"))
