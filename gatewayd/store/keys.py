"""The installation's secret keys: what encrypts at rest and authenticates what travels through clients.

From GATEWAYD_SECRET_KEY where it is set (a comma list: the first makes, all read). SQLite without it: generated beside
the database, mode 0600, and kept. PostgreSQL without it: made anew at each start, good for what may be forgotten then.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from gatewayd.errors import ConfigurationError
from gatewayd.store.urls import Address


def load_secret_keys(secret_key: str | None, address: Address) -> list[bytes]:
    """At least one key. ConfigurationError when the key file cannot be read or written."""
    keys = [key.strip().encode() for key in (secret_key or "").split(",") if key.strip()]
    if keys:
        return keys
    if address.engine != "sqlite":
        return [secrets.token_bytes(32)]
    path = Path(f"{address.path}.key")
    try:
        return [_read_or_make(path)]
    except OSError as error:
        raise ConfigurationError(
            f"the key file {path} cannot be used ({error.strerror}); set GATEWAYD_SECRET_KEY, "
            f'for example: export GATEWAYD_SECRET_KEY="$(openssl rand -base64 32)"'
        ) from None


def _read_or_make(path: Path) -> bytes:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        key = path.read_bytes().strip()
        if len(key) < 32:
            raise ConfigurationError(
                f"the key file {path} is damaged; restore it, or remove it to begin anew"
            ) from None
        return key
    key = secrets.token_urlsafe(32).encode()
    with os.fdopen(handle, "wb") as file:
        file.write(key + b"\n")
    return key
