"""One attempt: a request translated for one provider's dialect, its call, and the answer so far.

An exchange makes one attempt, or several one after another while nothing of an answer has come out; all of them share
the message id, and a `message_start` that has been sent is not sent again.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import orjson

from gatewayd.errors import ApiError, UpstreamFailed
from gatewayd.gateways import ActiveGateway, ModelRoute
from gatewayd.protocol.answer import Answer
from gatewayd.protocol.chat.dialects import Dialect
from gatewayd.protocol.chat.errors import read_error
from gatewayd.protocol.chat.reader import ChatReader
from gatewayd.protocol.chat.refusals import Change, read_refusal
from gatewayd.protocol.chat.request import build_request
from gatewayd.protocol.events import Event
from gatewayd.protocol.notes import Notes
from gatewayd.protocol.seal import Seal
from gatewayd.protocol.writer import Writer
from gatewayd.relay.documents import pdf_text
from gatewayd.relay.repair import repair_json
from gatewayd.relay.tape import Tape
from gatewayd.relay.timeline import Timeline
from gatewayd.upstream import Call, Upstreams


@dataclass(frozen=True, slots=True)
class Target:
    """Where an attempt goes: a gateway, the row of its model map, the dialect as it is known by now.

    known     the dialect before `changes`
    learned   habits of the dialect that a refusal taught before
    changes   habits that were changed for this request, and not proven yet
    """

    gateway: ActiveGateway
    route: ModelRoute
    upstream_model: str
    dialect: Dialect
    known: Dialect
    learned: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()

    def changed(self, changes: tuple[Change, ...]) -> Target:
        """The same with these changes and no others."""
        dialect = self.known.with_capabilities({change.habit: change.value for change in changes})
        return replace(self, dialect=dialect, changes=changes)


class Attempt:
    """request: the client's, validated; estimate: its input tokens; message_id, timeline, tape: the exchange's."""

    def __init__(
        self,
        target: Target,
        request: dict[str, Any],
        seal: Seal,
        estimate: int,
        message_id: str,
        timeline: Timeline,
        tape: Tape | None = None,
    ) -> None:
        self.target = target
        self._timeline = timeline
        self._tape = tape
        self.notes = Notes()
        self._estimate = estimate
        for habit in (*target.learned, *(change.habit for change in target.changes)):
            self.notes.add(f"learned.{habit}", "the provider refused another form")
        chat = build_request(
            request,
            upstream_model=target.upstream_model,
            dialect=target.dialect,
            notes=self.notes,
            max_output_tokens=target.route.max_output_tokens,
            vision=target.route.vision,
            server_tools=target.gateway.gateway.server_tools,
            unseal=seal.unseal,
            read_pdf=pdf_text,
        )
        self.may_think = chat.thinking
        self.body = orjson.dumps(chat.body)
        self._told: list[tuple[int, Any]] = []  # status and body of the provider's error
        reader = ChatReader(target.dialect, partial(_told_error, target, estimate, self._told, 200), chat.stops)
        writer = Writer(
            message_id=message_id,
            model=request["model"],
            input_tokens=estimate,
            new_tool_id=lambda: f"toolu_{secrets.token_hex(12)}",
            seal=seal,
            notes=self.notes,
            used_tool_ids=chat.tool_ids,
            tool_names=chat.tool_names,
            single_call=chat.single_call,
            repair=repair_json,
        )
        self.answer = Answer(reader, writer, chat.local_stops)
        self.call: Call | None = None
        self.built_at = self.last_piece = time.monotonic()  # last_piece: when the provider was last heard
        self.finished_at: float | None = None  # when the finish_reason came: only usage may follow

    def remedy(self) -> Change | None:
        """What the provider's refusal asks to change."""
        if not self._told:
            return None
        status, told = self._told[0]
        change = read_refusal(status, told, self.target.dialect, orjson.loads(self.body))
        return change and replace(change, reason=_without_key(self.target, change.reason))

    async def events(self, upstreams: Upstreams) -> AsyncIterator[list[Event]]:
        """Calls the provider; yields the events of each read that has any. Raises ApiError."""
        self._timeline.attempt(self.target.gateway.id, time.monotonic())
        call = self.call = await upstreams.open(self.target.gateway, self.body)
        self._timeline.add("status", time.monotonic(), str(call.status))
        if self._tape is not None:
            self._tape.rewind()
        if not 200 <= call.status < 300:
            raise await self._refusal(call)
        answer = self.answer
        async for piece in call.pieces():
            now = self.last_piece = time.monotonic()
            self._timeline.heard(now)
            if self._tape is not None:
                self._tape.add(piece)
            events = answer.feed(piece)
            if events:
                yield events
            if answer.ended:
                return
            if answer.finished and self.finished_at is None:
                self.finished_at = now
        yield answer.finish()

    @property
    def estimate(self) -> int:
        """Of the request's input tokens."""
        return self._estimate

    def close(self) -> None:
        """Gives the call up, whatever state it is in. Never waits."""
        if self.call is not None:
            self.call.close(whole=self.answer.whole)

    async def _refusal(self, call: Call) -> ApiError:
        if call.status < 400:
            return UpstreamFailed(
                f"the provider answered with a redirect (status {call.status}), which is not followed",
                should_retry=False,
            )
        told = await call.read_error()
        if self._tape is not None:
            self._tape.add(told)
        return _told_error(self.target, self._estimate, self._told, call.status, told, call.retry_after)


def _told_error(
    target: Target, estimate: int, kept: list[tuple[int, Any]], status: int, told: Any, retry_after: str | None = None
) -> ApiError:
    """A provider's error as ours, without the key that it may repeat. `kept` is given what was told."""
    kept.append((status, told))
    window = target.route.context_window
    error = read_error(status, told, context_window=window, estimate=estimate, retry_after=retry_after)
    error.message = _without_key(target, error.message)
    return error


def _without_key(target: Target, text: str) -> str:
    """Providers that refuse a key like to repeat it."""
    key = target.gateway.api_key
    return text.replace(key, "[redacted]") if key else text
