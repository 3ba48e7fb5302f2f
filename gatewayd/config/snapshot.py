"""Records -> the immutable snapshot that requests see: specs validated, references to secrets resolved.

From the database, or from the files alone while that is away. A record that is not valid is logged and left out; the
others are served.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from hashlib import sha256

from pydantic import ValidationError

from gatewayd.config.load import SourceFile, load_files
from gatewayd.config.plan import plan_sync
from gatewayd.config.secrets import Resolved, SecretReader
from gatewayd.config.status import count_statuses
from gatewayd.gateways import ActiveGateway, Gateway, Pause, Snapshot
from gatewayd.store import Store
from gatewayd.store.gateways import GatewayRow, list_gateways
from gatewayd.store.keys import NO_KEYS, Vault
from gatewayd.store.overrides import OverrideRow, list_overrides
from gatewayd.store.secrets import SecretRow, list_secrets
from gatewayd.store.sources import list_sources
from gatewayd.store.state import read_revision
from gatewayd.store.tokens import TokenRow, list_tokens

logger = logging.getLogger(__name__)


async def build_snapshot(store: Store, secrets: SecretReader, vault: Vault) -> Snapshot:
    """All active records, as one revision of the database has them."""
    async with store.read() as session:
        revision = await read_revision(session)
        rows = await list_gateways(session)
        tokens = await list_tokens(session)
        stored = await list_secrets(session)
        sources = await list_sources(session)
        pauses = {row.id: row for row in await list_overrides(session) if row.kind == "gateway" and row.paused}
    active = await asyncio.to_thread(_activate_all, rows, tokens, secrets, _ProviderKeys(stored, vault), pauses)
    statuses = await asyncio.to_thread(count_statuses, rows, tokens)
    return Snapshot(
        active,
        revision,
        drifted=statuses["drifted"],
        conflicts=statuses["conflict"],
        flaps=sum(source.flaps for source in sources),
        applied_at=max((source.applied_at for source in sources), default=0) / 1000,
    )


def build_from_files(files: list[SourceFile], secrets: SecretReader) -> Snapshot:
    """What an empty database would hold after they were applied. InvalidConfiguration as `load_files`."""
    plan = plan_sync(load_files(files, secrets), (), ())
    rows = [record.row for record in plan.records if record.row is not None]
    tokens = [token for record in plan.records for token in record.added_tokens]
    active = _activate_all(rows, tokens, secrets, _ProviderKeys(), {})
    return Snapshot(active, complete=False)


def digest_secrets(snapshot: Snapshot, secrets: SecretReader) -> str:
    """Of the secrets that lie in files; those of the environment cannot change while the process runs."""
    digest = sha256()
    for gateway in snapshot.gateways.values():
        ref = gateway.gateway.upstream.api_key
        if ref is not None and ref.file is not None:
            resolved = secrets.resolve(ref)
            digest.update(f"{gateway.id}\0{resolved.missing}\0{resolved.value}\0".encode())
    return digest.hexdigest()


class _ProviderKeys:
    """The stored ones, decrypted. Each goes to the origin that it was entered for, and nowhere else."""

    def __init__(self, stored: Iterable[SecretRow] = (), vault: Vault = NO_KEYS) -> None:
        self._stored = {row.gateway_id: row for row in stored}
        self._vault = vault

    def resolve(self, gateway_id: str, origin: str) -> Resolved:
        row = self._stored.get(gateway_id)
        if row is None:
            return Resolved(missing="stored in the database (enter the provider key again)")
        if row.origin != origin:
            return Resolved(missing=f"stored for {row.origin} (base_url is now at {origin}: enter its provider key)")
        value = self._vault.decrypt(row.ciphertext)
        missing = (
            None if value else "stored in the database by another GATEWAYD_SECRET_KEY (enter the provider key again)"
        )
        return Resolved(value, missing)


def _activate_all(
    rows: Iterable[GatewayRow],
    tokens: Iterable[TokenRow],
    secrets: SecretReader,
    keys: _ProviderKeys,
    pauses: Mapping[str, OverrideRow],
) -> dict[str, ActiveGateway]:
    of_gateway = defaultdict[str, list[TokenRow]](list)
    for token in tokens:
        of_gateway[token.gateway_id].append(token)
    active = (_activate(row, of_gateway[row.id], secrets, keys, pauses.get(row.id)) for row in rows if row.is_active)
    return {gateway.id: gateway for gateway in active if gateway is not None}


def _activate(
    row: GatewayRow,
    tokens: list[TokenRow],
    secrets: SecretReader,
    keys: _ProviderKeys,
    paused: OverrideRow | None,
) -> ActiveGateway | None:
    try:
        gateway = Gateway.model_validate(row.spec)
        dialect = gateway.upstream.resolve_dialect()
        hashes = {bytes.fromhex(token.sha256): token.name for token in tokens}
    except ValueError as error:
        logger.error("gateway %s is not served, its record is not valid: %s", row.id, _first_error(error))
        return None
    secret = _resolve(row.id, gateway, secrets, keys)
    if secret.missing:
        logger.warning("gateway %s answers 503: secret %s is not set", row.id, secret.missing)
    pause = Pause(paused.pause_reason, paused.until and paused.until / 1000) if paused else None
    return ActiveGateway(row.id, gateway, dialect, secret.value, secret.missing, hashes, pause)


def _resolve(gateway_id: str, gateway: Gateway, secrets: SecretReader, keys: _ProviderKeys) -> Resolved:
    ref = gateway.upstream.api_key
    if ref is None:
        return Resolved()
    return keys.resolve(gateway_id, gateway.upstream.origin) if ref.stored else secrets.resolve(ref)


def _first_error(error: ValueError) -> str:
    """Without the value: a record may hold what should not be logged."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error)
