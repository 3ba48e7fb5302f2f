"""Server-sent events: bytes -> events, events -> bytes (https://html.spec.whatwg.org/multipage/server-sent-events.html).

Rule: nothing outside this file knows how events are framed. Lines end at LF, CRLF or CR and nowhere else (JSON may hold
U+2028); a piece may end anywhere, inside a UTF-8 sequence or between CR and LF. Tolerated beyond the standard, as
providers do it: a last event without its blank line, leading blank lines, a BOM, and a line `error: …` (an event of
that name).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from gatewayd.errors import UpstreamFailed

MAX_EVENT_BYTES = 4 * 1024 * 1024  # one event; the longest seen in real answers is 3 MB (an inline image)
_BOM = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event as it came: its name (b"" where none was given) and its data lines joined by LF."""

    name: bytes
    data: bytes


class Decoder:
    """Feed pieces of a body, get the events that they complete.

    Raises UpstreamFailed when one event grows past MAX_EVENT_BYTES.
    """

    __slots__ = ("_data", "_name", "_pieces", "_size", "_started", "_unfinished")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []  # an unfinished line, in the pieces in which it came
        self._unfinished = 0  # its bytes
        self._name = b""
        self._data: list[bytes] = []
        self._size = 0  # bytes in _data
        self._started = False

    def feed(self, piece: bytes) -> list[Event]:
        self._pieces.append(piece)
        self._unfinished += len(piece)
        if (
            b"\n" not in piece
            and b"\r" not in piece
            and not (len(self._pieces) > 1 and self._pieces[-2].endswith(b"\r"))
        ):
            # kept apart, not joined: a long line in many pieces stays linear
            self._limit()
            return []
        text = b"".join(self._pieces)
        waits = text.endswith(b"\r")  # the LF that may belong to it has not come yet
        lines = _lines(text[:-1] if waits else text)
        last = lines.pop()
        self._pieces = [last + b"\r" if waits else last]
        self._unfinished = len(last)
        return self._read_lines(lines)

    def finish(self) -> list[Event]:
        """The body has ended: what is left counts as whole."""
        lines = _lines(b"".join(self._pieces))
        self._pieces = []
        return self._read_lines([*lines, b""])

    def _read_lines(self, lines: list[bytes]) -> list[Event]:
        events: list[Event] = []
        for line in lines:
            if not self._started:
                line = line.removeprefix(_BOM)
                self._started = True
            if not line:
                if self._data:
                    events.append(Event(self._name, b"\n".join(self._data)))
                    self._data = []
                self._name = b""
                self._size = 0
            elif line.startswith(b"data:"):
                self._size += len(line)
                self._limit()
                self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
            elif line.startswith(b"event:"):
                self._name = line[6:].strip()
            elif line.startswith(b"error:"):
                self._name = b"error"
                self._data.append(line[6:].strip())
            # comments (`: …`), `id:`, `retry:` and unknown fields carry nothing for us
        return events

    def _limit(self) -> None:
        if self._size + self._unfinished > MAX_EVENT_BYTES:
            raise UpstreamFailed(f"the provider sent an event of more than {MAX_EVENT_BYTES // 1024 // 1024} MiB")


def _lines(text: bytes) -> list[bytes]:
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return text.split(b"\n")


def encode(name: str, payload: dict[str, Any]) -> bytes:
    """One event with its name and JSON data, closed by a blank line."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(payload))
