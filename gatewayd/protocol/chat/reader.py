"""Chat Completions answers -> parts. One reader for both forms: a completion is read as one chunk that holds all.

Rules: only choice 0; a key that is absent, null or empty says nothing; the body's first character decides between JSON
and events, not its content type; an answer counts as whole only when something says so (a finish_reason, `[DONE]`,
usage, or the end of a JSON body).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from gatewayd.errors import ApiError, Overloaded, UpstreamFailed
from gatewayd.protocol.chat.calls import Calls
from gatewayd.protocol.chat.details import ReasoningDetails
from gatewayd.protocol.chat.dialects import Dialect
from gatewayd.protocol.chat.errors import error_in
from gatewayd.protocol.chat.fields import (
    BROKEN_REASONS,
    STOP_REASONS,
    Counts,
    read_content,
    read_counts,
    read_reasoning,
)
from gatewayd.protocol.chat.json import parse_json
from gatewayd.protocol.chat.think import ThinkTags
from gatewayd.protocol.parts import Failure, Finish, Part, Text, Thinking
from gatewayd.protocol.sse import Decoder, Event

MAX_BODY_BYTES = 32 * 1024 * 1024  # of a JSON body
_SPACE = b" \t\r\n\xef\xbb\xbf"


class ChatReader:
    """Feed the pieces of an answer's body, streamed or not, get parts; `finish` when it has ended.

    to_error  makes the ApiError of an error that the provider told inside its answer
    stops     the client's stop sequences: providers that name the one that matched are believed
    After a Failure nothing more comes out. `started`: a choice was seen, so this is an answer and not an error page.
    """

    def __init__(self, dialect: Dialect, to_error: Callable[[Any], ApiError], stops: tuple[str, ...] = ()) -> None:
        self._to_error = to_error
        self._stops = stops
        self._decoder = Decoder()
        self._json: list[bytes] = []  # a JSON body so far
        self._json_size = 0
        self._form = ""  # "json" or "events" once the first character is known
        self._tags = ThinkTags(repeated=dialect.reasoning_repeats_think) if dialect.think_tags else None
        self._calls = Calls()
        self._details = ReasoningDetails()
        self._counts = Counts()
        self._finish: Finish | None = None
        self._ended = False  # `[DONE]` came
        self._failed = False
        self.started = False

    @property
    def complete(self) -> bool:
        """Nothing that matters can follow: `[DONE]` came, or finish and usage did."""
        return self._ended

    @property
    def finished(self) -> bool:
        """The finish_reason came; only usage may follow."""
        return self._finish is not None

    def feed(self, piece: bytes) -> list[Part]:
        if not self._form:
            piece = piece.lstrip(_SPACE)  # DeepSeek under load sends blank lines for minutes before a JSON body
            if not piece:
                return []
            self._form = "json" if piece[:1] in b"{[<" else "events"
        if self._form == "json":
            self._json_size += len(piece)
            if self._json_size > MAX_BODY_BYTES:
                return self._fail(UpstreamFailed(f"the provider's answer is larger than {MAX_BODY_BYTES >> 20} MiB"))
            self._json.append(piece)
            return []
        try:
            events = self._decoder.feed(piece)
        except UpstreamFailed as error:
            return self._fail(error)
        return self._read_events(events)

    def finish(self) -> list[Part]:
        """The body has ended."""
        if self._failed:
            return []
        parts = self._read_body() if self._form == "json" else self._read_events(self._decoder.finish())
        return parts if self._failed else parts + self._end()

    def _read_body(self) -> list[Part]:
        body = b"".join(self._json)
        try:
            data = parse_json(body)
        except ValueError:
            return self._fail(self._to_error(body.decode("utf-8", "replace")))
        self._ended = True
        return self._read(data)

    def _read_events(self, events: list[Event]) -> list[Part]:
        parts: list[Part] = []
        for name, data in events:
            if self._failed or self._ended:  # what follows `[DONE]` is no part of the answer
                break
            if data.strip() == b"[DONE]":
                self._ended = True
            elif data.strip():
                parts += self._read_event(name, data)
        return parts

    def _read_event(self, name: bytes, data: bytes) -> list[Part]:
        try:
            documents = [parse_json(data)]
        except ValueError:
            try:  # events that no blank line parts
                documents = [parse_json(line) for line in data.split(b"\n") if line.strip() not in (b"", b"[DONE]")]
            except ValueError:
                if name == b"error":
                    return self._fail(self._to_error(data.decode("utf-8", "replace")))
                return [] if self._finish else self._fail(UpstreamFailed("the provider sent an event that is not JSON"))
        parts: list[Part] = []
        for document in documents:
            if name == b"error" and not (isinstance(document, dict) and document.get("choices")):
                return parts + self._fail(self._to_error(document))
            if document is not None and not self._failed:
                parts += self._read(document)
        return parts

    def _read(self, data: Any) -> list[Part]:
        """One chunk, or one completion."""
        if not isinstance(data, dict):
            return self._fail(self._to_error(data) if isinstance(data, list) else _not_an_object())
        self._count(data.get("usage"))
        groq = data.get("x_groq")
        if isinstance(groq, dict) and data.get("usage") is None:
            self._count(groq.get("usage"))
        parts: list[Part] = []
        choice = _choice(data.get("choices"))
        if choice is not None:
            self.started = True
            self._count(choice.get("usage"))  # Moonshot
            parts += self._read_choice(choice)
        error = error_in(data)
        if error is not None:
            return parts + self._fail(self._to_error(error))
        return parts

    def _read_choice(self, choice: dict[str, Any]) -> list[Part]:
        # Perplexity sends both: a stream's last chunk repeats all in `message`, a completion has an empty `delta`
        names = ("message", "delta") if self._form == "json" else ("delta", "message")
        message = next((choice[name] for name in names if isinstance(choice.get(name), dict)), None)
        if message is None:
            message = {"content": choice.get("text")}
        parts = [part for part in self._read_message(message) if part]
        self._read_finish(choice)
        return parts

    def _read_message(self, message: dict[str, Any]) -> Iterator[Part]:
        reasoning = read_reasoning(message)
        if reasoning:
            yield Thinking(reasoning)
            if self._tags:
                self._tags.seen_reasoning = True
        self._details.add(message.get("reasoning_details"))
        texts = list(read_content(message.get("content")))
        audio = message.get("audio")
        if not texts and isinstance(audio, dict):
            texts = list(read_content(audio.get("transcript")))
        for part in texts:
            if isinstance(part, Text):
                yield from self._details.flush()
                yield from self._tags.feed(part.text) if self._tags else (part,)
            elif not reasoning:
                yield part
        refusal = message.get("refusal")
        if isinstance(refusal, str) and refusal:
            yield Text(refusal)
        for call in self._calls.read(message):
            if self._tags:
                yield from self._tags.finish()
            yield from self._details.flush()
            yield call

    def _read_finish(self, choice: dict[str, Any]) -> None:
        reason = choice.get("finish_reason")
        if not isinstance(reason, str) or not reason:
            return
        if self._finish and reason == "stop" and self._finish.stop_reason != "end_turn":
            return  # a later `stop` does not undo what was said
        matched = choice.get("stop_reason", choice.get("matched_stop"))  # vLLM, SGLang
        if reason == "stop" and isinstance(matched, str) and matched in self._stops:
            self._finish = Finish("stop_sequence", matched)
        elif reason in BROKEN_REASONS:
            self._finish = Finish(reason)
        else:
            stop_reason = STOP_REASONS.get(reason, "end_turn")
            self._finish = Finish("end_turn" if stop_reason == "stop_sequence" else stop_reason)

    def _end(self) -> list[Part]:
        if not self.started:
            return self._fail(UpstreamFailed("the provider sent an empty answer"))
        parts: list[Part] = list(self._tags.finish()) if self._tags else []
        parts += self._details.flush()
        if self._counts != Counts():
            parts.append(self._counts.usage())
        if self._finish is None and not self._ended and self._counts == Counts():
            return parts + self._fail(UpstreamFailed("the provider's answer ended before it was complete"))
        finish = self._finish or Finish("end_turn")
        if finish.stop_reason in BROKEN_REASONS:
            return parts + self._fail(Overloaded(f"the provider broke off its answer: {finish.stop_reason}"))
        return [*parts, finish]

    def _count(self, usage: Any) -> None:
        counts = read_counts(usage)
        if counts is not None:
            self._counts = self._counts.updated(counts)

    def _fail(self, error: ApiError) -> list[Part]:
        self._failed = True
        parts: list[Part] = []
        if self._counts != Counts():
            parts.append(self._counts.usage())
        return [*parts, Failure(error)]


def _choice(choices: Any) -> dict[str, Any] | None:
    """Choice 0: gateways never ask for more, so others can only be somebody else's."""
    if not isinstance(choices, list):
        return None
    for choice in choices:
        if isinstance(choice, dict) and choice.get("index", 0) in (0, None):
            return choice
    return None


def _not_an_object() -> ApiError:
    return UpstreamFailed("the provider sent JSON that is not an object")
