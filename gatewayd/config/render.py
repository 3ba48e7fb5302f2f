"""A plan for people, for programs and for GitHub's checks. Pure; secrets are masked here, whoever asks.

Deletions come first, since nobody should overlook them. `+` comes, `-` goes, `~` changes, `!` does not go as the file
says: drift and conflict, each with the values that differ.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from gatewayd.config.masking import mask
from gatewayd.config.merge import ABSENT, FieldChange
from gatewayd.config.planned import Plan, RecordPlan

_LONGEST = 200
_SIGNS = {"create": "+", "delete": "-", "update": "~", "adopt": "~"}
_ORDER = ("delete", "keep", "conflict", "drift", "detached", "adopt", "update", "create")
_COLORS = {"+": "\x1b[32m", "-": "\x1b[31m", "~": "\x1b[33m", "!": "\x1b[35m"}
_PLAIN = "\x1b[0m"


def render_plan(plan: Plan, *, color: bool = False) -> list[str]:
    """Lines without their ends; the last one counts."""
    lines = [("!", plan.refused)] if plan.refused else []
    for record in sorted(plan.records, key=_rank):
        lines += _record_lines(record)
    shown = [f"{sign} {text}" for sign, text in lines]
    if color:
        shown = [f"{_COLORS[sign]}{line}{_PLAIN}" for (sign, _), line in zip(lines, shown, strict=True)]
    return [*shown, summarise(plan)]


def summarise(plan: Plan) -> str:
    """`Plan: 1 to create, 2 to change, 0 to delete, 1 drifted, 1 conflict. Revision 41.`"""
    changed = len(plan.of("update")) + len(plan.of("adopt"))
    conflicts = count_conflicts(plan)
    return (
        f"Plan: {len(plan.of('create'))} to create, {changed} to change, {len(plan.of('delete'))} to delete, "
        f"{len(plan.drifted)} drifted, {conflicts} conflict{'' if conflicts == 1 else 's'}. Revision {plan.revision}."
    )


def count_conflicts(plan: Plan) -> int:
    """Records, and what was refused as a whole."""
    return len(plan.conflicts) + bool(plan.refused)


def _rank(record: RecordPlan) -> tuple[int, str]:
    return _ORDER.index(record.result), record.id


def _record_lines(record: RecordPlan) -> Iterator[tuple[str, str]]:
    if record.result == "keep" and record.finding != "pending":
        return
    yield _SIGNS.get(record.result, "!"), f"gateway {record.id}{_told(record)}"
    for change in record.changes:
        yield from _change_lines(record, change)


def _told(record: RecordPlan) -> str:
    where = f"  {record.where}" if record.where else ""
    said = "taken over" if record.result == "adopt" else record.reason.removeprefix(f"gateway {record.id} ")
    return where + (f"  ({said})" if said else "")


def _change_lines(record: RecordPlan, change: FieldChange) -> Iterator[tuple[str, str]]:
    file, live, last = (_show(change, value) for value in (change.file, change.live, change.last))
    if change.outcome == "conflict":
        yield "!", f"    {change.name}: conflict: live {live} stays, the file says {file}, last applied was {last}"
    elif change.outcome == "drift":
        yield "!", f"    {change.name}: drifted: live {live} stays, the file says {file}"
    elif change.outcome == "take" and ((record.action == "create" and record.before is None) or change.live is ABSENT):
        yield "+", f"    {change.name}: {file}"
    elif change.outcome == "take" and change.file is ABSENT:
        yield "-", f"    {change.name}: {live}"
    elif change.outcome == "take":
        yield "~", f"    {change.name}: {live} -> {file}"


def _show(change: FieldChange, value: Any) -> str:
    """On one line; nothing that came from elsewhere moves the cursor of a terminal."""
    if value is ABSENT:
        return "(default)"
    text = json.dumps(mask(change.field, value), ensure_ascii=True)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def build_plan_document(plan: Plan) -> dict[str, Any]:
    """For `--json`: counts, and each record that is not simply as its file says."""
    told = [record for record in plan.records if record.result != "keep" or record.finding]
    return {
        "revision": plan.revision,
        "create": len(plan.of("create")),
        "change": len(plan.of("update")) + len(plan.of("adopt")),
        "delete": len(plan.of("delete")),
        "drifted": len(plan.drifted),
        "conflicts": count_conflicts(plan),
        "refused": plan.refused or None,
        "records": [_record_document(record) for record in told],
    }


def _record_document(record: RecordPlan) -> dict[str, Any]:
    return {
        "id": record.id,
        "result": record.result,
        "drifted": record.drifted,
        "conflict": record.conflicts,
        "where": record.where or None,
        "reason": record.reason or None,
        "fields": [_change_document(change) for change in record.changes if change.outcome != "agree"],
    }


def _change_document(change: FieldChange) -> dict[str, Any]:
    """A value that is not there is left out: null is one."""
    values = {"last": change.last, "file": change.file, "live": change.live}
    shown = {name: mask(change.field, value) for name, value in values.items() if value is not ABSENT}
    return {"field": change.name, "outcome": change.outcome} | shown


def list_annotations(plan: Plan) -> list[tuple[str, str, int, str]]:
    """For GitHub: level, file, line and text; file "" where none has the record."""
    found = [("error", "", 0, plan.refused)] if plan.refused else []
    for record in plan.records:
        for sign, text in _record_lines(record):
            if sign == "!" or not text.startswith(" "):
                level = "error" if record.conflicts else "warning" if sign in "!-" else "notice"
                found.append((level, record.file, record.line, f"{sign} {text.strip()}"))
    return found
