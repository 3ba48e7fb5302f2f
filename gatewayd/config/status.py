"""Where a record stands against its file, told from its row alone: what the file says is stored with it.

What lies in a directory and was not applied yet is no part of that; a plan of the directory tells it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from gatewayd.config.merge import FieldChange, merge_fields, read_fields
from gatewayd.config.plan import group_tokens
from gatewayd.config.planned import UI, RecordPlan
from gatewayd.config.reconcile import is_detached, live_fields
from gatewayd.store.gateways import GatewayRow
from gatewayd.store.tokens import TokenRow

#: ui: no file ever had it
Status = Literal["ui", "synced", "out_of_sync", "drifted", "conflict", "detached", "pending_delete"]


def list_differences(row: GatewayRow, tokens: Iterable[TokenRow]) -> list[FieldChange]:
    """The fields that are not as the file says, each with its three values; outcome `drift` or `conflict`.

    Empty for records of the UI. Where no file has the record any more: what was changed since it was applied.
    """
    if row.managed_by == UI:
        return []
    last = read_fields(row.applied or {})
    file = last if row.declared is None or row.declared is row.applied else read_fields(row.declared)
    changes = merge_fields(last, file, live_fields(row, tokens), "keep")
    return [change for change in changes if change.outcome in ("drift", "conflict")]


def read_status(row: GatewayRow, tokens: Iterable[TokenRow], planned: RecordPlan | None = None) -> Status:
    """planned: what applying the files that lie there now would do, where somebody looked."""
    if row.managed_by == UI:
        return "detached" if is_detached(row) else "ui"
    if not row.is_active and row.declared is None and planned is None:
        return "synced"  # gone from both
    differences = list_differences(row, tokens)
    if _contradicts(row, differences) or (planned is not None and planned.conflicts):
        return "conflict"
    if (planned is not None and planned.action == "delete") or (row.is_active and row.declared is None):
        return "pending_delete"
    if planned is not None and planned.action != "keep":
        return "out_of_sync"
    if differences or (not row.is_active and row.declared is not None):
        return "drifted"
    return "synced"


def _contradicts(row: GatewayRow, differences: Sequence[FieldChange]) -> bool:
    """A field changed on both sides; or the record was changed on one side and removed on the other."""
    if row.declared is None:
        return row.is_active and bool(differences)
    if not row.is_active:
        return read_fields(row.applied or {}) != read_fields(row.declared)
    return any(change.outcome == "conflict" for change in differences)


def count_statuses(rows: Iterable[GatewayRow], tokens: Iterable[TokenRow]) -> Counter[Status]:
    groups = group_tokens(tokens)
    return Counter(read_status(row, groups.get(row.id, [])) for row in rows)
