"""Is an installation in order? Looks at the database, what is stored encrypted, the files and the gateways.

Reads only. Whatever is wrong is a check of its own with what to type, so that all of it is told at once.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gatewayd.config.apply import read_plan
from gatewayd.config.load import InvalidConfiguration, load_files
from gatewayd.config.merge import Drift
from gatewayd.config.planned import Choice
from gatewayd.config.secrets import SecretReader
from gatewayd.config.snapshot import build_snapshot
from gatewayd.config.source import Mode, look_at
from gatewayd.errors import ConfigurationError
from gatewayd.gateways import Snapshot
from gatewayd.store import Store
from gatewayd.store.gateways import list_gateways
from gatewayd.store.keys import Vault
from gatewayd.store.migrations import check_schema, read_status
from gatewayd.store.secrets import check_vault

_LITTLE_BYTES = 500_000_000
_TOO_LITTLE_BYTES = 50_000_000
_CLOCK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Check:
    """note: works, and could be better; problem: something does not work. text: one line."""

    name: str
    verdict: Literal["ok", "note", "problem"]
    text: str


@dataclass(frozen=True, slots=True)
class Installation:
    """What is looked at, as the settings say."""

    store: Store
    environ: Mapping[str, str]
    config_dir: Path
    mode: Mode
    drift: Drift
    vault: Vault

    @property
    def secrets(self) -> SecretReader:
        return SecretReader(self.environ, self.config_dir)


async def check_installation(installation: Installation) -> AsyncIterator[Check]:
    """Check after check. What depends on the database is left out where that cannot be used."""
    try:
        await installation.store.connect()
    except ConfigurationError as error:
        yield Check("database", "problem", str(error))
        yield await _check_files(installation, usable=False)
        return
    try:
        async for check in _check_database(installation):
            yield check
    finally:
        await installation.store.disconnect()


async def _check_database(installation: Installation) -> AsyncIterator[Check]:
    store = installation.store
    try:
        await check_schema(store)
    except ConfigurationError as error:
        yield Check("database", "problem", str(error))
        yield await _check_files(installation, usable=False)
        return
    found = await read_status(store)
    yield Check("database", "ok", f"{store.address.shown}, schema {found.current}")
    if store.address.engine == "sqlite":
        yield _check_disk(store.address.path)
    else:
        yield await _check_clock(store)
    yield await _check_vault(installation)
    yield await _check_files(installation, usable=True)
    async for check in _check_gateways(installation):
        yield check


def _check_disk(database: str) -> Check:
    folder = Path(database).absolute().parent
    free = shutil.disk_usage(folder).free
    text = f"{free / 1e9:.1f} GB free at {folder}"
    if free < _TOO_LITTLE_BYTES:
        return Check("disk", "problem", f"{text}: the database can hardly grow; make room")
    return Check("disk", "note" if free < _LITTLE_BYTES else "ok", text)


async def _check_clock(store: Store) -> Check:
    async with store.session() as session:
        row = await session.fetch_one("SELECT extract(epoch FROM clock_timestamp()) AS now")
    apart = abs(time.time() - float(row["now"])) if row else 0.0
    if apart > _CLOCK_SECONDS:
        return Check("clock", "note", f"{apart:.0f} s apart from the database's; set both by NTP")
    return Check("clock", "ok", "the same as the database's")


async def _check_vault(installation: Installation) -> Check:
    async with installation.store.read() as session:
        try:
            await check_vault(session, installation.vault)
        except ConfigurationError as error:
            return Check("secrets", "problem", str(error))
    if not installation.vault.can_store:
        return Check("secrets", "note", "GATEWAYD_SECRET_KEY is not set: no provider key can be stored")
    return Check("secrets", "ok", "what is stored encrypted can be read")


async def _check_files(installation: Installation, *, usable: bool) -> Check:
    """usable: the database is there to be compared with."""
    if installation.mode == "off":
        return Check("files", "ok", "not used (GATEWAYD_CONFIG_MODE=off)")
    found = look_at(installation.config_dir)
    if found.trouble:
        return Check("files", "note", found.trouble)
    try:
        desired = load_files(found.files, installation.secrets)
    except InvalidConfiguration as error:
        more = f" (and {len(error.problems) - 1} more; run: gatewayd validate)" if len(error.problems) > 1 else ""
        return Check("files", "problem", f"{error.problems[0]}{more}")
    told = f"{len(desired.gateways)} gateways in {len(found.files)} files of {installation.config_dir}"
    if not usable or installation.mode == "seed":
        return Check("files", "ok", told)
    plan = await read_plan(installation.store, desired, choice=Choice(installation.drift))
    if plan.conflicts:
        return Check(
            "files", "note", f"{told}, {len(plan.conflicts)} in conflict with the database; run: gatewayd plan"
        )
    if plan.drifted:
        return Check("files", "note", f"{told}, {len(plan.drifted)} changed elsewhere; run: gatewayd plan")
    if not plan.is_empty:
        return Check("files", "note", f"{told}, not all applied yet; run: gatewayd plan")
    return Check("files", "ok", f"{told}, as applied")


async def _check_gateways(installation: Installation) -> AsyncIterator[Check]:
    snapshot: Snapshot = await build_snapshot(installation.store, installation.secrets, installation.vault)
    async with installation.store.session() as session:
        rows = [row for row in await list_gateways(session) if row.is_active]
    if not rows:
        yield Check("gateways", "note", "there is none yet; copy one of configs/examples, or make one in the UI")
    for row in rows:
        active = snapshot.gateways.get(row.id)
        if active is None:
            yield Check(f"gateway {row.id}", "problem", "its record is not valid, so it is not served; edit it")
        elif active.missing_secret is not None:
            yield Check(f"gateway {row.id}", "problem", f"answers 503: secret {active.missing_secret} is not set")
        elif not active.token_hashes:
            command = f"gatewayd token create {row.id} NAME"
            yield Check(f"gateway {row.id}", "note", f"has no client token; run: {command}")
        else:
            yield Check(f"gateway {row.id}", "ok", f"{len(active.token_hashes)} client tokens")
