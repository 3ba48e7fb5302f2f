"""One answer, from the provider's bytes to Anthropic events: reader, stop sequences and writer in a row.

The relay feeds bytes and sends events; it knows neither format. After `ended` nothing more comes out.
"""

from __future__ import annotations

from typing import Protocol

from gatewayd.errors import ApiError
from gatewayd.protocol.events import Event
from gatewayd.protocol.parts import Failure, Finish, Part, Text, Usage
from gatewayd.protocol.stops import StopSequences
from gatewayd.protocol.writer import State, Writer


class Reader(Protocol):
    """A wire format's reader."""

    started: bool

    @property
    def complete(self) -> bool: ...
    @property
    def finished(self) -> bool: ...
    def feed(self, piece: bytes) -> list[Part]: ...
    def finish(self) -> list[Part]: ...


class Answer:
    """local_stops: stop sequences that the provider was not asked to enforce."""

    def __init__(self, reader: Reader, writer: Writer, local_stops: tuple[str, ...] = ()) -> None:
        self._reader = reader
        self._writer = writer
        self._stops = StopSequences(local_stops) if local_stops else None

    @property
    def ended(self) -> bool:
        """message_stop or an error has come out: the upstream is not needed any more."""
        return self._writer.state is State.ENDED

    @property
    def whole(self) -> bool:
        """The provider has said all: what may follow is the end of the body."""
        return self._reader.complete

    @property
    def finished(self) -> bool:
        """The model has stopped; only usage may follow, and not for ever."""
        return self._reader.finished

    @property
    def error(self) -> ApiError | None:
        """What the answer failed with."""
        return self._writer.error

    @property
    def opened(self) -> bool:
        """A block of the answer has begun."""
        return self._writer.opened

    @property
    def usage(self) -> Usage | None:
        return self._writer.usage

    @property
    def stop_reason(self) -> str:
        return self._writer.stop_reason

    def start(self) -> list[Event]:
        """message_start before the provider has said anything."""
        return self._writer.start()

    def feed(self, piece: bytes) -> list[Event]:
        out = self._write(self._reader.feed(piece))
        if not out and self._reader.started:
            out = self._writer.start()
        if self._reader.complete and not self.ended:
            out += self.finish()
        return out

    def finish(self) -> list[Event]:
        """The body has ended."""
        if self.ended:
            return []
        out = self._write(self._reader.finish())
        return out if self.ended else out + self._flush() + self._writer.finish()

    def fail(self, error: ApiError) -> list[Event]:
        """The exchange has failed outside the provider's words: cut, silent, too slow."""
        if self.ended:
            return []
        return self._flush() + self._writer.fail(error)

    def keep_alive(self, *, open_thinking: bool = False) -> list[Event]:
        return self._writer.keep_alive(open_thinking=open_thinking)

    def _write(self, parts: list[Part]) -> list[Event]:
        out: list[Event] = []
        for part in parts:
            if isinstance(part, Failure):
                return out + self.fail(part.error)
            if self._stops is None or isinstance(part, Usage | Finish):
                out += self._writer.write(part)
            elif isinstance(part, Text):
                out += self._write_text(part.text)
            else:
                out += self._flush() + self._writer.write(part)
            if self.ended:
                break
        return out

    def _write_text(self, text: str) -> list[Event]:
        assert self._stops is not None
        shown, sequence = self._stops.feed(text)
        out = self._writer.write(Text(shown)) if shown else []
        if sequence is not None:
            self._writer.write(Finish("stop_sequence", sequence))
            out += self._writer.finish()
        return out

    def _flush(self) -> list[Event]:
        held = self._stops.flush() if self._stops else ""
        return self._writer.write(Text(held)) if held else []
