"""The configuration directory of one process: looked at, applied when its content changes, told of once.

What it has dealt with is remembered, so that the same content is neither applied nor complained about again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gatewayd.config.apply import Applied, apply, read_plan
from gatewayd.config.checkout import read_git_sha
from gatewayd.config.load import Desired, InvalidConfiguration, SourceFile, digest_files, load_files, read_files
from gatewayd.config.merge import Drift
from gatewayd.config.planned import Choice, Plan
from gatewayd.config.secrets import SecretReader
from gatewayd.errors import ConfigurationError
from gatewayd.store import Store
from gatewayd.store.keys import NO_KEYS, Vault

logger = logging.getLogger(__name__)

Mode = Literal["sync", "seed", "off"]


@dataclass(slots=True)
class Found:
    """What a look at the directory found; trouble: why there is nothing to read."""

    files: list[SourceFile] = field(default_factory=list)
    trouble: str | None = None

    def digest(self) -> str:
        return self.trouble or digest_files(self.files)


class Source:
    """directory, mode, drift: as the settings say.

    problems    errors of the files as last read, one line each; empty when all is well
    applied_at  when the files were last taken by this process, epoch seconds; 0: not yet
    """

    def __init__(
        self,
        directory: Path,
        secrets: SecretReader,
        *,
        vault: Vault = NO_KEYS,
        mode: Mode = "sync",
        drift: Drift = "keep",
    ) -> None:
        self.directory = directory
        self.mode: Mode = mode
        self.drift: Drift = drift
        self.problems: tuple[str, ...] = ()
        self.applied_at = 0.0
        self._secrets = secrets
        self._vault = vault
        self._digest = ""
        self._revision: int | None = None  # that this process left behind

    async def look(self) -> Found:
        if self.mode == "off":
            return Found()
        return await asyncio.to_thread(look_at, self.directory)

    def is_new(self, found: Found) -> bool:
        return found.digest() != self._digest

    def may_put_back(self, revision: int) -> bool:
        """The database was changed since, and the files win over that."""
        follows = self.mode == "sync" and self.drift == "revert" and not self.problems
        return follows and self._revision is not None and revision != self._revision

    async def plan(self, store: Store) -> Plan:
        """What applying the files as they lie there now would do, whatever the mode.

        InvalidConfiguration; ConfigurationError where there is no directory; StoreUnavailable.
        """
        return await read_plan(store, await self._load_now(), choice=Choice(self.drift))

    async def apply_now(self, store: Store, *, choice: Choice | None = None, by: str) -> Applied:
        """Because somebody wants it, whatever the mode. Errors as `plan`."""
        found = await asyncio.to_thread(look_at, self.directory)
        return await self._apply(store, found, "sync", choice or Choice(self.drift), generate_tokens=False, by=by)

    async def apply(self, store: Store, found: Found, *, generate_tokens: bool) -> Applied | None:
        """As the mode says; None where there is nothing to apply. InvalidConfiguration; StoreUnavailable."""
        if self.mode == "off" or found.trouble:
            self._digest = found.digest()
            return None
        return await self._apply(store, found, self.mode, Choice(self.drift), generate_tokens=generate_tokens)

    async def _apply(
        self,
        store: Store,
        found: Found,
        mode: Literal["sync", "seed"],
        choice: Choice,
        *,
        generate_tokens: bool,
        by: str = "",
    ) -> Applied:
        try:
            desired = await self._load(found)
        except InvalidConfiguration as error:
            self._digest = found.digest()
            self.problems = tuple(map(str, error.problems))
            raise
        applied = await apply(
            store,
            desired,
            mode=mode,
            generate_tokens=generate_tokens,
            vault=self._vault,
            choice=choice,
            by=by,
            git_sha=await asyncio.to_thread(read_git_sha, self.directory),
        )
        self._digest, self.problems, self._revision = found.digest(), (), applied.revision
        self.applied_at = time.time()
        return applied

    async def _load_now(self) -> Desired:
        return await self._load(await asyncio.to_thread(look_at, self.directory))

    async def _load(self, found: Found) -> Desired:
        if found.trouble:
            raise ConfigurationError(found.trouble)
        return await asyncio.to_thread(load_files, found.files, self._secrets)


def look_at(directory: Path) -> Found:
    if not directory.is_dir():
        return Found(trouble=f"configuration directory {directory} does not exist; no gateways come from files")
    try:
        return Found(read_files([directory]))
    except OSError as error:
        return Found(trouble=f"configuration directory {directory} cannot be read: {error.strerror}")


def log_applied(applied: Applied) -> None:
    # not `created`: a log record has one of its own, and logging refuses another
    changes = {"created_gateways": applied.created, "updated_gateways": applied.updated}
    changes["deleted_gateways"] = applied.deleted
    told = {name: list(ids) for name, ids in changes.items()}
    logger.info("configuration applied", extra={"revision": applied.revision, **told})
    for notice in applied.notices:
        logger.warning(notice)
    for gateway_id in applied.without_token:
        logger.warning("gateway %s has no client token; run: gatewayd token create %s NAME", gateway_id, gateway_id)
