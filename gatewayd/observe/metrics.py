"""Prometheus metrics of this process, and of its fellow workers where there are any. The names are public.

* Fed by the one record of each exchange; what stands at a moment (in flight, queued, configuration) is sampled.
* No label holds a token, a session or a user. Model names come from clients: MODELS of them, the others are `other`.
* With several workers each writes its own files in a shared folder, and whichever is asked adds up all of them.
"""

from __future__ import annotations

import logging
import platform
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from gatewayd import __version__
from gatewayd.observe.shared_metrics import reserve_files, shared_folder

MODELS = 100
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600)
_OVERHEAD_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)
_FILES = {"counter": 256, "histogram": 256, "gauge_livesum": 16, "gauge_livemax": 16, "gauge_livemin": 16}  # KiB
_READ_AGAIN = 3  # a worker that just began has files without a head

log = logging.getLogger(__name__)
disable_created_metrics()  # they would double the counters' names


class Ended(Protocol):
    """What is read of an exchange's record."""

    gateway: str
    model: str
    upstream_model: str
    stream: bool
    attempts: int
    duration_ms: int
    ttft_ms: int | None
    overhead: float | None
    input_tokens: int | None
    output_tokens: int | None
    cache_read: int | None
    cache_write: int | None
    reasoning_tokens: int | None
    cost_nano: int | None
    notes: list[str]
    upstream_statuses: list[tuple[str, int]]

    @property
    def outcome(self) -> str: ...

    @property
    def aborted_by(self) -> str: ...


@dataclass(frozen=True, slots=True)
class State:
    """What stands at this moment in this process; log_dropped: since it began; applied_at: epoch seconds."""

    inflight: int = 0
    log_queue: int = 0
    log_dropped: int = 0
    revision: int = 0
    applied_well: bool = True
    applied_at: float = 0
    drifted: int = 0
    conflicts: int = 0
    flaps: int = 0


class Names:
    """The first values become labels as they are, all others `other`."""

    def __init__(self, most: int = MODELS) -> None:
        self._most = most
        self._known: dict[str, str] = {}

    def label(self, name: str) -> str:
        known = self._known.get(name)
        if known is not None:
            return known
        if len(self._known) >= self._most:
            return "other"
        label = self._known[name] = name[:128].encode("utf-8", "replace").decode()
        return label


