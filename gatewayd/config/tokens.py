"""Client tokens: making, listing and revoking them. A token is shown once, to whoever made it; its SHA-256 stays."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from hashlib import sha256

from gatewayd.config.plan import UI
from gatewayd.errors import ConfigurationError
from gatewayd.gateways import ClientToken, Gateway
from gatewayd.store import Session, Store
from gatewayd.store.gateways import GatewayRow, list_gateways
from gatewayd.store.state import bump_revision
from gatewayd.store.tokens import TokenRow, add_token, list_tokens, remove_token


@dataclass(frozen=True, slots=True)
class NewToken:
    """token: to be shown once and then forgotten."""

    gateway_id: str
    name: str
    token: str = field(repr=False)

    @property
    def sha256(self) -> str:
        return sha256(self.token.encode()).hexdigest()


def build_token(gateway_id: str, name: str) -> NewToken:
    """`gwd_` and 43 characters that are safe in a URL: 256 bits of randomness."""
    return NewToken(gateway_id, name, f"gwd_{secrets.token_urlsafe(32)}")


async def add_client_token(store: Store, gateway_id: str, name: str) -> NewToken:
    """ConfigurationError when there is no such gateway, or already a token of that name."""
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
        await add_token(session, TokenRow(gateway_id, name, new.sha256, UI, time.time_ns() // 1_000_000))
        await bump_revision(session)
    return new


async def list_client_tokens(session: Session, gateway_id: str) -> list[TokenRow]:
    """By name. ConfigurationError when there is no such gateway."""
    await check_gateway(session, gateway_id)
    return await list_tokens(session, gateway_id)


async def revoke_client_token(store: Store, gateway_id: str, name: str) -> TokenRow:
    """The revoked token's row. ConfigurationError when there is no such gateway or token."""
    async with store.write_lock() as session:
        rows = {row.name: row for row in await list_client_tokens(session, gateway_id)}
        if name not in rows:
            raise ConfigurationError(f"gateway {gateway_id} has no token {name!r}; it has: {', '.join(rows) or 'none'}")
        await remove_token(session, gateway_id, name)
        await bump_revision(session)
    return rows[name]


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
