"""Writes a plan in one transaction, alone among all processes: everything or nothing, and one more revision.

Whoever comes second with the same files finds nothing to do and writes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from gatewayd.config.load import Desired
from gatewayd.config.plan import Notice, Plan, plan_seed, plan_sync
from gatewayd.config.provider_keys import forget_unused_provider_keys
from gatewayd.config.tokens import NewToken, build_token
from gatewayd.store import Session, Store
from gatewayd.store.gateways import GatewayRow, add_gateway, list_gateways, save_gateway
from gatewayd.store.keys import NO_KEYS, Vault
from gatewayd.store.state import bump_revision, read_revision
from gatewayd.store.tokens import TokenRow, add_token, list_tokens, remove_token


@dataclass(frozen=True, slots=True)
class Applied:
    """What `apply` did. created, updated: gateway ids; generated: tokens, to be shown now."""

    revision: int
    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()
    generated: tuple[NewToken, ...] = ()
    without_token: tuple[str, ...] = ()


async def apply(
    store: Store, desired: Desired, *, mode: Literal["sync", "seed"], generate_tokens: bool, vault: Vault = NO_KEYS
) -> Applied:
    """Brings the database to what the files say.

    generate_tokens  make a token named `generated` for each gateway of the files that has none, declared or stored;
                     otherwise such gateways are only listed in `without_token`
    vault            what such tokens are stored with, to be shown again
    """
    async with store.write_lock() as session:
        rows, tokens = await list_gateways(session), await list_tokens(session)
        plan = plan_sync(desired, rows, tokens) if mode == "sync" else plan_seed(desired, rows)
        bare = _without_token(desired, plan, rows, tokens)
        generated = tuple(build_token(gateway_id, "generated") for gateway_id in bare) if generate_tokens else ()
        if plan.is_empty and not generated:
            revision = await read_revision(session)
        else:
            await _write(session, plan, generated, desired.owner, vault)
            revision = await bump_revision(session)
    return Applied(
        revision,
        created=tuple(row.id for row in plan.creations),
        updated=tuple(row.id for row in plan.updates),
        notices=plan.notices,
        generated=generated,
        without_token=() if generate_tokens else tuple(bare),
    )


def _without_token(desired: Desired, plan: Plan, rows: Sequence[GatewayRow], tokens: Sequence[TokenRow]) -> list[str]:
    """Gateways of the files that will serve and that no client could use."""
    own = [row for row in rows if row.state == "active" and row.managed_by == desired.owner]
    serving = {row.id for row in (*own, *plan.creations)}
    kept = [token for token in tokens if token not in plan.removed_tokens]
    with_token = {token.gateway_id for token in (*kept, *plan.added_tokens)}
    return [id_ for id_ in desired.gateways if id_ in serving and id_ not in with_token]


async def _write(session: Session, plan: Plan, generated: Sequence[NewToken], by: str, vault: Vault) -> None:
    now = time.time_ns() // 1_000_000
    for row in plan.creations:
        await add_gateway(session, replace(row, updated_at=now, updated_by=by))
    for row in plan.updates:
        await save_gateway(session, replace(row, generation=row.generation + 1, updated_at=now, updated_by=by))
    if plan.updates:
        await forget_unused_provider_keys(session)
    for token in plan.removed_tokens:
        await remove_token(session, token.gateway_id, token.name)
    for token in plan.added_tokens:
        await add_token(session, replace(token, created_at=now))
    for new in generated:
        await add_token(session, new.row(now, vault))
