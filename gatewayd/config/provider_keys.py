"""Provider keys that are entered rather than referred to: stored encrypted, and never part of a record."""

from __future__ import annotations

from gatewayd.errors import ConfigurationError
from gatewayd.gateways import Upstream
from gatewayd.store import Session
from gatewayd.store.gateways import list_gateways
from gatewayd.store.keys import Vault
from gatewayd.store.secrets import check_vault, list_secrets, remove_secret, save_secret

#: What the record of such a gateway says in the place of a reference.
STORED = {"stored": True}
_MAXIMUM_LENGTH = 64 * 1024


async def store_provider_key(
    session: Session, vault: Vault, gateway_id: str, upstream: Upstream, provider_key: str
) -> None:
    """Inside `write_lock`, in one transaction with the record that says `api_key: {stored: true}`.

    It is bound to the origin of that upstream: where base_url moves to another one, the key must be entered again.

    ConfigurationError, without the key in it, when no header could carry it, or the vault cannot store it.
    """
    provider_key = provider_key.strip()
    if not provider_key or len(provider_key) > _MAXIMUM_LENGTH:
        raise ConfigurationError("a provider key has 1 to 65536 characters")
    if not (provider_key.isascii() and provider_key.isprintable()):
        raise ConfigurationError("the provider key holds characters that a header cannot carry; copy it again")
    await check_vault(session, vault)
    await save_secret(session, vault, gateway_id, upstream.origin, provider_key)


async def forget_unused_provider_keys(session: Session) -> None:
    """Inside `write_lock`, after records changed: of those that refer to their key elsewhere from now on.

    A deleted record keeps its own for as long as it can be restored.
    """
    keys = await list_secrets(session)
    if keys:
        specs = {row.id: row.spec for row in await list_gateways(session)}
        for key in keys:
            if specs[key.gateway_id].get("upstream", {}).get("api_key") != STORED:
                await remove_secret(session, key.gateway_id)
