"""Limits: what a gateway and each of its client tokens may use, and how many exchanges a process holds open.

An exchange that limits hold for has an `Admission`: it takes its slots and charges before the exchange is made, and
gives back, exactly once, what was not used when it has ended. Concurrent exchanges are counted here, per process;
what is counted per minute is in `relay.rates`, imported when first needed. Requests without limits cost one look.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from gatewayd.errors import ConfigurationError, Overloaded, RateLimited
from gatewayd.gateways import ActiveGateway, Limits
from gatewayd.protocol.tokens import Features, unlearned
from gatewayd.relay.record import Record

if TYPE_CHECKING:
    from gatewayd.relay.rates import Rates, Window

MAX_OPEN_EXCHANGES = 10_000  # of one process: at some 50 KB each, half a gigabyte
MAX_RETRY_SECONDS = 60  # Claude Code gives up at once when it is told to wait longer
_BUSY_SECONDS = 5  # nobody knows when one of the running exchanges ends
_CLOSING_SECONDS = 1

Kind = Literal["requests", "tokens"]


@dataclass(frozen=True, slots=True)
class Party:
    """Whom limits hold for. key: unique among all parties; title: in words, for the client."""

    key: str
    title: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class Rule:
    """A limit per minute, and what an exchange takes of it."""

    kind: Kind
    party: Party
    limit: int
    cost: int

    @property
    def counter(self) -> str:
        return f"{self.kind}/{self.party.key}"


@dataclass(frozen=True, slots=True)
class Charge:
    """What was taken, and when (`time.time()`)."""

    rule: Rule
    at: float


class Limiter:
    """The counters of one process. storage: `memory`, or the URL of a Redis or Valkey that replicas share."""

    def __init__(self, storage: str = "memory", max_open: int = MAX_OPEN_EXCHANGES) -> None:
        self._storage = storage
        self._max_open = max_open
        self._rates: Rates | None = None
        self._settling: set[asyncio.Task[None]] = set()
        self.open = 0
        self.running: Counter[str] = Counter()  # by party, where its concurrent exchanges are limited

    @contextmanager
    def room(self) -> Iterator[None]:
        """Around one exchange. Raises Overloaded when the process holds as many as it may."""
        if self.open >= self._max_open:
            raise Overloaded("the gateway serves as many requests as it can at the same time; try again later")
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1

    def admission(self, gateway: ActiveGateway, token: str) -> Admission | None:
        """None where no limit holds."""
        parties = _parties(gateway, token)
        return Admission(self, parties) if parties else None

    @property
    def rates(self) -> Rates:
        if self._rates is None:
            from gatewayd.relay.rates import Rates

            self._rates = Rates(self._storage)
        return self._rates

    @property
    def warning(self) -> str | None:
        """What is wrong without stopping the work."""
        if self._rates is not None and self._rates.alone:
            return "the rate limit storage does not answer; limits hold for each process by itself"
        return None

    def correct(self, amounts: Sequence[tuple[Charge, int]]) -> None:
        """Adds to what was charged, or takes back from it, in a task of its own: the caller may be cancelled."""
        if amounts:
            task = asyncio.get_running_loop().create_task(self._correct(amounts))
            self._settling.add(task)
            task.add_done_callback(self._settling.discard)

    async def _correct(self, amounts: Sequence[tuple[Charge, int]]) -> None:
        for charge, amount in amounts:
            await self.rates.correct(charge.rule.counter, amount, charge.at)

    async def settled(self) -> None:
        """Returns when what has ended until now is settled, or does not get settled in time."""
        if self._settling:
            await asyncio.wait(self._settling, timeout=_CLOSING_SECONDS)

    async def close(self) -> None:
        await self.settled()
        if self._rates is not None:
            await self._rates.close()


class Admission:
    """One exchange that limits hold for: `begin` before it is made, `end` when it has ended, once each.

    headers  Anthropic's, for the answer or the refusal; complete when `begin` has returned or raised
    """

    def __init__(self, limiter: Limiter, parties: Sequence[Party]) -> None:
        self._limiter = limiter
        self._parties = parties
        self._slots: list[str] = []
        self._charges: list[Charge] = []
        self.headers: dict[str, str] = {}

    async def begin(self, features: Features) -> None:
        """Raises RateLimited; then nothing is held or charged, and neither when the caller is cancelled."""
        self._take_slots()
        try:
            await self._charge(_rules(self._parties, features))
        except BaseException:
            self._release()
            self._limiter.correct([(charge, -charge.rule.cost) for charge in self._charges])
            raise

    def end(self, record: Record) -> None:
        """Never waits. The tokens that the record tells replace those that were reserved."""
        self._release()
        used = tokens_used(record)
        if used is not None:
            tokens = [charge for charge in self._charges if charge.rule.kind == "tokens"]
            changes = [(charge, used - charge.rule.cost) for charge in tokens]
            self._limiter.correct([(charge, amount) for charge, amount in changes if amount])

    def _take_slots(self) -> None:
        running = self._limiter.running
        limited = [(party, party.limits.concurrent) for party in self._parties if party.limits.concurrent is not None]
        for party, limit in limited:
            if running[party.key] >= limit:
                raise RateLimited(
                    f"{party.title} may have {limit} requests running at the same time; try again later",
                    retry_after=_BUSY_SECONDS,
                )
        self._slots = [party.key for party, _ in limited]
        running.update(self._slots)

    def _release(self) -> None:
        slots, self._slots = self._slots, []
        running = self._limiter.running
        running.subtract(slots)
        for key in slots:
            if not running[key]:
                del running[key]

    async def _charge(self, rules: Sequence[Rule]) -> None:
        """Takes every rule's cost, or raises RateLimited for the first that does not fit."""
        windows: dict[Kind, Window] = {}
        refused: RateLimited | None = None
        for rule in rules:
            if refused is None:
                taken, window = await self._limiter.rates.take(rule.counter, rule.limit, rule.cost)
                if taken:
                    self._charges.append(Charge(rule, time.time()))
                else:
                    refused, windows[rule.kind] = _refusal(rule, window), window
            else:
                window = await self._limiter.rates.look(rule.counter, rule.limit)
            tightest = windows.setdefault(rule.kind, window)
            if window.remaining < tightest.remaining:
                windows[rule.kind] = window
        self.headers.update(_headers(windows, time.time()))
        if refused is not None:
            raise refused


