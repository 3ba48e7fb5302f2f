"""Records edited by hand: what the UI and single commands do to them. Whoever owns a record, it may be edited here.

Each function is one transaction under the writers' lock: the change, its audit event and the new revision, or nothing.
`by` names who did it, for the audit trail: `admin@10.0.0.1`. A change of a record that was read before carries the
`generation` that was read: where the record has changed since, nothing is written (Stale).
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gatewayd.config.masking import describe
from gatewayd.config.merge import (
    ABSENT,
    Field,
    FieldChange,
    build_spec,
    parse_field,
    read_fields,
    replace_fields,
    without_tokens,
)
from gatewayd.config.plan import group_tokens
from gatewayd.config.planned import UI
from gatewayd.config.provider_keys import forget_unused_provider_keys, store_provider_key
from gatewayd.config.status import Status, list_differences, read_status
from gatewayd.errors import ConfigurationError
from gatewayd.gateways import GATEWAY_ID, Gateway
from gatewayd.store import Session, Store
from gatewayd.store.audit import AuditEvent, add_events, list_events
from gatewayd.store.gateways import GatewayRow, list_gateways, read_gateway, save_gateway
from gatewayd.store.keys import NO_KEYS, Vault
from gatewayd.store.overrides import OverrideRow, list_overrides, remove_override, save_override
from gatewayd.store.secrets import list_secrets
from gatewayd.store.state import bump_revision, read_revision
from gatewayd.store.tokens import TokenRow, add_tokens, list_tokens, remove_token

_EVENTS = 200  # of one record, in which whoever changed a field is looked for
MAX_REASON = 200


class UnknownGateway(ConfigurationError):
    """There is no record of that id, or none in the state that the action is for."""


class Stale(ConfigurationError):
    """The record was changed since it was read. row: what it is now."""

    def __init__(self, row: GatewayRow) -> None:
        super().__init__(
            f"gateway {row.id} was changed by {row.updated_by} meanwhile (generation {row.generation}), nothing saved"
        )
        self.row = row


class InvalidField(ConfigurationError):
    """One value of a record that cannot be. field: its name, as `fallback` or `upstream.api_key`."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.field, self.text = name, text


