"""The course of one exchange: its attempts, one after another, until a provider takes the request.

Only before the first content, and never without need: a refusal that names its remedy is cured, a connection fault is
tried once more, a short `retry-after` is waited for, then the gateways of `fallback` are tried in turn, each with its
own model map. An upstream whose breaker is open is passed over.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gatewayd.errors import (
    ApiError,
    BillingFailed,
    ConnectionFailed,
    NotFound,
    Overloaded,
    RateLimited,
    TimedOut,
    Unavailable,
    UpstreamFailed,
)
from gatewayd.gateways import ActiveGateway, Pause
from gatewayd.protocol.events import Event
from gatewayd.protocol.seal import Seal
from gatewayd.protocol.tokens import Features
from gatewayd.relay.attempt import Attempt, Target
from gatewayd.relay.breaker import Breakers
from gatewayd.relay.estimates import Estimates
from gatewayd.relay.learned import Learned
from gatewayd.relay.limits import MAX_RETRY_SECONDS
from gatewayd.relay.tape import Tape
from gatewayd.relay.timeline import Timeline
from gatewayd.upstream import Upstreams

MAX_CHANGES = 3  # of the dialect, for one request
MAX_ATTEMPTS = 4  # beside those that cure a refusal
MAX_WAIT = 2  # seconds of a provider's `retry-after` that are waited for here

_ELSEWHERE = (UpstreamFailed, TimedOut, Overloaded, RateLimited, BillingFailed)  # another provider may do better


@dataclass(frozen=True, slots=True)
class Means:
    """What the courses of all exchanges share."""

    upstreams: Upstreams
    seal: Seal
    learned: Learned
    estimates: Estimates
    breakers: Breakers


class Course:
    """gateways: all that are served, for `fallback`. Raises ApiError where the first attempt cannot be made at all.

    attempt    the current one
    attempts   how many were made so far
    started    message_start has been sent: a following attempt does not send it again
    timeline   of all attempts
    tape       is given what the provider says, where that may have to be stored
    """

    def __init__(
        self,
        means: Means,
        gateway: ActiveGateway,
        gateways: Mapping[str, ActiveGateway],
        request: dict[str, Any],
        features: Features,
        tape: Tape | None = None,
    ) -> None:
        self._means = means
        self._request = request
        self.timeline = Timeline(time.monotonic())
        self.tape = tape
        self._features = features
        self._message_id = f"msg_{secrets.token_hex(12)}"
        self._others = [gateways[name] for name in gateway.gateway.fallback if name in gateways]
        self._again = {ConnectionFailed: True, RateLimited: True, Overloaded: True}  # may be tried once more
        self._cures = 0
        self._changed: set[str] = set()  # habits, each once in a request
        self._refused: list[bytes] = []  # bodies, none of which is sent again
        self.started = False
        self.attempts = 0
        self._answered: list[tuple[str, int]] = []  # by earlier attempts
        self.attempt = self._attempt_at(self._choose(gateway))

    async def events(self) -> AsyncIterator[list[Event]]:
        """The events of the attempt that is taken."""
        while True:
            self.attempts += 1
            taken, following = False, None
            try:
                self._pass_breaker()
                async for events in self.attempt.events(self._means.upstreams):
                    error = self.attempt.answer.error
                    if error is not None and not self.attempt.answer.opened:
                        following = await self._after(error)
                    elif not taken:
                        self._take()
                        taken = True
                    if following is None:
                        yield events
            except ApiError as error:
                following = await self._after(error)
                if following is None:
                    raise
            except (asyncio.CancelledError, GeneratorExit):
                self._means.breakers.left(self._upstream)
                raise
            if following is None:
                return
            self.attempt.close()
            self._answered = self.statuses
            if self.started:
                following.answer.start()
            self.attempt = following

    async def _after(self, error: ApiError) -> Attempt | None:
        """What follows a failure: nothing, once a block of the answer has begun."""
        self._count_failure(error)
        self.timeline.add("failed", time.monotonic(), error.type)
        return None if self.attempt.answer.opened else await self._following(error)

    def observe(self, tokens: int) -> None:
        """The provider counted the request's tokens."""
        target = self.attempt.target
        self._means.estimates.observe(target.gateway.id, target.upstream_model, self._features, tokens)

    @property
    def request(self) -> dict[str, Any]:
        """The client's, validated."""
        return self._request

    @property
    def statuses(self) -> list[tuple[str, int]]:
        """Gateway and status of each answer that a provider gave."""
        call = self.attempt.call
        return self._answered if call is None else [*self._answered, (self.attempt.target.gateway.id, call.status)]

    def timed_out(self) -> None:
        """The provider said nothing in time."""
        self._means.breakers.failed(self._upstream)

    @property
    def _upstream(self) -> str:
        gateway = self.attempt.target.gateway
        return f"{gateway.id} {gateway.gateway.upstream.base_url}"

    def _pass_breaker(self) -> None:
        wait = min(MAX_RETRY_SECONDS, math.ceil(self._means.breakers.wait(self._upstream)))
        if wait:
            raise Overloaded("the provider has failed again and again and is left alone for a while", retry_after=wait)

    def _take(self) -> None:
        """The provider took the request. What was changed for it helped."""
        target = self.attempt.target
        self._means.breakers.succeeded(self._upstream)
        self._refused.clear()  # an answer may last an hour; bodies are large
        if target.changes:
            self._means.learned.remember(target.gateway, target.upstream_model, list(target.changes))
            self.attempt.target = replace(target, changes=())

    def _count_failure(self, error: ApiError) -> None:
        """A provider that answers, if only to refuse, is well."""
        if isinstance(error, (UpstreamFailed, TimedOut, Overloaded)) and error.should_retry is not False:
            self._means.breakers.failed(self._upstream)
        else:
            self._means.breakers.succeeded(self._upstream)

    async def _following(self, error: ApiError) -> Attempt | None:
        if (cured := await self._cured()) is not None:
            return cured
        if self.attempts - self._cures >= MAX_ATTEMPTS:
            return None
        if isinstance(error, ConnectionFailed) and self._again.pop(ConnectionFailed, False):
            return self._attempt_at(self.attempt.target)
        if isinstance(error, _ELSEWHERE) and (elsewhere := self._fallen_back()) is not None:
            return elsewhere
        wait = error.retry_after
        if wait is not None and wait <= MAX_WAIT and self._again.pop(type(error), False):
            await asyncio.sleep(wait)
            return self._attempt_at(self.attempt.target)
        return None

    async def _cured(self) -> Attempt | None:
        """The attempt that does what the refusal asked for, where that makes another request of it.

        A change whose refusal is told again in the same words did not help: it is taken back, unless this one builds
        on it. Translated in a thread: a document takes long enough to hold up everybody else.
        """
        if self._cures == MAX_CHANGES:
            return None
        target, remedy = self.attempt.target, self.attempt.remedy()
        if remedy is None or remedy.habit in self._changed:
            return None
        self._changed.add(remedy.habit)
        self._refused.append(self.attempt.body)
        so_far = target.changes
        in_vain = bool(so_far) and so_far[-1].reason == remedy.reason
        for kept in (so_far[:-1], so_far) if in_vain else (so_far,):
            following = await asyncio.to_thread(self._attempt_at, target.changed((*kept, remedy)))
            if following.body not in self._refused:
                self._cures += 1
                return following
        return None

    def _fallen_back(self) -> Attempt | None:
        """The attempt at the next gateway that can serve the request."""
        while self._others:
            try:
                following = self._attempt_at(self._choose(self._others.pop(0)))
            except ApiError:
                continue  # it is paused, lacks its secret or the model, or cannot take this request
            following.notes.add("fallback.used", following.target.gateway.id)
            return following
        return None

    def _attempt_at(self, target: Target) -> Attempt:
        estimate = self._means.estimates.estimate(target.gateway.id, target.upstream_model, self._features)
        seal, message_id = self._means.seal, self._message_id
        return Attempt(target, self._request, seal, estimate, message_id, self.timeline, self.tape)

    def _choose(self, gateway: ActiveGateway) -> Target:
        """Raises Unavailable where the gateway is paused or lacks its secret, NotFound where no row has the model."""
        model = self._request["model"]
        if gateway.pause is not None:
            _refuse_paused(gateway.id, gateway.pause, time.time())
        if gateway.missing_secret is not None:
            raise Unavailable(f"secret {gateway.missing_secret} is not set", should_retry=False)
        route = gateway.gateway.route(model)
        if route is None:
            raise NotFound(f"model: {model}")
        upstream_model = route.upstream_model or model
        dialect, habits = self._means.learned.dialect(gateway, upstream_model)
        return Target(gateway, route, upstream_model, dialect, dialect, tuple(habits))


def _refuse_paused(gateway_id: str, pause: Pause, now: float) -> None:
    """Raises Unavailable until the pause is over. A client is told to try again only where that will help soon."""
    left = None if pause.until is None else pause.until - now
    if left is not None and left <= 0:
        return
    soon = left is not None and left <= MAX_RETRY_SECONDS
    raise Unavailable(
        f"gateway {gateway_id} is paused: {pause.reason}",
        retry_after=math.ceil(left) if left is not None and soon else None,
        should_retry=None if soon else False,
    )
