"""Desired against stored -> what to write. Pure: no clock, no randomness, no database.

A record has one owner, and its fields merge as `merge` says; `reconcile` decides on one record, this on all of them:
which are looked at, and that not too many are deleted at once. Nothing is overwritten or removed without being told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from gatewayd.config.load import Desired
from gatewayd.config.planned import UI, Choice, Plan
from gatewayd.config.reconcile import Reconciler, create_record, is_drifted
from gatewayd.errors import ConfigurationError
from gatewayd.store.gateways import GatewayRow
from gatewayd.store.tokens import TokenRow

__all__ = ["UI", "check_choice", "group_tokens", "plan_seed", "plan_sync"]

_FEWEST_TO_GUARD = 4
_MOST_TO_PRUNE = 0.5


def plan_sync(
    desired: Desired,
    stored: Sequence[GatewayRow],
    tokens: Sequence[TokenRow],
    choice: Choice | None = None,
    revision: int = 0,
) -> Plan:
    """The files own their records."""
    choice = choice or Choice()
    rows = {row.id: row for row in stored}
    by_gateway = group_tokens(tokens)
    refused = _refuse_to_prune(desired, stored, by_gateway, choice)
    one = Reconciler(desired.owner, replace(choice, prune=choice.prune and not refused))
    ids = sorted({*desired.gateways, *(row.id for row in stored if row.managed_by == desired.owner)})
    records = [one.plan(desired.gateways.get(id_), rows.get(id_), by_gateway.get(id_, [])) for id_ in ids]
    return Plan(tuple(record for record in records if record is not None), refused, revision)


def check_choice(desired: Desired, stored: Sequence[GatewayRow], choice: Choice) -> None:
    """ConfigurationError when an id to adopt or to detach is none that this can be done with."""
    rows = {row.id: row for row in stored}
    for id_ in choice.adopt:
        if id_ not in desired.gateways:
            raise ConfigurationError(f"--adopt {id_}: the files have no gateway {id_!r}; nothing was applied")
        if id_ not in rows:
            raise ConfigurationError(
                f"--adopt {id_}: nobody has a gateway {id_!r} yet; apply without --adopt creates it"
            )
    for id_ in choice.detach:
        owner = rows[id_].managed_by if id_ in rows else None
        if owner != desired.owner:
            whose = f"it belongs to {owner}" if owner else "there is none"
            raise ConfigurationError(
                f"--detach {id_}: source {desired.source} has no gateway {id_!r} ({whose}); nothing was applied"
            )


def plan_seed(desired: Desired, stored: Sequence[GatewayRow], revision: int = 0) -> Plan:
    """The files give a start: what was never there is created and belongs to the UI from then on."""
    known = {row.id for row in stored}
    absent = [wanted for id_, wanted in sorted(desired.gateways.items()) if id_ not in known]
    return Plan(tuple(create_record(UI, wanted) for wanted in absent), revision=revision)


def group_tokens(tokens: Iterable[TokenRow]) -> dict[str, list[TokenRow]]:
    groups: dict[str, list[TokenRow]] = {}
    for token in tokens:
        groups.setdefault(token.gateway_id, []).append(token)
    return groups


def _refuse_to_prune(
    desired: Desired, stored: Sequence[GatewayRow], tokens: Mapping[str, list[TokenRow]], choice: Choice
) -> str:
    """Why nothing is pruned: too much would go at once, which is more often a mistake than a wish."""
    if not choice.prune or choice.force or choice.mass_prune:
        return ""
    own = [row for row in stored if row.managed_by == desired.owner and row.is_active]
    gone = [row for row in own if row.id not in desired.gateways and row.id not in choice.detach]
    if choice.drift == "keep":
        gone = [row for row in gone if not is_drifted(row, tokens.get(row.id, []))]
    if not gone:
        return ""
    how = "to delete them, run: gatewayd apply --allow-mass-prune"
    if not desired.gateways:
        return f"the files of source {desired.source} have no gateway at all; its {len(own)} are kept ({how})"
    if len(own) >= _FEWEST_TO_GUARD and len(gone) > _MOST_TO_PRUNE * len(own):
        return f"{len(gone)} of {len(own)} gateways of source {desired.source} left the files; they are kept ({how})"
    return ""