def check_storage(url: str) -> None:
    """Called at start. ConfigurationError where the client of a shared storage is missing or cannot use the URL."""
    if url.startswith("memory"):
        return
    client = "valkey" if url.startswith("valkey") else "redis"
    if find_spec(client) is None:
        raise ConfigurationError(
            f"GATEWAYD_RATE_LIMIT_STORAGE needs the {client} client; run: pip install 'gatewayd[{client}]'"
        )
    from gatewayd.relay.rates import Rates

    try:
        Rates(url)
    except Exception as error:  # not its text, which may hold the URL with its password
        raise ConfigurationError(
            f"GATEWAYD_RATE_LIMIT_STORAGE cannot be used ({type(error).__name__}); "
            f"write {client}://:PASSWORD@HOST:6379/0"
        ) from None


def tokens_used(record: Record) -> int | None:
    """Of an exchange that has ended; None when nobody knows, so that what was reserved stays."""
    told = (record.input_tokens, record.cache_read, record.cache_write, record.output_tokens)
    if record.usage_source != "estimated" and any(count is not None for count in told):
        return sum(count or 0 for count in told)
    refused = record.outcome in ("error", "refused") and record.status != 200
    return 0 if refused else None


def _parties(gateway: ActiveGateway, token: str) -> list[Party]:
    """The token first: one that is refused for its own limits takes nothing of what all share."""
    limits, token_limits = gateway.gateway.limits, gateway.gateway.token_limits
    parties = []
    if _is_set(token_limits):
        parties.append(Party(f"{gateway.id}/{token}", f"client token {token}", token_limits))
    if _is_set(limits):
        parties.append(Party(gateway.id, f"gateway {gateway.id}", limits))
    return parties


def _is_set(limits: Limits) -> bool:
    return (
        limits.concurrent is not None or limits.requests_per_minute is not None or limits.tokens_per_minute is not None
    )


def _rules(parties: Sequence[Party], features: Features) -> list[Rule]:
    """Requests first: they are the cheaper ones to give back."""
    rules = [
        Rule("requests", party, party.limits.requests_per_minute, 1)
        for party in parties
        if party.limits.requests_per_minute is not None
    ]
    if any(party.limits.tokens_per_minute is not None for party in parties):
        estimate = unlearned(features)
        rules += [
            Rule("tokens", party, party.limits.tokens_per_minute, estimate)
            for party in parties
            if party.limits.tokens_per_minute is not None
        ]
    return rules


def _refusal(rule: Rule, window: Window) -> RateLimited:
    if rule.cost > rule.limit:
        return RateLimited(
            f"the request has about {rule.cost} input tokens, and {rule.party.title} may use {rule.limit} in a minute",
            retry_after=MAX_RETRY_SECONDS,
            should_retry=False,
        )
    seconds = min(MAX_RETRY_SECONDS, int(window.seconds_until(rule.cost)) + 1)
    return RateLimited(
        f"{rule.party.title} may use {rule.limit} {rule.kind} in a minute; try again in {seconds} s",
        retry_after=seconds,
    )


def _headers(windows: dict[Kind, Window], now: float) -> dict[str, str]:
    """Of several limits the tightest; reset: when all of it is free. https://docs.anthropic.com/en/api/rate-limits"""
    headers = {}
    for kind, window in windows.items():
        reset = datetime.fromtimestamp(math.ceil(now + window.seconds_until_empty), UTC)
        headers[f"anthropic-ratelimit-{kind}-limit"] = str(window.limit)
        headers[f"anthropic-ratelimit-{kind}-remaining"] = str(window.remaining)
        headers[f"anthropic-ratelimit-{kind}-reset"] = reset.strftime("%Y-%m-%dT%H:%M:%SZ")
    return headers
