"""Writes a plan in one transaction, alone among all processes: everything or nothing, and one more revision.

Whoever comes second with the same files finds nothing to do and writes nothing. What is written leaves its traces in
the audit trail, in the same transaction.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from json import dumps
from typing import Any, Literal

from gatewayd.config.load import Desired
from gatewayd.config.masking import describe_changes
from gatewayd.config.plan import check_choice, plan_seed, plan_sync
from gatewayd.config.planned import Choice, Plan, RecordPlan
from gatewayd.config.provider_keys import forget_unused_provider_keys
from gatewayd.config.tokens import NewToken, build_token, build_token_event
from gatewayd.errors import ConfigurationError
from gatewayd.store import Session, Store
from gatewayd.store.audit import AuditEvent, add_events
from gatewayd.store.gateways import GatewayRow, list_gateways, save_gateways
from gatewayd.store.keys import NO_KEYS, Vault
from gatewayd.store.sources import SourceRow, list_sources, save_source
from gatewayd.store.state import bump_revision, read_revision
from gatewayd.store.tokens import TokenRow, add_tokens, list_tokens, remove_token

Mode = Literal["sync", "seed"]

FLAP_SECONDS = 15 * 60


class StaleRevision(ConfigurationError):
    """The database was changed since the plan was made; nothing was applied."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What `apply` did. generated: tokens, to be shown now; written: something was, so there is a new revision.

    flapping  the content was replaced by another host a short time ago, and has come back: how that is to be told
    """

    revision: int
    plan: Plan = field(default_factory=Plan)
    written: bool = False
    generated: tuple[NewToken, ...] = ()
    without_token: tuple[str, ...] = ()
    flapping: str = ""

    @property
    def created(self) -> tuple[str, ...]:
        return tuple(record.id for record in self.plan.of("create"))

    @property
    def updated(self) -> tuple[str, ...]:
        return tuple(record.id for record in (*self.plan.of("update"), *self.plan.of("adopt")))

    @property
    def deleted(self) -> tuple[str, ...]:
        return tuple(record.id for record in self.plan.of("delete"))

    @property
    def notices(self) -> tuple[str, ...]:
        """What is not as the files say, one line each."""
        return (*self.plan.notices, *([self.flapping] if self.flapping else []))


async def read_plan(
    store: Store, desired: Desired, *, choice: Choice | None = None, expect_revision: int | None = None
) -> Plan:
    """What `apply` would do now. ConfigurationError as `apply`."""
    async with store.read() as session:
        plan, _ = await _plan(session, desired, "sync", choice or Choice())
    _check_revision(plan.revision, expect_revision)
    return plan


async def apply(
    store: Store,
    desired: Desired,
    *,
    mode: Mode,
    generate_tokens: bool,
    vault: Vault = NO_KEYS,
    choice: Choice | None = None,
    by: str = "",
    git_sha: str | None = None,
    host: str = "",
    expect_revision: int | None = None,
) -> Applied:
    """Brings the database to what the files say.

    generate_tokens  make a token named `generated` for each gateway of the files that has none, declared or stored;
                     otherwise such gateways are only listed in `without_token`
    vault            what such tokens are stored with, to be shown again
    by               for the audit trail; default: the source, with the commit that it was checked out at
    host             where this runs; default: the machine's name
    expect_revision  StaleRevision unless the database is at this one

    ConfigurationError, with nothing changed, when `choice` names an id that it cannot be meant for.
    """
    by = by or (f"{desired.owner}@{git_sha[:7]}" if git_sha else desired.owner)
    host = host or socket.gethostname()
    async with store.write_lock() as session:
        plan, tokens = await _plan(session, desired, mode, choice or Choice())
        _check_revision(plan.revision, expect_revision)
        bare = _without_token(desired, plan, tokens)
        generated = tuple(build_token(gateway_id, "generated") for gateway_id in bare) if generate_tokens else ()
        await save_gateways(session, [record.row for record in plan.moved if record.row is not None])
        source, flapping = await _source(session, desired, plan, host, git_sha) if mode == "sync" else (None, "")
        written = bool(plan.changed or generated) or source is not None
        revision = plan.revision
        if written:
            await _write(session, plan, generated, by, vault, {"source": desired.source, "git_sha": git_sha})
            if source is not None:
                await save_source(session, source)
            revision = await bump_revision(session)
    without = () if generate_tokens else tuple(bare)
    return Applied(revision, plan, written, generated, without, flapping)


async def _plan(session: Session, desired: Desired, mode: Mode, choice: Choice) -> tuple[Plan, list[TokenRow]]:
    revision = await read_revision(session)
    rows, tokens = await list_gateways(session), await list_tokens(session)
    if mode == "seed":
        return plan_seed(desired, rows, revision), tokens
    check_choice(desired, rows, choice)
    return plan_sync(desired, rows, tokens, choice, revision), tokens


def _check_revision(revision: int, expected: int | None) -> None:
    if expected is not None and revision != expected:
        raise StaleRevision(
            f"the database is at revision {revision}, not {expected}: it was changed meanwhile, nothing was applied; "
            "look at the plan again: gatewayd plan"
        )


def digest_desired(desired: Desired) -> str:
    """Of what the files say, however they are named and written."""
    specs = {id_: wanted.gateway.spec() for id_, wanted in desired.gateways.items()}
    return sha256(dumps([desired.source, specs], sort_keys=True).encode()).hexdigest()


async def _source(
    session: Session, desired: Desired, plan: Plan, host: str, git_sha: str | None
) -> tuple[SourceRow | None, str]:
    """The source's new row, None where it is as it was, and whether its content goes back and forth."""
    now, digest = time.time_ns() // 1_000_000, digest_desired(desired)
    before = {row.source: row for row in await list_sources(session)}.get(desired.source)
    if before is None:
        return SourceRow(desired.source, digest, None, now, host, git_sha), ""
    if before.source_hash == digest:
        return (replace(before, applied_at=now, applied_by=host, git_sha=git_sha) if plan.changed else None), ""
    ago = (now - before.applied_at) / 1000
    back = before.previous_hash == digest and before.applied_by != host and ago < FLAP_SECONDS
    flapping = (
        f"source {desired.source} goes back and forth: {host} applies again what {before.applied_by} replaced "
        f"{ago:.0f} s ago; let one of them alone apply it (GATEWAYD_CONFIG_MODE=off for the others)"
    )
    row = SourceRow(desired.source, digest, before.source_hash, now, host, git_sha, before.flaps + back)
    return row, flapping if back else ""


