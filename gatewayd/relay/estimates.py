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
from gatewayd.protocol.estimator import NOTHING, Estimator, Statistics, read_statistics
from gatewayd.protocol.tokens import Features
from gatewayd.store import Store
from gatewayd.store.estimates import EstimateRow, list_estimates, read_estimate, save_estimate

MAX_MODELS = 2_000
_SHARE_SECONDS = 10
_ALWAYS, _SELDOM = 60, 8  # each of the first so many requests is learned from, then one in so many: it costs 0.13 ms

log = logging.getLogger(__name__)

Key = tuple[str, str]  # gateway id, upstream model


class _Model:
    """known: what was learned so far, anywhere; fresh: what this process learned and has not shared."""

    __slots__ = ("_known", "estimator", "fresh")

    def __init__(self) -> None:
        self.fresh, self._known = NOTHING, NOTHING
        self.estimator = Estimator()

    @property
    def seen(self) -> int:
        return self._known.seen

    def observe(self, features: Features, tokens: int) -> None:
        report = self.estimator.learn(features, tokens)
        self.fresh = self.fresh.plus(report)
        self._know(self._known.plus(report).bounded())

    def take_over(self, shared: Statistics) -> None:
        """What all processes have shared so far; what this one learned since then is added."""
        self._know(shared.plus(self.fresh))

    def _know(self, known: Statistics) -> None:
        self._known, self.estimator = known, Estimator(known)


class Estimates:
    def __init__(self) -> None:
        self._models: OrderedDict[Key, _Model] = OrderedDict()  # the least recently used first
        self._turn = 0
        self._read_until = 0  # epoch milliseconds

    def estimate(self, gateway_id: str, upstream_model: str, features: Features) -> int:
        """Input tokens, at least 1."""
        return self._of((gateway_id, upstream_model)).estimator.estimate(features)

    def observe(self, gateway_id: str, upstream_model: str, features: Features, tokens: int) -> None:
        """The provider counted `tokens`, cached ones included."""
        model = self._of((gateway_id, upstream_model))
        self._turn += 1
        if model.seen < _ALWAYS or self._turn % _SELDOM == 0:
            model.observe(features, tokens)

    async def follow(self, store: Store) -> None:
        """Shares until cancelled."""
        while True:
            await asyncio.sleep(_SHARE_SECONDS)
            await self.share(store)

    async def share(self, store: Store) -> None:
        """Adds to the database what this process observed, and reads what others did. With the database away, what was
        observed is kept for the next time."""
        try:
            for key, model in list(self._models.items()):
                if model.fresh.seen:
                    await _add(store, key, model)
            await self.load(store)
        except StoreUnavailable as error:
            log.warning("what was learned of token counts is not shared yet: %s", error)

    async def load(self, store: Store) -> None:
        now = int(time.time() * 1000)
        async with store.session() as session:
            rows = await list_estimates(session, self._read_until - _SHARE_SECONDS * 1000, MAX_MODELS)
        self._read_until = now
        for row in rows:
            self._of((row.gateway_id, row.upstream_model)).take_over(read_statistics(row.sums))

    def _of(self, key: Key) -> _Model:
        model = self._models.get(key)
        if model is None:
            model = self._models[key] = _Model()
            if len(self._models) > MAX_MODELS:
                self._models.popitem(last=False)
        else:
            self._models.move_to_end(key)
        return model


async def _add(store: Store, key: Key, model: _Model) -> None:
    fresh, model.fresh = model.fresh, NOTHING
    try:
        async with store.write() as session:
            row = await read_estimate(session, *key)
            shared = (read_statistics(row.sums) if row else NOTHING).plus(fresh).bounded()
            await save_estimate(session, EstimateRow(*key, shared.to_json(), int(time.time() * 1000)), new=row is None)
    except StoreUnavailable:
        model.fresh = model.fresh.plus(fresh)
        raise
    model.take_over(shared)
