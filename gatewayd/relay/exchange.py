"""One exchange: run its course, answer, record.

Rules: no database, no lock, no task per chunk. The HTTP status is decided before the first byte: until then failures
are raised, afterwards they are `error` events. One watcher per exchange keeps the clock: it ends what takes too long
and breaks the silence. The upstream call is closed whatever happens, also when the client leaves and the handler is
cancelled.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Protocol

from gatewayd.errors import ApiError, Overloaded, TimedOut, UpstreamFailed
from gatewayd.gateways import ActiveGateway
from gatewayd.protocol import sse
from gatewayd.protocol.chat.told import fold_told
from gatewayd.protocol.events import Event
from gatewayd.protocol.fold import Fold
from gatewayd.protocol.tokens import Features
from gatewayd.relay.attempt import Attempt
from gatewayd.relay.course import Course, Means
from gatewayd.relay.record import By, Record
from gatewayd.relay.recording import Recording
from gatewayd.relay.repair import repair_json
from gatewayd.relay.timing import Timing
from gatewayd.relay.traffic import Traffic
from gatewayd.store.bodies import Bodies

Emit = Callable[[list[Event]], Awaitable[None]]


class Reply(Protocol):
    """The client's side of a streamed answer."""

    async def start(self, notes: list[str]) -> None:
        """Commits to status 200."""

    async def send(self, data: bytes) -> None:
        """Returns when the data has been handed to the network."""

    def abort(self) -> None:
        """Drops the connection: the client has stopped reading."""


class Relay:
    """What all exchanges share.

    record     is called once for each exchange, when it has ended; it must not block
    recording  which exchanges leave their bodies
    """

    def __init__(
        self,
        means: Means,
        record: Callable[[Record], None],
        timing: Timing | None = None,
        recording: Recording | None = None,
    ) -> None:
        self.means = means
        self.record = record
        self.recording = recording or Recording()
        self.timing = timing or Timing()
        self.traffic = Traffic()

    def exchange(
        self,
        gateway: ActiveGateway,
        gateways: Mapping[str, ActiveGateway],
        request: dict[str, Any],
        features: Features,
        record: Record,
    ) -> Exchange:
        """A translated request, ready to be sent. Raises ApiError where it cannot be."""
        try:
            return Exchange(self, gateway, gateways, request, features, record)
        except ApiError as error:
            record.close(error)
            self.record(record)
            raise


