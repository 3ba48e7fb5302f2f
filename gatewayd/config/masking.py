"""What of a record's values may be shown, in plans, in the audit trail, on pages. Provider keys are no part of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gatewayd.config.merge import ABSENT, Field, FieldChange, show_field

HIDDEN = "(hidden)"


def mask(field: Field, value: Any) -> Any:
    """The value, or HIDDEN for a token's hash and for headers, in which providers take secrets too."""
    secret = field[0] == "tokens" or field[:2] == ("upstream", "headers")
    return HIDDEN if secret and value is not ABSENT else value


def describe_changes(changes: Iterable[FieldChange]) -> list[dict[str, Any]]:
    """For the audit trail: {field, before, after} of what was written; what is not there is left out."""
    return [describe(change.field, change.live, change.file) for change in changes if change.outcome == "take"]


def describe(field: Field, before: Any, after: Any) -> dict[str, Any]:
    told = {"before": mask(field, before), "after": mask(field, after)}
    return {"field": show_field(field)} | {name: value for name, value in told.items() if value is not ABSENT}
