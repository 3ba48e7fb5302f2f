"""What verbs that use the database share: the settings, a connected store, output."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gatewayd.cli.output import read_settings, say, write_json
from gatewayd.settings import Settings
from gatewayd.store import Store
from gatewayd.store.keys import Vault, build_vault, load_secret_keys
from gatewayd.store.migrations import check_schema
from gatewayd.store.urls import parse_database_url

__all__ = ["read_settings", "read_vault", "run_with_store", "say", "write_json"]

T = TypeVar("T")


def read_vault(settings: Settings) -> Vault:
    """What secrets are stored with. ConfigurationError as `load_secret_keys`."""
    secret_key = settings.secret_key.get_secret_value() if settings.secret_key else None
    return build_vault(load_secret_keys(secret_key, parse_database_url(settings.database_url.get_secret_value())))


def run_with_store(settings: Settings, action: Callable[[Store], Awaitable[T]], *, schema: bool = True) -> T:
    """Runs `action` with a connected store; `schema`: refuse a database that is not at this program's schema."""

    async def run() -> T:
        async with Store(settings.database_url.get_secret_value()) as store:
            if schema:
                await check_schema(store)
            return await action(store)

    return asyncio.run(run())
