"""The installation's secret keys: what encrypts at rest and authenticates what travels through clients.

From GATEWAYD_SECRET_KEY where it is set (a comma list: the first makes, all read). SQLite without it: generated beside
the database, mode 0600, and kept; with it: a key file that is there goes on reading, so that setting one loses nothing.
PostgreSQL without it: made anew at each start, good for what may be forgotten then, and refused for what may not.
"""

from __future__ import annotations

import os
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gatewayd.errors import ConfigurationError
from gatewayd.store.database import try_sqlite
from gatewayd.store.urls import Address

HOW_TO_SET_IT = 'export GATEWAYD_SECRET_KEY="$(openssl rand -base64 32)"'
_MINIMUM_LENGTH = 16


@dataclass(frozen=True, slots=True)
class SecretKeys:
    """keys: at least one, the first makes. lasting: they are there after a restart too."""

    keys: tuple[bytes, ...] = field(repr=False)
    lasting: bool = True


class Vault:
    """Encrypts what is stored and must be shown or sent again. Without keys it stores nothing."""

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._fernets = [Fernet(_derive(key)) for key in keys]

    @property
    def can_store(self) -> bool:
        return bool(self._fernets)

    def encrypt(self, secret: str) -> str:
        """ConfigurationError where there is no key that lasts."""
        if not self._fernets:
            raise ConfigurationError(
                f"GATEWAYD_SECRET_KEY is not set, so no secret can be stored; run: {HOW_TO_SET_IT} "
                "(keep it, and set the same one for every process)"
            )
        return self._fernets[0].encrypt(secret.encode()).decode()

    def decrypt(self, ciphertext: str) -> str | None:
        """None where no key reads it."""
        try:
            return MultiFernet(self._fernets).decrypt(ciphertext.encode()).decode() if self._fernets else None
        except (InvalidToken, ValueError):
            return None

    def renew(self, ciphertext: str) -> str | None:
        """What to store instead, made by the first key; None where that made it already, or no key reads it."""
        try:
            self._fernets[0].decrypt(ciphertext.encode())
        except (InvalidToken, ValueError, IndexError):
            secret = self.decrypt(ciphertext)
            return None if secret is None else self.encrypt(secret)
        return None


NO_KEYS = Vault()


def load_secret_keys(secret_key: str | None, address: Address) -> SecretKeys:
    """ConfigurationError when a key is too short, or the key file cannot be read or written."""
    keys = [key.strip().encode() for key in (secret_key or "").split(",") if key.strip()]
    if any(len(key) < _MINIMUM_LENGTH for key in keys):
        raise ConfigurationError(
            f"GATEWAYD_SECRET_KEY holds a key of fewer than {_MINIMUM_LENGTH} characters; run: {HOW_TO_SET_IT}"
        )
    if address.engine != "sqlite":
        return SecretKeys(tuple(keys)) if keys else SecretKeys((secrets.token_bytes(32),), lasting=False)
    path = Path(f"{address.path}.key")
    if keys and not path.exists():
        return SecretKeys(tuple(keys))
    try_sqlite(address)  # no key is left beside what is no database
    try:
        return SecretKeys((*keys, _read_or_make(path)))
    except OSError as error:
        raise ConfigurationError(
            f"the key file {path} cannot be used ({error.strerror}); "
            + (f"run: rm {path}, if nothing was stored by it" if keys else f"or run: {HOW_TO_SET_IT}")
        ) from None


def build_vault(keys: SecretKeys) -> Vault:
    """What will not last stores nothing."""
    return Vault(keys.keys if keys.lasting else ())


def _derive(key: bytes) -> bytes:
    """One secret serves several ends, and none of them learns another's key."""
    return urlsafe_b64encode(HKDF(SHA256(), 32, salt=None, info=b"gatewayd: secrets at rest").derive(key))


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
