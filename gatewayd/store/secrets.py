"""What is stored encrypted: the `secret` table with the provider key of a gateway, and client tokens' ciphertexts.

`renew_secrets` looks at all of them at each start: whoever lost the key learns it then, not when a client is waiting,
and what an older key made is made anew by the first.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from gatewayd.errors import ConfigurationError
from gatewayd.store.database import Session, Store
from gatewayd.store.keys import Vault
from gatewayd.store.state import bump_revision
from gatewayd.store.tables import secret, token
from gatewayd.store.tokens import TokenRow, list_tokens


@dataclass(frozen=True, slots=True)
class SecretRow:
    """The provider key of a gateway. origin: where alone it may be sent; updated_at in UTC epoch milliseconds."""

    gateway_id: str
    origin: str
    ciphertext: str = field(repr=False)
    updated_at: int


@dataclass(frozen=True, slots=True)
class _Stored:
    """Everything encrypted, or the part of it that something is to be done with."""

    keys: tuple[SecretRow, ...]
    tokens: tuple[TokenRow, ...]


async def list_secrets(session: Session) -> list[SecretRow]:
    return [SecretRow(**row) for row in await session.fetch_all(secret.select().order_by(secret.c.gateway_id))]


async def save_secret(session: Session, vault: Vault, gateway_id: str, origin: str, provider_key: str) -> None:
    """Inside `write_lock`; takes the place of one that is there. ConfigurationError where the vault has no key."""
    ciphertext = vault.encrypt(provider_key)
    await remove_secret(session, gateway_id)
    now = time.time_ns() // 1_000_000
    values = {"gateway_id": gateway_id, "origin": origin, "ciphertext": ciphertext, "updated_at": now}
    await session.execute(secret.insert().values(**values))


async def remove_secret(session: Session, gateway_id: str) -> None:
    await session.execute(secret.delete().where(secret.c.gateway_id == gateway_id))


async def check_vault(session: Session, vault: Vault) -> None:
    """Before something is stored. ConfigurationError where the vault does not read what is stored already."""
    _refuse_unreadable(await _list_stored(session), vault, session)


async def renew_secrets(store: Store, vault: Vault) -> int:
    """Makes anew, with the vault's first key, what another one made; gives how many.

    ConfigurationError when something stored cannot be read: what to set, and what is lost otherwise.
    """
    async with store.read() as session:
        stored = await _list_stored(session)
        _refuse_unreadable(stored, vault, session)
    if not any(vault.renew(text) for text in _ciphertexts(stored)):
        return 0
    async with store.write_lock() as session:
        return await _renew(session, await _list_stored(session), vault)


async def forget_secrets(store: Store, vault: Vault) -> tuple[int, int]:
    """Removes what the vault cannot read: (provider keys, tokens that cannot be shown any more but go on working)."""
    async with store.write_lock() as session:
        lost = _unreadable(await _list_stored(session), vault)
        for key in lost.keys:
            await remove_secret(session, key.gateway_id)
        for row in lost.tokens:
            await _save_ciphertext(session, row, None)
        if lost.keys or lost.tokens:
            await bump_revision(session)
    return len(lost.keys), len(lost.tokens)


async def _list_stored(session: Session) -> _Stored:
    tokens = tuple(row for row in await list_tokens(session) if row.ciphertext is not None)
    return _Stored(tuple(await list_secrets(session)), tokens)


def _ciphertexts(stored: _Stored) -> Sequence[str]:
    return [*(row.ciphertext for row in stored.keys), *(row.ciphertext or "" for row in stored.tokens)]


def _unreadable(stored: _Stored, vault: Vault) -> _Stored:
    return _Stored(
        tuple(row for row in stored.keys if vault.decrypt(row.ciphertext) is None),
        tuple(row for row in stored.tokens if vault.decrypt(row.ciphertext or "") is None),
    )


def _refuse_unreadable(stored: _Stored, vault: Vault, session: Session) -> None:
    lost = _unreadable(stored, vault)
    if not (lost.keys or lost.tokens):
        return
    what = "the key does not read what is stored" if vault.can_store else "GATEWAYD_SECRET_KEY is not set"
    where = f", or restore the key file {session.key_file}" if session.key_file else ""
    raise ConfigurationError(
        f"{what}: {len(lost.keys)} provider keys and {len(lost.tokens)} client tokens are encrypted by another one; "
        f"set GATEWAYD_SECRET_KEY to it (or NEW,OLD){where}. Where it is lost, run: gatewayd db forget-secrets "
        "(those provider keys must be entered again; those tokens go on working, but cannot be shown)"
    )


async def _renew(session: Session, stored: _Stored, vault: Vault) -> int:
    renewed = 0
    for key in stored.keys:
        if text := vault.renew(key.ciphertext):
            where = secret.c.gateway_id == key.gateway_id
            await session.execute(sa.update(secret).where(where).values(ciphertext=text))
            renewed += 1
    for row in stored.tokens:
        if text := vault.renew(row.ciphertext or ""):
            await _save_ciphertext(session, row, text)
            renewed += 1
    return renewed


async def _save_ciphertext(session: Session, row: TokenRow, text: str | None) -> None:
    where = (token.c.gateway_id == row.gateway_id) & (token.c.name == row.name)
    await session.execute(sa.update(token).where(where).values(ciphertext=text))