class Metrics:
    """state: what is sampled when the metrics are read, and by `sample`."""

    def __init__(self, state: Callable[[], State] = State) -> None:
        self.state = state
        self._dropped = 0
        self._models, self._upstream_models = Names(), Names()
        self._series: dict[tuple[str, str, str], _Series] = {}
        self._folder = shared_folder()
        if self._folder is not None:
            reserve_files(self._folder, _FILES)
        registry = self._registry = CollectorRegistry()
        by_model = ("gateway", "model", "upstream_model")

        def counter(name: str, help_text: str, labels: Sequence[str] = ()) -> Counter:
            return Counter(f"gatewayd_{name}", help_text, labels, registry=registry)

        def histogram(name: str, help_text: str, labels: Sequence[str], buckets: Iterable[float]) -> Histogram:
            return Histogram(f"gatewayd_{name}", help_text, labels, buckets=tuple(buckets), registry=registry)

        self.requests = counter("requests", "Exchanges that have ended.", (*by_model, "outcome", "stream"))
        self.duration = histogram(
            "request_duration_seconds", "From a request to the end of its answer.", ("gateway", "model"), _SECONDS
        )
        self.first_token = histogram(
            "time_to_first_token_seconds", "From a request to the first of its answer.", ("gateway", "model"), _SECONDS
        )
        self.overhead = histogram(
            "overhead_seconds",
            "What the gateway itself takes until the first of an answer, the provider's time left out.",
            ("gateway",),
            _OVERHEAD_SECONDS,
        )
        self.tokens = counter(
            "tokens", "Tokens; input is without what was cached, reasoning is a part of output.", (*by_model, "type")
        )
        self.cost = counter("cost_usd", "US dollars, of models with a price.", by_model)
        self.responses = counter("upstream_responses", "Answers of providers.", ("gateway", "status_class"))
        self.retries = counter("upstream_retries", "Attempts beyond the first of an exchange.", ("gateway",))
        self.aborts = counter("stream_aborts", "Streams that ended early, and who ended them.", ("gateway", "by"))
        self.notes = counter("conversion_notes", "What translations dropped, changed or mended.", ("kind",))
        self.log_dropped = counter("log_dropped", "Rows that the request log has lost.")
        self._add_gauges(registry)

    def _add_gauges(self, registry: CollectorRegistry) -> None:
        def total(name: str, help_text: str) -> Gauge:
            return Gauge(f"gatewayd_{name}", help_text, registry=registry, multiprocess_mode="livesum")

        def highest(name: str, help_text: str, labels: Sequence[str] = ()) -> Gauge:
            return Gauge(f"gatewayd_{name}", help_text, labels, registry=registry, multiprocess_mode="livemax")

        self._inflight = total("inflight_requests", "Exchanges under way.")
        self._queue = total("log_queue_depth", "Rows that wait for the request log.")
        self._revision = highest("config_revision", "Revision of the configuration that serves.")
        self._applied_well = Gauge(
            "gatewayd_config_last_apply_successful", "1: the configuration files were taken as they are.",
            registry=registry, multiprocess_mode="livemin",
        )  # fmt: skip
        self._applied_well.set(1)  # until the first sample: the lowest of all workers counts
        self._applied_at = highest(
            "config_last_apply_timestamp_seconds", "When configuration files were last taken; 0: never."
        )
        self._drifted = highest("config_drifted_records", "Records that were changed since their file was applied.")
        self._conflicts = highest("config_conflicts", "Records changed both here and in their file.")
        self._flaps = highest(
            "config_flaps", "How often content came back that another host had replaced less than 15 minutes before."
        )
        build = highest("build_info", "1; the labels say what runs.", ("version", "python"))
        build.labels(__version__, platform.python_version()).set(1)

    def observe(self, record: Ended) -> None:
        """Counts an exchange that has ended. Never raises: the exchange would fail for it."""
        try:
            self._observe(record)
        except (OSError, ValueError, BufferError) as error:
            log.error("metrics cannot be written: %s", type(error).__name__)

    def _observe(self, record: Ended) -> None:
        gateway = record.gateway
        key = (gateway, self._models.label(record.model), self._upstream_models.label(record.upstream_model))
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = _Series(self, key)
        series.count(record)
        for name, status in record.upstream_statuses:
            self.responses.labels(name, f"{status // 100}xx").inc()
        if record.attempts > 1:
            self.retries.labels(gateway).inc(record.attempts - 1)
        if record.aborted_by:
            self.aborts.labels(gateway, record.aborted_by).inc()
        for kind in record.notes:
            self.notes.labels(kind).inc()

    def sample(self) -> None:
        """Takes over what stands at this moment."""
        state = self.state()
        self._inflight.set(state.inflight)
        self._queue.set(state.log_queue)
        self.log_dropped.inc(state.log_dropped - self._dropped)
        self._dropped = state.log_dropped
        self._revision.set(state.revision)
        self._applied_well.set(state.applied_well)
        self._applied_at.set(state.applied_at)
        self._drifted.set(state.drifted)
        self._conflicts.set(state.conflicts)
        self._flaps.set(state.flaps)

    def render(self) -> bytes:
        """The text for Prometheus, of all workers. May be called in a thread, after `sample`."""
        if self._folder is None:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self._folder))
        for left in reversed(range(_READ_AGAIN)):
            try:
                return generate_latest(registry)
            except (struct.error, ValueError, FileNotFoundError):
                if not left:
                    raise
        raise AssertionError("unreachable")


class _Series:
    """The children of one gateway and model, looked up once."""

    def __init__(self, metrics: Metrics, key: tuple[str, str, str]) -> None:
        self._requests = metrics.requests
        self._key = key
        self._ended: dict[tuple[str, bool], Counter] = {}
        self._duration = metrics.duration.labels(*key[:2])
        self._first_token = metrics.first_token.labels(*key[:2])
        self._overhead = metrics.overhead.labels(key[0])
        self._cost = metrics.cost.labels(*key)
        self._tokens = [
            metrics.tokens.labels(*key, kind) for kind in ("input", "output", "cache_read", "cache_write", "reasoning")
        ]

    def count(self, record: Ended) -> None:
        end = (record.outcome, record.stream)
        ended = self._ended.get(end)
        if ended is None:
            ended = self._ended[end] = self._requests.labels(*self._key, end[0], "true" if end[1] else "false")
        ended.inc()
        self._duration.observe(record.duration_ms / 1000)
        if record.ttft_ms is not None:
            self._first_token.observe(record.ttft_ms / 1000)
        if record.overhead is not None:
            self._overhead.observe(record.overhead)
        amounts = (
            record.input_tokens, record.output_tokens, record.cache_read, record.cache_write, record.reasoning_tokens,
        )  # fmt: skip
        for counter, amount in zip(self._tokens, amounts, strict=True):
            if amount:
                counter.inc(amount)
        if record.cost_nano:
            self._cost.inc(record.cost_nano / 1e9)
