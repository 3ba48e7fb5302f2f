"""Provider keys that are entered rather than referred to: stored encrypted, and never part of a record."""

from __future__ import annotations

from gatewayd.errors import ConfigurationError
from gatewayd.store import Session
from gatewayd.store.keys import Vault
from gatewayd.store.secrets import check_vault, remove_secret, save_secret

#: What the record of such a gateway says in the place of a reference.
STORED = {"stored": True}
_MAXIMUM_LENGTH = 64 * 1024


async def store_provider_key(session: Session, vault: Vault, gateway_id: str, provider_key: str) -> None:
    """Inside `write_lock`, in one transaction with the record that says `api_key: {stored: true}`.

    ConfigurationError, without the key in it, when no header could carry it, or the vault cannot store it.
    """
    provider_key = provider_key.strip()
    if not provider_key or len(provider_key) > _MAXIMUM_LENGTH:
        raise ConfigurationError("a provider key has 1 to 65536 characters")
    if not (provider_key.isascii() and provider_key.isprintable()):
        raise ConfigurationError("the provider key holds characters that a header cannot carry; copy it again")
    await check_vault(session, vault)
    await save_secret(session, vault, gateway_id, provider_key)


async def forget_provider_key(session: Session, gateway_id: str) -> None:
    """Inside `write_lock`, when the record refers to its key elsewhere from now on, or is deleted."""
    await remove_secret(session, gateway_id)