def _without_token(desired: Desired, plan: Plan, tokens: Sequence[TokenRow]) -> list[str]:
    """Gateways of the files that will serve and that no client could use."""
    after = [row for record in plan.records if (row := record.row or record.before) is not None]
    created = {record.id for record in plan.of("create")}
    serving = {row.id for row in after if row.is_active and (row.managed_by == desired.owner or row.id in created)}
    removed = {token for record in plan.records for token in record.removed_tokens}
    added = {token.gateway_id for record in plan.records for token in record.added_tokens}
    with_token = added | {token.gateway_id for token in tokens if token not in removed}
    return [id_ for id_ in desired.gateways if id_ in serving and id_ not in with_token]


async def _write(
    session: Session, plan: Plan, generated: Sequence[NewToken], by: str, vault: Vault, detail: dict[str, Any]
) -> None:
    now = time.time_ns() // 1_000_000
    await save_gateways(session, [_stamped(record, row, now, by) for record in plan.changed if (row := record.row)])
    if any(record.before is not None for record in plan.changed):
        await forget_unused_provider_keys(session)
    for record in plan.records:
        for token in record.removed_tokens:
            await remove_token(session, token.gateway_id, token.name)
    added = [replace(token, created_at=now) for record in plan.records for token in record.added_tokens]
    await add_tokens(session, [*added, *(new.row(now, vault) for new in generated)])
    events = [_event(record, by, detail) for record in plan.changed]
    events += [build_token_event(by, "create_token", new.gateway_id, new.name) for new in generated]
    await add_events(session, events)


def _stamped(record: RecordPlan, row: GatewayRow, now: int, by: str) -> GatewayRow:
    """What is only noted changes nothing for whoever edits the record."""
    if record.before is not None and record.before.generation == row.generation:
        return row
    return replace(row, updated_at=now, updated_by=by)


def _event(record: RecordPlan, by: str, detail: dict[str, Any]) -> AuditEvent:
    """The action, or what kept it from being one."""
    conflicts = [change.name for change in record.changes if change.outcome == "conflict"]
    told = {
        **detail,
        "where": record.where,
        "fields": describe_changes(record.changes),
        "conflicts": conflicts,
        "reason": record.reason,
    }
    kept = {"detached": "detach", "pending": "leave"}.get(record.finding, "conflict" if record.conflicts else "note")
    action = record.action if record.action != "keep" else kept
    return AuditEvent(by, action, f"gateway:{record.id}", {name: value for name, value in told.items() if value})
