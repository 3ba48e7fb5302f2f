"""Desired against stored -> what to write. Pure: no clock, no randomness, no database.

A record has one owner. What another owner holds, what was changed elsewhere since the files were last applied, and what
is no longer in the files is left as it is and told in a notice: nothing is overwritten or removed silently.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gatewayd.config.load import Desired, DesiredGateway
from gatewayd.gateways import ClientToken
from gatewayd.store.gateways import GatewayRow, Spec
from gatewayd.store.tokens import TokenRow

UI = "ui"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that was left alone. text: one line, with file and line where there is one.

    conflict  the file says something else than what is live, and does not get its way
    """

    gateway_id: str
    text: str
    conflict: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Rows to write, whole; `generation`, `updated_at` and `created_at` are set by `apply`."""

    creations: tuple[GatewayRow, ...] = ()
    updates: tuple[GatewayRow, ...] = ()
    added_tokens: tuple[TokenRow, ...] = ()
    removed_tokens: tuple[TokenRow, ...] = ()
    notices: tuple[Notice, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.creations or self.updates or self.added_tokens or self.removed_tokens)


def plan_sync(desired: Desired, stored: Sequence[GatewayRow], tokens: Sequence[TokenRow]) -> Plan:
    """The files own their records: create what is absent, take over what the files changed."""
    rows = {row.id: row for row in stored}
    plans = [_plan_one(desired, wanted, rows.get(wanted.id), tokens) for wanted in desired.gateways.values()]
    missing = [row for row in stored if row.managed_by == desired.owner and row.id not in desired.gateways]
    notices = [
        Notice(row.id, f"gateway {row.id} is no longer in the files; it goes on serving")
        for row in missing
        if row.state == "active"
    ]
    return _joined([*plans, Plan(notices=tuple(notices))])


def plan_seed(desired: Desired, stored: Sequence[GatewayRow]) -> Plan:
    """The files give a start: what is absent is created and belongs to the UI from then on."""
    known = {row.id for row in stored}
    absent = [wanted for wanted in desired.gateways.values() if wanted.id not in known]
    return Plan(
        creations=tuple(_row(wanted, UI, None) for wanted in absent),
        added_tokens=tuple(_token_row(wanted.id, token, UI) for wanted in absent for token in wanted.gateway.tokens),
    )


def _plan_one(desired: Desired, wanted: DesiredGateway, row: GatewayRow | None, tokens: Iterable[TokenRow]) -> Plan:
    where = f"{wanted.file}:{wanted.line}"
    applied = wanted.gateway.spec()
    if row is None:
        added = tuple(_token_row(wanted.id, token, desired.owner) for token in wanted.gateway.tokens)
        return Plan(creations=(_row(wanted, desired.owner, applied),), added_tokens=added)
    if row.managed_by != desired.owner:
        owner = "the UI" if row.managed_by == UI else row.managed_by
        text = f"{where}: gateway {row.id} belongs to {owner}; the file is not applied"
        return Plan(notices=(Notice(row.id, text, conflict=True),))
    if row.state != "active":
        text = f"{where}: gateway {row.id} was deleted in the UI; the file is not applied"
        return Plan(notices=(Notice(row.id, text),))
    if row.applied == applied:
        return _moved(wanted, row)
    return _changed(desired, wanted, row, applied, [token for token in tokens if token.gateway_id == row.id])


def _moved(wanted: DesiredGateway, row: GatewayRow) -> Plan:
    """The same content at another place in the files."""
    if (row.source_file, row.source_line) == (wanted.file, wanted.line):
        return Plan()
    return Plan(updates=(replace(row, source_file=wanted.file, source_line=wanted.line),))


def _changed(desired: Desired, wanted: DesiredGateway, row: GatewayRow, applied: Spec, tokens: list[TokenRow]) -> Plan:
    """The file changed since it was last applied. A record changed elsewhere too keeps its live values."""
    spec = wanted.gateway.spec_without_tokens()
    before = {name: value for name, value in (row.applied or {}).items() if name != "tokens"}
    if row.spec not in (before, spec) and spec != before:
        text = (
            f"{wanted.file}:{wanted.line}: gateway {row.id} was changed in the UI and in the file; the UI's values stay"
        )
        return Plan(notices=(Notice(row.id, text, conflict=True),))
    live = row.spec if spec == before else spec
    update = replace(row, spec=live, applied=applied, source_file=wanted.file, source_line=wanted.line)
    return _joined([Plan(updates=(update,)), _plan_tokens(desired.owner, wanted, row, tokens)])


def _plan_tokens(owner: str, wanted: DesiredGateway, row: GatewayRow, stored: list[TokenRow]) -> Plan:
    """By name. One that the file did not change stays as it is, revoked ones included."""
    before = _hashes((row.applied or {}).get("tokens", ()))
    after = {token.name: token for token in wanted.gateway.tokens}
    live = {token.name: token for token in stored}
    changed = [token for name, token in after.items() if before.get(name) != token.sha256]
    foreign = [token for token in changed if token.name in live and live[token.name].managed_by != owner]
    notices = tuple(
        Notice(
            row.id,
            f"{wanted.file}:{wanted.line}: a token {token.name!r} of gateway {row.id} was made elsewhere; it stays",
            conflict=True,
        )
        for token in foreign
    )
    own = [token for token in changed if token not in foreign]
    gone = [name for name in [*(before.keys() - after.keys()), *(token.name for token in own)] if name in live]
    return Plan(
        added_tokens=tuple(_token_row(row.id, token, owner) for token in own),
        removed_tokens=tuple(live[name] for name in sorted(gone) if live[name].managed_by == owner),
        notices=notices,
    )


def _hashes(tokens: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    return {token["name"]: token["sha256"] for token in tokens}


def _row(wanted: DesiredGateway, owner: str, applied: Spec | None) -> GatewayRow:
    file, line = (wanted.file, wanted.line) if applied is not None else (None, None)
    spec = wanted.gateway.spec_without_tokens()
    return GatewayRow(wanted.id, spec, owner, 0, "", source_file=file, source_line=line, applied=applied)


def _token_row(gateway_id: str, token: ClientToken, owner: str) -> TokenRow:
    return TokenRow(gateway_id, token.name, token.sha256, owner, 0)


def _joined(plans: Iterable[Plan]) -> Plan:
    plans = list(plans)
    return Plan(*(tuple(_flat(getattr(plan, name) for plan in plans)) for name in Plan.__dataclass_fields__))


def _flat(groups: Iterable[Iterable[Any]]) -> Iterator[Any]:
    return (item for group in groups for item in group)
