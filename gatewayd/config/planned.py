"""What a plan is: per record what would be written and what would not, and why. Values only; `plan` makes them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

from gatewayd.config.merge import Drift, FieldChange
from gatewayd.store.gateways import GatewayRow
from gatewayd.store.tokens import TokenRow

UI = "ui"
#: What is done with a record.
Action = Literal["create", "update", "delete", "adopt", "keep"]
#: What a record is found to be as a whole; `pending`: no longer in the files, and kept for now.
Finding = Literal["", "drift", "conflict", "detached", "pending"]
Result = Literal["create", "update", "delete", "adopt", "keep", "drift", "conflict", "detached"]


@dataclass(frozen=True, slots=True)
class Choice:
    """How the operator wants it.

    drift   `revert`: the files win over every change made elsewhere
    force   the files win where both sides changed, and the guards of pruning do not hold
    prune   records that left the files are deleted
    mass_prune  even when they are many
    adopt   ids of records that are taken over from another owner
    detach  ids of records that are left to the UI from now on
    """

    drift: Drift = "keep"
    force: bool = False
    prune: bool = True
    mass_prune: bool = False
    adopt: Collection[str] = ()
    detach: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class RecordPlan:
    """One record.

    row      to be written, whole; None: nothing. A new generation is another record to whoever edits it: for those
             `apply` sets `updated_at` and `updated_by`
    before   what is stored now; None: nothing
    file     as `configs/a.yaml`, or "" where none has it; line in it, from 1
    reason   why it is not simply as the file says, in one line, or ""
    changes  the fields whose three values are not all the same
    """

    id: str
    action: Action = "keep"
    row: GatewayRow | None = None
    before: GatewayRow | None = None
    finding: Finding = ""
    file: str = ""
    line: int = 0
    reason: str = ""
    changes: tuple[FieldChange, ...] = ()
    added_tokens: tuple[TokenRow, ...] = ()
    removed_tokens: tuple[TokenRow, ...] = ()

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}" if self.file else ""

    @property
    def conflicts(self) -> bool:
        return self.finding == "conflict" or any(change.outcome == "conflict" for change in self.changes)

    @property
    def drifted(self) -> bool:
        return self.finding == "drift" or any(change.outcome == "drift" for change in self.changes)

    @property
    def result(self) -> Result:
        """The one word for it; a record that is updated may be drifted, or in conflict, too."""
        if self.action != "keep":
            return self.action
        if self.conflicts:
            return "conflict"
        if self.drifted:
            return "drift"
        return "detached" if self.finding == "detached" else "keep"

    @property
    def is_changed(self) -> bool:
        """Something is to be written beside its place in the files."""
        return self.row is not None and not self.is_move

    @property
    def is_move(self) -> bool:
        """Nothing is to be written but the place in the files."""
        row, before = self.row, self.before
        return row is not None and before is not None and _placed(before, row) == row

    @property
    def notice(self) -> str:
        """For the log: what is not as the file says, or ""."""
        if self.action == "delete":
            return ""
        if self.reason:
            return f"{self.where}: {self.reason}" if self.where else self.reason
        names = [change.name for change in self.changes if change.outcome == "conflict"]
        if not names:
            return ""
        return (
            f"{self.where}: gateway {self.id}: changed elsewhere and in the file: {', '.join(names)}; "
            "the live values stay"
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """By id. revision: of the database that it was made for; refused: why records that left the files are all kept."""

    records: tuple[RecordPlan, ...] = ()
    refused: str = ""
    revision: int = 0

    @property
    def is_empty(self) -> bool:
        """What is served stays as it is, whatever is to be noted."""
        return all(record.action == "keep" for record in self.records)

    @property
    def changed(self) -> list[RecordPlan]:
        """Those of which more is to be written than their place."""
        return [record for record in self.records if record.is_changed]

    @property
    def moved(self) -> list[RecordPlan]:
        return [record for record in self.records if record.is_move]

    @property
    def conflicts(self) -> list[RecordPlan]:
        return [record for record in self.records if record.conflicts]

    @property
    def drifted(self) -> list[RecordPlan]:
        return [record for record in self.records if record.drifted]

    def of(self, action: Action) -> list[RecordPlan]:
        return [record for record in self.records if record.action == action]

    @property
    def notices(self) -> list[str]:
        notices = [record.notice for record in self.records if record.notice]
        return [*([self.refused] if self.refused else []), *notices]


def _placed(row: GatewayRow, other: GatewayRow) -> GatewayRow:
    return replace(row, source_file=other.source_file, source_line=other.source_line)
