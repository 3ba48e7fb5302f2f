"""The estimators of all models in use: asked before a request, taught after it, shared with other processes.

Nothing of it waits in a request. What this process observed is added to the database every few seconds by one task,
which takes over what others added meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict

from gatewayd.errors import StoreUnavailable
from gatewayd.protocol.estimator import Estimator, Sums
from gatewayd.protocol.tokens import Measure
from gatewayd.store import Store
from gatewayd.store.estimates import EstimateRow, list_estimates, read_estimate, save_estimate

MAX_MODELS = 2_000
_SHARE_SECONDS = 10
_ALWAYS, _SELDOM = 60, 8  # each of the first so many requests is learned from, then one in so many: it costs 50 µs

log = logging.getLogger(__name__)

Key = tuple[str, str]  # gateway id, upstream model


class Estimates:
    def __init__(self) -> None:
        self._estimators: OrderedDict[Key, Estimator] = OrderedDict()  # the least recently used first
        self._turn = 0
        self._read_until = 0  # epoch milliseconds

    def estimate(self, gateway_id: str, upstream_model: str, measure: Measure) -> int:
        """Input tokens, at least 1."""
        return self._of((gateway_id, upstream_model)).estimate(measure)

    def observe(self, gateway_id: str, upstream_model: str, measure: Measure, tokens: int) -> None:
        """The provider counted `tokens`, cached ones included."""
        estimator = self._of((gateway_id, upstream_model))
        self._turn += 1
        if estimator.known.count < _ALWAYS or self._turn % _SELDOM == 0:
            estimator.observe(measure, tokens)

    async def follow(self, store: Store) -> None:
        """Shares until cancelled."""
        while True:
            await asyncio.sleep(_SHARE_SECONDS)
            await self.share(store)

    async def share(self, store: Store) -> None:
        """Adds to the database what this process observed, and reads what others did. With the database away, what was
        observed is kept for the next time."""
        try:
            for key, estimator in list(self._estimators.items()):
                if estimator.fresh.count:
                    await _add(store, key, estimator)
            await self.load(store)
        except StoreUnavailable as error:
            log.warning("what was learned of token counts is not shared yet: %s", error)

    async def load(self, store: Store) -> None:
        now = int(time.time() * 1000)
        async with store.session() as session:
            rows = await list_estimates(session, self._read_until - _SHARE_SECONDS * 1000, MAX_MODELS)
        self._read_until = now
        for row in rows:
            self._of((row.gateway_id, row.upstream_model)).take_over(Sums.from_json(row.sums))

    def _of(self, key: Key) -> Estimator:
        estimator = self._estimators.get(key)
        if estimator is None:
            estimator = self._estimators[key] = Estimator()
            if len(self._estimators) > MAX_MODELS:
                self._estimators.popitem(last=False)
        else:
            self._estimators.move_to_end(key)
        return estimator


async def _add(store: Store, key: Key, estimator: Estimator) -> None:
    fresh = estimator.take_fresh()
    try:
        async with store.write() as session:
            row = await read_estimate(session, *key)
            sums = Sums.from_json(row.sums if row else {})
            sums.add(fresh)
            saved = EstimateRow(*key, sums.to_json(), int(time.time() * 1000))
            await save_estimate(session, saved, new=row is None)
    except StoreUnavailable:
        estimator.fresh.add(fresh)
        raise
    estimator.take_over(sums)
