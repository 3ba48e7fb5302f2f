"""What providers taught: habits that a refusal named and that helped, by gateway, upstream and model.

Kept in memory, written down through the journal, read again from the database every few seconds, so that restarts
keep it and all workers and replicas share it. A changed base URL or dialect begins anew; what the record's own
`capabilities` say always wins.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from typing import Any, NamedTuple

from gatewayd.errors import StoreUnavailable
from gatewayd.gateways import ActiveGateway
from gatewayd.protocol.chat.dialects import Dialect
from gatewayd.protocol.chat.refusals import Change
from gatewayd.store import Session, Store
from gatewayd.store.journal import Journal
from gatewayd.store.learned import LearnedRow, list_learned, save_learned

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

    def dialect(self, gateway: ActiveGateway, upstream_model: str) -> tuple[Dialect, list[str]]:
        """The gateway's dialect with what was learned, and the habits that differ."""
        habits = self._habits.get(_key(gateway, upstream_model))
        if not habits:
            return gateway.dialect, []
        own = gateway.gateway.upstream.capabilities
        applied = {name: value for name, value in habits.items() if name not in own}
        return gateway.dialect.with_capabilities(applied), list(applied)

    def remember(self, gateway: ActiveGateway, upstream_model: str, changes: list[Change]) -> None:
        key = _key(gateway, upstream_model)
        habits = self._habits.pop(key, {}) | {change.habit: change.value for change in changes}
        self._keep(key, habits)
        for change in changes:
            log.info(
                "learned", extra={"gateway": key.gateway_id, "upstream_model": upstream_model, "habit": change.habit}
            )
        if self._journal is not None:
            row = LearnedRow(*key, habits, int(time.time() * 1000))

            async def write(session: Session) -> None:
                await save_learned(session, row)

            self._journal.put(write)

    async def follow(self, store: Store) -> None:
        """Reads what is known, then what others learn, until cancelled."""
        while True:
            try:
                await self.load(store)
            except StoreUnavailable as error:
                log.warning("what was learned cannot be read: %s", error)
            await asyncio.sleep(_POLL_SECONDS)

    async def load(self, store: Store) -> None:
        async with store.session() as session:
            rows = await list_learned(session, MAX_KEYS)
        for row in rows:
            key = Key(row.gateway_id, row.upstream, row.upstream_model)
            if row.habits != self._habits.get(key):
                self._keep(key, _known(row.habits))

    def _keep(self, key: Key, habits: dict[str, Any]) -> None:
        self._habits[key] = habits
        while len(self._habits) > MAX_KEYS:
            self._habits.popitem(last=False)


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
