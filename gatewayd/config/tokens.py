"""Client tokens: making, showing, listing and revoking them.

A token is found by its SHA-256. Where there is a key that lasts, one that gatewayd made is also stored encrypted, so
that it can be shown again; otherwise it is shown once, to whoever made it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from gatewayd.config.merge import show_field
from gatewayd.config.planned import UI
from gatewayd.errors import ConfigurationError
from gatewayd.gateways import ClientToken, Gateway
from gatewayd.store import Session, Store
from gatewayd.store.audit import AuditEvent, add_events
from gatewayd.store.gateways import GatewayRow, list_gateways
from gatewayd.store.keys import NO_KEYS, Vault
from gatewayd.store.secrets import check_vault
from gatewayd.store.state import bump_revision
from gatewayd.store.tokens import TokenRow, add_token, list_tokens, remove_token


@dataclass(frozen=True, slots=True)
class NewToken:
    """token: for whoever made it, never for a log."""

    gateway_id: str
    name: str
    token: str = field(repr=False)

    @property
    def sha256(self) -> str:
        return sha256(self.token.encode()).hexdigest()

    def row(self, created_at: int, vault: Vault) -> TokenRow:
        """It belongs to the UI: the files know nothing of it and must not remove it."""
        ciphertext = vault.encrypt(self.token) if vault.can_store else None
        return TokenRow(self.gateway_id, self.name, self.sha256, UI, created_at, ciphertext)


def build_token(gateway_id: str, name: str) -> NewToken:
    """`gwd_` and 43 characters that are safe in a URL: 256 bits of randomness."""
    return NewToken(gateway_id, name, f"gwd_{secrets.token_urlsafe(32)}")


async def add_client_token(
    store: Store, gateway_id: str, name: str, vault: Vault = NO_KEYS, *, by: str = "cli"
) -> NewToken:
    """by: for the audit trail.

    ConfigurationError when there is no such gateway, already a token of that name, or the vault is a wrong one.
    """
    new = build_token(gateway_id, name)
    try:
        ClientToken(name=name, sha256=new.sha256)
    except ValueError:
        raise ConfigurationError("a token's name has 1 to 64 characters") from None
    async with store.write_lock() as session:
        if name in [row.name for row in await list_client_tokens(session, gateway_id)]:
            raise ConfigurationError(
                f"gateway {gateway_id} has a token {name!r} already; choose another name, or revoke it"
            )
        if vault.can_store:
            await check_vault(session, vault)
        await add_token(session, new.row(time.time_ns() // 1_000_000, vault))
        await add_events(session, [build_token_event(by, "create_token", gateway_id, name)])
        await bump_revision(session)
    return new


async def reveal_client_token(store: Store, gateway_id: str, name: str, vault: Vault) -> str:
    """The token itself. ConfigurationError when there is none of that name, or it cannot be shown, and why."""
    async with store.read() as session:
        row = _find(await list_client_tokens(session, gateway_id), gateway_id, name)
    if row.ciphertext is None:
        raise ConfigurationError(f"token {name!r} of gateway {gateway_id} is known by its hash alone; make another one")
    token = vault.decrypt(row.ciphertext)
    if token is None:
        raise ConfigurationError(
            f"GATEWAYD_SECRET_KEY does not read token {name!r} of gateway {gateway_id}; "
            "set the key that it was stored with"
        )
    return token


async def list_client_tokens(session: Session, gateway_id: str) -> list[TokenRow]:
    """By name. ConfigurationError when there is no such gateway."""
    await check_gateway(session, gateway_id)
    return await list_tokens(session, gateway_id)


async def revoke_client_token(store: Store, gateway_id: str, name: str, *, by: str = "cli") -> TokenRow:
    """The revoked token's row. ConfigurationError when there is no such gateway or token."""
    async with store.write_lock() as session:
        row = _find(await list_client_tokens(session, gateway_id), gateway_id, name)
        await remove_token(session, gateway_id, name)
        await add_events(session, [build_token_event(by, "revoke_token", gateway_id, name)])
        await bump_revision(session)
    return row


def build_token_event(by: str, action: str, gateway_id: str, name: str) -> AuditEvent:
    """As the change of a field, so that whoever revoked a file's token is found by it."""
    return AuditEvent(by, action, f"gateway:{gateway_id}", {"fields": [{"field": show_field(("tokens", name))}]})


def _find(rows: Sequence[TokenRow], gateway_id: str, name: str) -> TokenRow:
    for row in rows:
        if row.name == name:
            return row
    names = ", ".join(row.name for row in rows)
    raise ConfigurationError(f"gateway {gateway_id} has no token {name!r}; it has: {names or 'none'}")


async def check_gateway(session: Session, gateway_id: str) -> GatewayRow:
    """Its row. ConfigurationError names those there are."""
    known = {row.id: row for row in await list_gateways(session) if row.state == "active"}
    if gateway_id not in known:
        raise ConfigurationError(f"there is no gateway {gateway_id!r}; there is: {', '.join(known) or 'none'}")
    return known[gateway_id]


async def read_gateway_record(store: Store, gateway_id: str) -> Gateway:
    """ConfigurationError when there is no such gateway, or its record is not valid."""
    async with store.read() as session:
        row = await check_gateway(session, gateway_id)
    try:
        return Gateway.model_validate(row.spec)
    except ValueError:
        raise ConfigurationError(
            f"the record of gateway {gateway_id} is not valid; correct it in the UI or its file"
        ) from None
