"""Chat Completions answers -> parts. One reader for both forms: a completion is read as one chunk that holds all.

Rules: only choice 0; a key that is absent, null or empty says nothing; the body's first character decides between JSON
and events, not its content type; an answer counts as whole only when something says so (a finish_reason, `[DONE]`, the
usage after the last choice, or the end of a JSON body).
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
from gatewayd.protocol.chat.think import ThinkTags
from gatewayd.protocol.json import parse_json
from gatewayd.protocol.parts import Failure, Finish, Part, Text, Thinking
from gatewayd.protocol.sse import Decoder, Event

MAX_BODY_BYTES = 32 * 1024 * 1024  # of a JSON body
_SPACE = b" \t\r\n\xef\xbb\xbf"
_DONE = b"[DONE]"


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
        self._summed_up = False  # usage came in a chunk without a choice, as it does behind the last one
        self._said = False  # text or a call came
        self._failed = False
        self.started = False

    @property
    def complete(self) -> bool:
        """Nothing can follow but the end of the body: `[DONE]` came. Finish and usage do not say so: text may follow
        them."""
        return self._ended

    @property
    def finished(self) -> bool:
        """The finish_reason came; only usage may follow."""
        return self._finish is not None

    def feed(self, piece: bytes) -> list[Part]:
        if self._failed or self._ended:
            return []
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
            if body.startswith(b"<"):
                return self._fail(self._to_error(body.decode("utf-8", "replace")))
            return self._fail(UpstreamFailed("the provider's answer is not whole JSON"))
        self._ended = True
        return self._read(data)

    def _read_events(self, events: list[Event]) -> list[Part]:
        parts: list[Part] = []
        for name, data in events:
            if self._failed or self._ended:  # what follows `[DONE]` is no part of the answer
                break
            try:
                document = parse_json(data)
            except ValueError:
                parts += self._read_lines(name, data)
            else:
                parts += self._read_document(name, document)
        return parts

    def _read_lines(self, name: bytes, data: bytes) -> list[Part]:
        """Data that is not one document: `[DONE]`, nothing, several events that no blank line parts, or no JSON."""
        parts: list[Part] = []
        for line in data.split(b"\n"):
            if self._failed or self._ended:
                break
            if line.strip() == _DONE:
                self._ended = True
            elif line.strip():
                try:
                    parts += self._read_document(name, parse_json(line))
                except ValueError:
                    parts += self._read_noise(name, data)
        return parts

    def _read_noise(self, name: bytes, data: bytes) -> list[Part]:
        if name == b"error":
            return self._fail(self._to_error(data.decode("utf-8", "replace")))
        return [] if self._finish else self._fail(UpstreamFailed("the provider sent an event that is not JSON"))

    def _read_document(self, name: bytes, document: Any) -> list[Part]:
        if name == b"error" and not (isinstance(document, dict) and document.get("choices")):
            return self._fail(self._to_error(document))
        return [] if document is None else self._read(document)

    def _read(self, data: Any) -> list[Part]:
        """One chunk, or one completion."""
        if not isinstance(data, dict):
            return self._fail(self._to_error(data) if isinstance(data, list) else _not_an_object())
        choices = data.get("choices")
        choice = _choice(choices, whole=self._form == "json")
        parts = self._read_usage(data, choice)
        if choice is not None:
            self.started = True
            self._summed_up = False
            parts += self._read_choice(choice)
        error = error_in(data)
        return parts if error is None else parts + self._fail(self._to_error(error))

    def _read_usage(self, data: dict[str, Any], choice: dict[str, Any] | None) -> list[Part]:
        told = data.get("usage")
        if told is None and isinstance(groq := data.get("x_groq"), dict):
            told = groq.get("usage")
        if told is None and choice is not None:
            told = choice.get("usage")  # Moonshot
        counts = read_counts(told)
        if counts is None:
            return []
        self._summed_up = self.started and choice is None
        self._counts = self._counts.updated(counts)
        return [self._counts.usage()]

    def _read_choice(self, choice: dict[str, Any]) -> list[Part]:
        message = choice.get("message")
        delta = choice.get("delta")
        # Perplexity sends both: a stream's last chunk repeats all in `message`, a completion has an empty `delta`
        if self._form == "json":
            message = message or delta
        elif isinstance(delta, dict) or self._said:
            message = delta
        if not message or not isinstance(message, dict):
            message = {"content": choice.get("text")}
        parts = list(self._read_message(message))
        self._read_finish(choice)
        return parts

    def _read_message(self, message: dict[str, Any]) -> Iterator[Part]:
        reasoning = read_reasoning(message)
        if reasoning:
            yield Thinking(reasoning)
            if self._tags:
                self._tags.seen_reasoning = True
        self._details.add(message.get("reasoning_details"))
        content = message.get("content")
        for part in read_content(_transcript(message) if content in (None, "") else content):
            if isinstance(part, Text):
                yield from self._read_text(part)
            elif not reasoning:
                yield part
        refusal = message.get("refusal")
        if refusal and isinstance(refusal, str):
            yield from self._read_text(Text(refusal))
        for call in self._calls.read(message, whole=self._form == "json"):
            self._said = True
            if self._tags:
                yield from self._tags.finish()
            yield from self._details.flush()
            yield call

    def _read_text(self, part: Text) -> Iterator[Part]:
        self._said = True
        yield from self._details.flush()
        if self._tags:
            yield from self._tags.feed(part.text)
        else:
            yield part

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
            self._finish = Finish(STOP_REASONS.get(reason, "end_turn"))

    def _end(self) -> list[Part]:
        if not self.started:
            return self._fail(UpstreamFailed("the provider sent an empty answer"))
        if self._finish is None and not self._ended and not self._summed_up:
            return self._fail(UpstreamFailed("the provider's answer ended before it was complete"))
        finish = self._finish or Finish("end_turn")
        if finish.stop_reason in BROKEN_REASONS:
            return self._fail(Overloaded(f"the provider broke off its answer: {finish.stop_reason}"))
        parts: list[Part] = list(self._tags.finish()) if self._tags else []
        return [*parts, *self._details.flush(), finish]

    def _fail(self, error: ApiError) -> list[Part]:
        """What is held comes out first."""
        self._failed = True
        parts: list[Part] = list(self._tags.finish()) if self._tags else []
        return [*parts, Failure(error)]


def _choice(choices: Any, *, whole: bool) -> dict[str, Any] | None:
    """Choice 0: gateways never ask for more, so others can only be somebody else's. An index of another type is none;
    a completion's only choice is taken whatever its index."""
    if not isinstance(choices, list):
        return None
    for choice in choices:
        if isinstance(choice, dict):
            index = choice.get("index")
            if not index or not isinstance(index, int):
                return choice
    return next((choice for choice in choices if isinstance(choice, dict)), None) if whole else None


def _transcript(message: dict[str, Any]) -> Any:
    audio = message.get("audio")
    return audio.get("transcript") if isinstance(audio, dict) else None


def _not_an_object() -> ApiError:
    return UpstreamFailed("the provider sent JSON that is not an object")
