"""What providers taught: habits that a refusal named and that helped, by gateway, upstream and model.

Kept in memory, written down through the journal, read again from the database every few seconds, so that restarts
keep it and all workers and replicas share it. A changed base URL or dialect begins anew; what the record's own
`capabilities` say always wins, and what was learned of that habit is forgotten.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Set
from typing import Any, NamedTuple

from gatewayd.errors import StoreUnavailable
from gatewayd.gateways import ActiveGateway
from gatewayd.protocol.chat.dialects import Dialect
from gatewayd.protocol.chat.refusals import Change
from gatewayd.store import Session, Store
from gatewayd.store.journal import Journal
from gatewayd.store.learned import LearnedRow, forget_learned, list_learned, save_learned

MAX_KEYS = 5_000
_POLL_SECONDS = 10

log = logging.getLogger(__name__)


class Key(NamedTuple):
    """upstream: base URL and dialect."""

    gateway_id: str
    upstream: str
    upstream_model: str


class Learned:
    """journal: None keeps what is learned in memory only."""

    def __init__(self, journal: Journal | None = None) -> None:
        self._journal = journal
        self._habits: OrderedDict[Key, dict[str, Any]] = OrderedDict()  # the least recently learned first
        self._unseen: dict[Key, dict[str, Any]] = {}  # learned here, and not yet read from the database

    def dialect(self, gateway: ActiveGateway, upstream_model: str) -> tuple[Dialect, list[str]]:
        """The gateway's dialect with what was learned, and the habits that differ."""
        habits = self._habits.get(_key(gateway, upstream_model))
        if not habits:
            return gateway.dialect, []
        if overruled := gateway.gateway.upstream.capabilities.keys() & habits.keys():
            habits = self._forget(_key(gateway, upstream_model), overruled)
        return gateway.dialect.with_capabilities(habits), list(habits)

    def remember(self, gateway: ActiveGateway, upstream_model: str, changes: list[Change]) -> None:
        key = _key(gateway, upstream_model)
        habits = self._habits.pop(key, {}) | {change.habit: change.value for change in changes}
        self._keep(key, habits)
        for change in changes:
            about = {"gateway": key.gateway_id, "upstream_model": upstream_model, "habit": change.habit}
            log.info("learned", extra=about | {"value": change.value, "reason": change.reason})
        if self._journal is not None:
            self._unseen[key] = habits
            row = LearnedRow(*key, habits, int(time.time() * 1000))

            async def write(session: Session) -> None:
                await save_learned(session, row)

            self._journal.put(write)

    def _forget(self, key: Key, names: Set[str]) -> dict[str, Any]:
        """Gives what is left."""
        left = {name: value for name, value in self._habits[key].items() if name not in names}
        self._habits[key] = left
        self._unseen.pop(key, None)
        if self._journal is not None:

            async def write(session: Session) -> None:
                await forget_learned(session, *key, names)

            self._journal.put(write)
        return left

    async def follow(self, store: Store) -> None:
        """Reads what is known, then what others learn, until cancelled."""
        while True:
            try:
                await self.load(store)
            except StoreUnavailable as error:
                log.warning("what was learned cannot be read: %s", error)
            await asyncio.sleep(_POLL_SECONDS)

    async def load(self, store: Store) -> None:
        """Takes over what the database holds, and what is gone from it; what is still to be written stands."""
        async with store.session() as session:
            rows = await list_learned(session, MAX_KEYS)
        habits = OrderedDict(
            (Key(row.gateway_id, row.upstream, row.upstream_model), _known(row.habits)) for row in rows
        )
        for key, fresh in list(self._unseen.items()):
            if fresh.items() <= habits.get(key, {}).items():
                del self._unseen[key]
            else:
                habits[key] = habits.get(key, {}) | fresh
        self._habits = habits

    def _keep(self, key: Key, habits: dict[str, Any]) -> None:
        self._habits[key] = habits
        while len(self._habits) > MAX_KEYS:
            self._unseen.pop(self._habits.popitem(last=False)[0], None)


def _key(gateway: ActiveGateway, upstream_model: str) -> Key:
    return Key(gateway.id, f"{gateway.gateway.upstream.base_url} {gateway.dialect.name}", upstream_model)


def _known(habits: dict[str, Any]) -> dict[str, Any]:
    """Without what this version does not know: another one may have learned it."""
    known = {}
    for name, value in habits.items():
        try:
            _ANY.with_capabilities({name: value})
        except ValueError:
            continue
        known[name] = value
    return known


_ANY = Dialect(name="any")
