"""The configuration while it serves: the current snapshot, and what keeps it current.

`Live.current` is immutable and replaced by one assignment, after the new one was built whole; exchanges in flight keep
theirs. Whatever goes wrong (a bad file, a bad record, an absent database) leaves the last good snapshot in place and is
logged: once per distinct trouble, with file and line.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gatewayd.config.apply import Applied
from gatewayd.config.load import InvalidConfiguration
from gatewayd.config.merge import Drift
from gatewayd.config.planned import Choice, Plan
from gatewayd.config.secrets import SecretReader
from gatewayd.config.snapshot import build_from_files, build_snapshot, digest_secrets
from gatewayd.config.source import Found, Mode, Source, log_applied
from gatewayd.errors import ConfigurationError, StoreUnavailable, StoreUnreachable
from gatewayd.gateways import Snapshot
from gatewayd.store import Store
from gatewayd.store.gateways import list_gateways
from gatewayd.store.keys import NO_KEYS, Vault
from gatewayd.store.listen import listen
from gatewayd.store.migrations import Upgraded, upgrade
from gatewayd.store.secrets import renew_secrets
from gatewayd.store.state import read_revision

logger = logging.getLogger(__name__)

#: A change must be served within a second. SQLite answers from memory; PostgreSQL costs a round trip and mostly tells
#: by itself (`store.listen`).
_DATABASE_POLL_SECONDS = {"sqlite": 0.25, "postgresql": 0.5}

_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.5, 4.0  # it is to be served within 5 s of the database's return


@dataclass(frozen=True, slots=True)
class Started:
    """What `start` did, for those who tell the operator.

    upgraded  the schema was brought up to date, and where the database from before is; None: it was already
    renewed   how many stored secrets were encrypted anew, by the first key
    files     how many files were read
    applied   None when nothing was applied: mode `off`, no directory, or files with errors
    warnings  one line each
    """

    upgraded: Upgraded | None = None
    renewed: int = 0
    files: int = 0
    applied: Applied | None = None
    warnings: tuple[str, ...] = ()


class Live:
    """Holds the snapshot of one process and keeps it current.

    current           what requests see
    source            the configuration files
    problems          errors of the configuration files as last read, one line each; empty when all is well
    database_problem  why the database could not be asked when last tried, or None
    applied_at        when files were last taken, epoch seconds; 0: never
    """

    def __init__(
        self,
        store: Store,
        *,
        environ: Mapping[str, str],
        config_dir: Path,
        vault: Vault = NO_KEYS,
        mode: Mode = "sync",
        drift: Drift = "keep",
        poll_seconds: float = 5,
    ) -> None:
        self.current = Snapshot()
        self.database_problem: str | None = None
        self._secrets = SecretReader(environ, config_dir)
        self.source = Source(config_dir, self._secrets, vault=vault, mode=mode, drift=drift)
        self._store = store
        self._vault = vault
        self._poll_seconds = poll_seconds
        self._secrets_digest = ""
        self._refreshing = asyncio.Lock()
        self._heard = asyncio.Event()
        self._begun = True

    @property
    def problems(self) -> tuple[str, ...]:
        return self.source.problems

    @property
    def applied_at(self) -> float:
        return max(self.current.applied_at, self.source.applied_at)

    async def start(self) -> Started:
        """Migrates, applies the files, builds the first snapshot. The store must be connected.

        ConfigurationError when the files have errors and the database holds no gateway to serve instead, when the
        schema is newer than this program, when the vault does not read what is stored, or when the database does not
        answer.
        """
        upgraded = await upgrade(self._store, apart=True)
        renewed = await renew_secrets(self._store, self._vault)
        found = await self.source.look()
        applied: Applied | None = None
        try:
            applied = await self.source.apply(self._store, found, generate_tokens=True)
        except InvalidConfiguration:
            if await self._is_empty():
                raise
        await self.refresh()
        self._begun = True
        notices = applied.notices if applied else ()
        trouble = [found.trouble] if found.trouble else []
        return Started(upgraded, renewed, len(found.files), applied, (*trouble, *self.problems, *notices))

    async def begin(self) -> None:
        """The first snapshot of a serving process: of the database or, while that is away, of the files alone.

        Connects the store. While it cannot, `watch` goes on trying, and does then what `start` does.
        """
        try:
            await self._store.connect()
            await self.refresh()
        except StoreUnreachable as error:
            await self.begin_without(error)

    async def begin_without(self, error: StoreUnreachable) -> Started:
        """The database is away: serve what the files alone say."""
        self._begun = False
        found = await self.source.look()
        try:
            self.current = await asyncio.to_thread(build_from_files, found.files, self._secrets)
        except InvalidConfiguration as invalid:
            self.source.problems = tuple(map(str, invalid.problems))
            self.current = Snapshot(complete=False)
        self.database_problem = str(error)
        waiting = f"{error}; until it answers, the gateways of the files are served, and no others"
        trouble = [found.trouble] if found.trouble else []
        return Started(files=len(found.files), warnings=(waiting, *trouble, *self.problems))

    async def reload(self) -> None:
        """Applies the files again, as on SIGHUP. Files with errors change nothing and are logged."""
        try:
            await self._apply_and_log(await self.source.look())
            await self._refresh_if_secrets_changed()
        except StoreUnavailable as error:
            self._note_database_problem(error)

    async def plan(self) -> Plan:
        """What applying the files as they lie there now would do. Errors as `Source.plan`."""
        return await self.source.plan(self._store)

    async def apply_now(self, *, by: str, choice: Choice | None = None) -> Applied:
        """Applies the files because somebody wants it, whatever the mode, and serves that. Errors as `Source.plan`."""
        applied = await self.source.apply_now(self._store, choice=choice, by=by)
        await self.refresh()
        log_applied(applied)
        return applied

    async def refresh(self) -> None:
        """Builds a snapshot of what the database holds now, and swaps it in."""
        async with self._refreshing:
            snapshot = await build_snapshot(self._store, self._secrets, self._vault)
            self._secrets_digest = await asyncio.to_thread(digest_secrets, snapshot, self._secrets)
            self.current, self.database_problem = snapshot, None

    async def watch(self) -> None:
        """Runs until cancelled: follows changes of the database, of the files and of secrets that lie in files."""
        await self._await_database()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_database())
            tasks.create_task(listen(self._store.address, self._heard))
            if self._poll_seconds:
                tasks.create_task(self._watch_files())

    async def _await_database(self) -> None:
        """Until the database has been migrated, the files applied and the snapshot built, where that is still to do."""
        wait = _FIRST_WAIT_SECONDS
        while not self._begun:
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT_SECONDS)
            try:
                await self._begin_late()
            except ConfigurationError as error:
                self._note_database_problem(error)

    async def _begin_late(self) -> None:
        if not self._store.connected:
            await self._store.connect()
        await upgrade(self._store, apart=True)
        await renew_secrets(self._store, self._vault)
        await self._apply_and_log(await self.source.look())
        await self.refresh()
        self._begun = True
        logger.warning("the database answers now; all gateways are served")

    async def _watch_database(self) -> None:
        while True:
            try:
                await self._follow_database()
            except StoreUnavailable as error:
                self._note_database_problem(error)
            await self._pause()

    async def _follow_database(self) -> None:
        seen: int | None = None
        async with self._store.change_probe() as probe:
            while True:
                number = await probe()
                self.database_problem = None
                if number != seen:
                    await self._refresh_if_changed()
                    seen = number
                await self._pause()

    async def _pause(self) -> None:
        """Until the database told of a change, or it is time to look."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_DATABASE_POLL_SECONDS[self._store.address.engine]):
                await self._heard.wait()
        self._heard.clear()

    async def _refresh_if_changed(self) -> None:
        async with self._store.session() as session:
            revision = await read_revision(session)
        if revision != self.current.revision:
            await self.refresh()

    async def _refresh_if_secrets_changed(self) -> None:
        if await asyncio.to_thread(digest_secrets, self.current, self._secrets) != self._secrets_digest:
            logger.info("a secret file changed")
            await self.refresh()

    async def _watch_files(self) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds)
            try:
                await self._poll_files()
            except StoreUnavailable as error:
                self._note_database_problem(error)

    async def _poll_files(self) -> None:
        found = await self.source.look()
        if self.source.is_new(found):
            await self._apply_and_log(found)
        elif self.source.may_put_back(self.current.revision):
            await self._apply_and_log(found, only_written=True)
        await self._refresh_if_secrets_changed()

    async def _apply_and_log(self, found: Found, *, only_written: bool = False) -> None:
        if found.trouble:
            logger.error(found.trouble)
        try:
            applied = await self.source.apply(self._store, found, generate_tokens=False)
        except InvalidConfiguration as error:
            for problem in error.problems:
                logger.error("configuration not applied: %s", problem)
            return
        await self._refresh_if_changed()
        if applied is not None and (applied.written or not only_written):
            log_applied(applied)

    async def _is_empty(self) -> bool:
        async with self._store.session() as session:
            return not await list_gateways(session)

    def _note_database_problem(self, error: ConfigurationError) -> None:
        if self.database_problem != str(error):
            logger.error("%s; the last good configuration goes on serving", error)
        self.database_problem = str(error)


async def start(
    store: Store,
    *,
    environ: Mapping[str, str],
    config_dir: Path,
    vault: Vault = NO_KEYS,
    mode: Mode = "sync",
    drift: Drift = "keep",
    poll_seconds: float = 5,
) -> tuple[Live, Started]:
    """Connects, starts and disconnects again, so that the server's own event loop may connect the store anew.

    While the database is away, the files alone are read.
    """
    live = Live(
        store, environ=environ, config_dir=config_dir, vault=vault, mode=mode, drift=drift, poll_seconds=poll_seconds
    )
    try:
        async with store:
            return live, await live.start()
    except StoreUnreachable as error:
        return live, await live.begin_without(error)