class Exchange:
    def __init__(
        self,
        relay: Relay,
        gateway: ActiveGateway,
        gateways: Mapping[str, ActiveGateway],
        request: dict[str, Any],
        features: Features,
        record: Record,
    ) -> None:
        self._began = self._last_sent = time.monotonic()
        self._relay = relay
        self._timing = relay.timing
        self._record = record
        self._reply: Reply | None = None
        self._committed = False
        self._gateway = gateway
        self._course = Course(relay.means, gateway, gateways, request, features, relay.recording.tape(gateway))
        self._fold = Fold(repair_json) if relay.recording.may_want(gateway) else None  # what was sent, to be stored
        self._sending_since: float | None = None
        self._expired: ApiError | None = None
        self._scope: asyncio.Timeout | None = None
        self._stalled = False  # the client takes nothing
        self._enough = False  # the answer is whole but for its usage, which does not come

    @property
    def _attempt(self) -> Attempt:
        return self._course.attempt

    @property
    def notes(self) -> list[str]:
        return self._attempt.notes.codes()

    @property
    def upstream_request(self) -> bytes:
        """What went, or would go, to the provider: the latest attempt's body."""
        return self._attempt.body

    async def message(self) -> dict[str, Any]:
        """The whole answer as a Message. Raises ApiError."""
        fold = self._fold = self._fold or Fold(repair_json)

        async def emit(events: list[Event]) -> None:
            fold.add(events)

        await self._recorded(emit)
        return fold.message

    async def stream(self, reply: Reply) -> None:
        """Sends the answer as it comes. Raises ApiError as long as nothing has been sent; later failures are sent."""
        self._reply = reply
        await self._recorded(self._send)

    def end(self, error: ApiError) -> None:
        """Ends the exchange now with an error."""
        if self._scope is not None:
            self._expired = error
            self._scope.reschedule(asyncio.get_running_loop().time())

    async def _recorded(self, emit: Emit) -> None:
        error: ApiError | None = None
        try:
            self._relay.traffic.add(self)
            await self._bounded(emit)
            error = self._attempt.answer.error
        except ApiError as raised:
            error = raised
            if self._stalled and self._reply is not None:
                self._record.outcome = "cancelled"
                self._reply.abort()
            elif self._committed:
                await self._send(self._attempt.answer.fail(raised))
            else:
                raise
        except asyncio.CancelledError:
            self._record.outcome = "cancelled"
            raise
        except Exception:
            error = ApiError("internal error")  # a defect of ours, which is no success
            self._record.aborted_by = "gateway" if self._committed else ""
            raise
        finally:
            self._relay.traffic.remove(self)
            self._close_record(error)
        if error is not None and not self._committed:
            raise error

    async def _bounded(self, emit: Emit) -> None:
        """Runs the attempt under the watcher's eyes and closes it."""
        try:
            async with asyncio.timeout(None) as scope:
                self._scope = scope
                watcher = asyncio.get_running_loop().create_task(self._watch(scope))
                try:
                    async for events in self._course.events():
                        await self._emit(emit, events)
                finally:
                    watcher.cancel()
                    self._attempt.close()
        except TimeoutError:
            self._scope = None
            if self._enough:
                await self._emit(emit, self._attempt.answer.finish())
            elif self._expired is not None:
                if self._record.ttft_ms is None and isinstance(self._expired, TimedOut):
                    self._course.timed_out()
                raise self._expired from None
            else:
                raise UpstreamFailed("the connection to the provider was lost") from None

    async def _emit(self, emit: Emit, events: list[Event]) -> None:
        if self._record.ttft_ms is None and events and events[0][0] != "error":
            now, attempt = time.monotonic(), self._attempt
            self._record.ttft_ms = int((now - self._began) * 1000)
            if self._course.attempts == 1:
                self._record.overhead = attempt.built_at - self._began + now - attempt.last_piece
        if self._attempt.answer.error is None or self._committed:
            self._course.timeline.emitted(events, self._attempt.last_piece)
            await emit(events)

    async def _send(self, events: list[Event]) -> None:
        """One send for all events of one read."""
        assert self._reply is not None
        if not self._committed:
            self._committed = self._course.started = True
            await self._reply.start(self.notes)
        if self._fold is not None:
            self._fold.add(events)
        self._sending_since = time.monotonic()
        await self._reply.send(b"".join([sse.encode(name, payload) for name, payload in events]))
        self._sending_since = None
        self._last_sent = time.monotonic()

    async def _watch(self, scope: asyncio.Timeout) -> None:
        while True:
            await asyncio.sleep(self._timing.tick)
            now = time.monotonic()
            finished_at = self._attempt.finished_at
            self._expired = self._overdue(now)
            self._enough = finished_at is not None and now - finished_at >= self._timing.usage
            if self._expired is not None or self._enough:
                scope.reschedule(asyncio.get_running_loop().time())
                return
            if self._reply is not None and self._sending_since is None:
                await self._break_silence(now)

    def _overdue(self, now: float) -> ApiError | None:
        limits = self._attempt.target.gateway.gateway.upstream.timeouts
        if now - self._began >= limits.total:
            return TimedOut(f"the answer took longer than {limits.total:g} s in all")
        if self._record.ttft_ms is None and now - self._began >= limits.first_byte:
            return TimedOut(f"the provider sent nothing for {limits.first_byte:g} s")
        if self._sending_since is not None and now - self._sending_since >= self._timing.write_stall:
            self._stalled = True
            return TimedOut("the client stopped reading")
        silent = now - self._attempt.last_piece >= limits.idle
        if silent and self._record.ttft_ms is not None and self._sending_since is None:
            return TimedOut(f"the provider fell silent for {limits.idle:g} s")
        return None

    async def _break_silence(self, now: float) -> None:
        if not self._committed:
            if now - self._began >= self._timing.commit:
                await self._send(self._attempt.answer.start())
            return
        if now - self._last_sent >= self._timing.ping:
            hold = self._attempt.may_think and now - self._attempt.last_piece >= self._timing.hold
            events = self._attempt.answer.keep_alive(open_thinking=hold)
            if events:
                self._course.timeline.emitted(events, now)
                await self._send(events)

    def _close_record(self, error: ApiError | None) -> None:
        record, attempt = self._record, self._attempt
        record.notes, record.attempts = self.notes, self._course.attempts
        record.upstream_model = attempt.target.upstream_model
        if attempt.target.gateway.id != record.gateway:
            record.fallback = attempt.target.gateway.id
        if error is None and record.outcome != "cancelled":
            record.outcome, record.stop_reason = "ok", attempt.answer.stop_reason
        self._record_usage()
        record.close(error, committed=self._committed or error is None)
        record.upstream_statuses = self._course.statuses
        record.timeline = self._course.timeline.text()
        record.aborted_by = record.aborted_by or self._aborted_by(error)
        self._record_bodies()
        self._relay.record(record)

    def _aborted_by(self, error: ApiError | None) -> By:
        """Who ended the stream before its end."""
        if not self._committed or self._record.outcome == "ok":
            return ""
        if self._record.outcome == "cancelled":
            return "client"
        return "drain" if isinstance(error, Overloaded) and error is self._expired else "upstream"

    def _record_usage(self) -> None:
        record, attempt = self._record, self._attempt
        usage = attempt.answer.usage
        if usage is not None:
            record.usage_source = "told"
            record.input_tokens, record.cache_read, record.cache_write, record.output_tokens, reasoning = usage
            record.reasoning_tokens = reasoning
            self._course.observe(usage.input + usage.cache_read + usage.cache_write)
            price = attempt.target.route.price
            record.cost_nano = None if price is None else price.cost(usage)
        elif record.ttft_ms is not None and attempt.answer.error is None:
            record.usage_source, record.input_tokens = "estimated", attempt.estimate

    def _record_bodies(self) -> None:
        record, key = self._record, self._attempt.target.gateway.api_key
        if self._fold is None or not (why := self._relay.recording.wants(self._gateway, record.outcome)):
            return
        tape = self._course.tape
        record.bodies = Bodies(
            request=self._course.request,
            upstream=self._attempt.body if record.attempts else None,
            answer=self._fold.cut() or None,
            told=partial(fold_told, tape.pieces, tape.omitted) if tape is not None and tape.size else None,
            told_bytes=tape.size if tape is not None else 0,
            notes=[(note.code, note.text) for note in self._attempt.notes],
            secrets=[secret for secret in (key, self._gateway.api_key) if secret],
            captured=why == "capture",
        )