@dataclass(frozen=True, slots=True)
class Saved:
    """The record as it is now, and the configuration's revision."""

    row: GatewayRow
    revision: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that is not as the file says: its three values, and who changed the live one, where that is known.

    changed_at: UTC epoch milliseconds
    """

    change: FieldChange
    changed_by: str | None = None
    changed_at: int | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """What there is to show of one record. pause: None, or the one that holds now."""

    row: GatewayRow
    status: Status
    tokens: tuple[TokenRow, ...] = ()
    pause: OverrideRow | None = None
    differences: tuple[Difference, ...] = field(default=())


async def list_records(session: Session) -> list[Record]:
    """All of them by id, deleted ones too; without `differences`. In `store.read()`."""
    tokens, pauses = group_tokens(await list_tokens(session)), await _pauses(session)
    return [
        Record(row, read_status(row, tokens.get(row.id, [])), tuple(tokens.get(row.id, [])), pauses.get(row.id))
        for row in await list_gateways(session)
    ]


async def read_record(session: Session, gateway_id: str) -> Record:
    """One of them, deleted or not. UnknownGateway where it is not there. In `store.read()`."""
    row = await _read(session, gateway_id)
    tokens, pauses = await list_tokens(session, gateway_id), await _pauses(session)
    events = await list_events(session, f"gateway:{gateway_id}", limit=_EVENTS)
    differences = tuple(_difference(change, events) for change in list_differences(row, tokens))
    return Record(row, read_status(row, tokens), tuple(tokens), pauses.get(gateway_id), differences)


async def save_record(
    store: Store,
    gateway_id: str,
    gateway: Gateway,
    *,
    generation: int | None,
    by: str,
    provider_key: str = "",
    vault: Vault = NO_KEYS,
) -> Saved:
    """Creates a record (`generation` None) or replaces its values, all but `tokens`, which have functions of their own.

    provider_key  to be stored encrypted; the record then says `api_key: {stored: true}`. Empty: the one stored stays

    Stale; UnknownGateway; InvalidField for an id that is taken or malformed, a fallback that does not exist, or a
    stored key that is missing; ConfigurationError where the vault cannot store.
    """
    async with store.write_lock() as session:
        if generation is None:
            before, row = None, await _new(session, gateway_id)
        else:
            before = row = await _active(session, gateway_id, generation)
        await _check_fallback(session, gateway_id, gateway)
        await _check_key(session, gateway_id, gateway, provider_key)
        row = replace(row, spec=gateway.spec_without_tokens(), generation=row.generation + 1, state="active")
        fields = _changed_fields(before.spec if before else {}, row.spec)
        if provider_key:
            fields.append({"field": "upstream.api_key", "entered": True})
        if before is not None and not fields:
            return Saved(before, await read_revision(session))
        row = _stamped(row, by)
        await save_gateway(session, row)
        if provider_key:
            await store_provider_key(session, vault, gateway_id, gateway.upstream, provider_key)
        return await _done(session, row, by, "update" if before else "create", {"fields": fields})


async def delete_record(store: Store, gateway_id: str, *, generation: int, by: str) -> Saved:
    """It stops serving, with its tokens, and can be restored for 30 days."""
    async with store.write_lock() as session:
        row = _stamped(replace(await _active(session, gateway_id, generation), state="deleted"), by, raised=True)
        await save_gateway(session, row)
        return await _done(session, row, by, "delete", {})


async def restore_record(store: Store, gateway_id: str, *, by: str) -> Saved:
    """With its tokens. It belongs to its file where that still has it, else to the UI: a sync would delete it."""
    async with store.write_lock() as session:
        row = await _read(session, gateway_id)
        if row.is_active:
            raise UnknownGateway(f"gateway {gateway_id} is not deleted")
        if row.declared is None:
            row = replace(row, managed_by=UI, source_file=None, source_line=None, applied=None)
        row = _stamped(replace(row, state="active"), by, raised=True)
        await save_gateway(session, row)
        return await _done(session, row, by, "restore", {})


async def detach_record(store: Store, gateway_id: str, *, generation: int, by: str) -> Saved:
    """It belongs to the UI from now on; its file is reported and skipped. InvalidField where it belongs to no file."""
    async with store.write_lock() as session:
        row = await _active(session, gateway_id, generation)
        if row.managed_by == UI:
            raise InvalidField("managed_by", f"gateway {gateway_id} belongs to no file")
        detached = _stamped(replace(row, managed_by=UI), by, raised=True)
        await save_gateway(session, detached)
        return await _done(session, detached, by, "detach", {"from": row.managed_by})


async def revert_fields(
    store: Store, gateway_id: str, names: Collection[str] | None = None, *, generation: int, by: str
) -> Saved:
    """Takes the file's values of the named fields (as `upstream.base_url`, `tokens.laptop`), or of all that differ.

    InvalidField for a field that is as its file says.
    """
    async with store.write_lock() as session:
        row = await _active(session, gateway_id, generation)
        tokens = await list_tokens(session, gateway_id)
        changes = _chosen(list_differences(row, tokens), names)
        taken = [(change.field, change.file) for change in changes]
        spec = build_spec(without_tokens(replace_fields(read_fields(row.spec), taken)))
        applied = build_spec(replace_fields(read_fields(row.applied or {}), taken))
        reverted = _stamped(replace(row, spec=spec, applied=applied), by, raised=True)
        await save_gateway(session, reverted)
        await _take_tokens(session, reverted, tokens, taken)
        fields = [describe(change.field, change.live, change.file) for change in changes]
        return await _done(session, reverted, by, "revert", {"fields": fields})


async def pause_gateway(store: Store, gateway_id: str, *, reason: str, until: int | None, by: str) -> OverrideRow:
    """Requests are answered 503 with the reason until then (UTC epoch milliseconds; None: until it is resumed).

    InvalidField for a reason that is empty, longer than MAX_REASON or not one line. The record is not touched.
    """
    reason = reason.strip()
    if not 0 < len(reason) <= MAX_REASON or not reason.isprintable():
        raise InvalidField("reason", f"say why, in one line of at most {MAX_REASON} characters")
    row = OverrideRow("gateway", gateway_id, True, reason, until, by, _now())
    async with store.write_lock() as session:
        await _active(session, gateway_id)
        await save_override(session, row)
        await add_events(
            session, [AuditEvent(by, "pause", f"gateway:{gateway_id}", {"reason": reason, "until": until})]
        )
        await bump_revision(session)
    return row


async def resume_gateway(store: Store, gateway_id: str, *, by: str) -> None:
    """UnknownGateway where it is not there or not paused."""
    async with store.write_lock() as session:
        await _active(session, gateway_id)
        if gateway_id not in await _pauses(session):
            raise UnknownGateway(f"gateway {gateway_id} is not paused")
        await remove_override(session, "gateway", gateway_id)
        await add_events(session, [AuditEvent(by, "resume", f"gateway:{gateway_id}")])
        await bump_revision(session)


async def _pauses(session: Session) -> dict[str, OverrideRow]:
    """Those that hold now."""
    now = _now()
    return {
        row.id: row
        for row in await list_overrides(session)
        if row.kind == "gateway" and row.paused and (row.until is None or row.until > now)
    }


async def _read(session: Session, gateway_id: str) -> GatewayRow:
    row = await read_gateway(session, gateway_id)
    if row is None:
        known = [row.id for row in await list_gateways(session) if row.is_active]
        raise UnknownGateway(f"there is no gateway {gateway_id!r}; there is: {', '.join(known) or 'none'}")
    return row


async def _active(session: Session, gateway_id: str, generation: int | None = None) -> GatewayRow:
    row = await _read(session, gateway_id)
    if generation is not None and row.generation != generation:
        raise Stale(row)
    if not row.is_active:
        raise UnknownGateway(f"gateway {gateway_id} is deleted; restore it first")
    return row


async def _new(session: Session, gateway_id: str) -> GatewayRow:
    if not re.fullmatch(GATEWAY_ID, gateway_id):
        raise InvalidField("id", "write 1 to 63 of a-z, 0-9 and -, beginning with a letter or digit")
    row = await read_gateway(session, gateway_id)
    if row is not None:
        told = "is taken" if row.is_active else "is that of a deleted gateway; restore it, or choose another one"
        raise InvalidField("id", f"{gateway_id} {told}")
    return GatewayRow(gateway_id, {}, UI, 0, "", generation=0)


async def _check_fallback(session: Session, gateway_id: str, gateway: Gateway) -> None:
    known = {row.id for row in await list_gateways(session) if row.is_active}
    for name in gateway.fallback:
        if name == gateway_id:
            raise InvalidField("fallback", "a gateway cannot be its own fallback")
        if name not in known:
            raise InvalidField("fallback", f"there is no gateway {name!r}")


async def _check_key(session: Session, gateway_id: str, gateway: Gateway, provider_key: str) -> None:
    ref = gateway.upstream.api_key
    stored = ref is not None and bool(ref.stored)
    if provider_key and not stored:
        raise InvalidField("upstream.api_key", "a provider key was entered, and the record refers to another one")
    if stored and not provider_key:
        known = next((row for row in await list_secrets(session) if row.gateway_id == gateway_id), None)
        if known is None:
            raise InvalidField("upstream.api_key", "no provider key is stored yet; enter it")
        if known.origin != gateway.upstream.origin:
            raise InvalidField(
                "upstream.api_key", f"the stored one is for {known.origin} alone; enter the key for this base_url"
            )


def _changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    old, new = read_fields(before), read_fields(after)
    fields = [name for name in sorted({*old, *new}) if old.get(name, ABSENT) != new.get(name, ABSENT)]
    return [describe(name, old.get(name, ABSENT), new.get(name, ABSENT)) for name in fields]


def _chosen(differences: Sequence[FieldChange], names: Collection[str] | None) -> list[FieldChange]:
    if names is None:
        return list(differences)
    by_field = {change.field: change for change in differences}
    for name in names:
        if parse_field(name) not in by_field:
            raise InvalidField(name, "is as its file says; there is nothing to revert")
    return [by_field[parse_field(name)] for name in names]


async def _take_tokens(
    session: Session, row: GatewayRow, tokens: Iterable[TokenRow], taken: Iterable[tuple[Field, Any]]
) -> None:
    live = {token.name for token in tokens}
    for name, value in [(path[1], value) for path, value in taken if path[0] == "tokens"]:
        if name in live:
            await remove_token(session, row.id, name)
        if value is not ABSENT:
            await add_tokens(session, [TokenRow(row.id, name, value, row.managed_by, _now())])


def _difference(change: FieldChange, events: Sequence[AuditEvent]) -> Difference:
    """events: of the record, the newest first."""
    for event in events:
        if any(told.get("field") == change.name for told in event.detail.get("fields", ())):
            return Difference(change, event.actor, event.at)
    return Difference(change)


def _stamped(row: GatewayRow, by: str, *, raised: bool = False) -> GatewayRow:
    return replace(row, updated_at=_now(), updated_by=by, generation=row.generation + raised)


async def _done(session: Session, row: GatewayRow, by: str, action: str, detail: dict[str, Any]) -> Saved:
    await forget_unused_provider_keys(session)
    await add_events(session, [AuditEvent(by, action, f"gateway:{row.id}", detail)])
    return Saved(row, await bump_revision(session))


def _now() -> int:
    return time.time_ns() // 1_000_000
