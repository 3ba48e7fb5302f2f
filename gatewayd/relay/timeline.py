"""The timeline of an exchange: its attempts, the provider's first bytes, blocks, pings, the longest silence.

Collected where the clock is read anyway, a few marks however long the answer is. The log keeps them as one line of
text: marks separated by blanks, each `kind[:detail]@milliseconds` since the exchange began.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from gatewayd.protocol.events import Event

MAX_MARKS = 40
_SILENCE = 0.5  # seconds of a silence that is worth a mark
_MARK = re.compile(r"([a-z]{1,10})(?::([A-Za-z0-9_-]{1,64}))?@(\d{1,12})")


class Mark(NamedTuple):
    """at: milliseconds since the exchange began.

    attempt   detail: the gateway whose provider is called
    status    detail: the HTTP status of the provider's answer
    failed    detail: what the attempt failed with, a type of `gatewayd.errors`
    first     the first bytes of the provider's answer
    open      a block begins; detail: its type
    close     it ends
    ping      one or more signs of life to the client; detail: how many
    silence   the longest one of the provider ends; detail: its milliseconds
    more      marks that are left out; detail: how many
    """

    kind: str
    at: int
    detail: str = ""


class Timeline:
    """began: the exchange's, on the monotonic clock, as all times that are told here."""

    __slots__ = ("_began", "_heard", "_left_out", "_marks", "_silence", "_silence_ended")

    def __init__(self, began: float) -> None:
        self._began = began
        self._marks: list[Mark] = []
        self._left_out = 0
        self._heard: float | None = None
        self._silence = _SILENCE
        self._silence_ended: float | None = None

    def attempt(self, gateway_id: str, now: float) -> None:
        self._heard = None
        self.add("attempt", now, gateway_id)

    def add(self, kind: str, now: float, detail: str = "") -> None:
        if len(self._marks) < MAX_MARKS:
            self._marks.append(Mark(kind, int((now - self._began) * 1000), detail))
        else:
            self._left_out += 1

    def heard(self, now: float) -> None:
        """Bytes of the provider's answer have come."""
        if self._heard is None:
            self.add("first", now)
        elif now - self._heard > self._silence:
            self._silence, self._silence_ended = now - self._heard, now
        self._heard = now

    def emitted(self, events: Iterable[Event], now: float) -> None:
        """Events for the client, in order."""
        for name, payload in events:
            if name == "content_block_delta":
                continue
            if name == "content_block_start":
                self.add("open", now, payload["content_block"]["type"])
            elif name == "content_block_stop":
                self.add("close", now)
            elif name == "ping":
                self._ping(now)

    def text(self) -> str:
        marks = list(self._marks)
        if self._silence_ended is not None:
            at = int((self._silence_ended - self._began) * 1000)
            marks.append(Mark("silence", at, str(int(self._silence * 1000))))
        if self._left_out:
            marks.append(Mark("more", marks[-1].at, str(self._left_out)))
        return " ".join(f"{kind}:{detail}@{at}" if detail else f"{kind}@{at}" for kind, at, detail in marks)

    def _ping(self, now: float) -> None:
        last = self._marks[-1] if self._marks else None
        if last is not None and last.kind == "ping":
            self._marks[-1] = last._replace(detail=str(int(last.detail) + 1))
        else:
            self.add("ping", now, "1")


def parse_timeline(text: str | None) -> list[Mark]:
    """By time. What another version or nobody has written is left out."""
    found = (_MARK.fullmatch(word) for word in (text or "").split())
    marks = (Mark(match[1], int(match[3]), match[2] or "") for match in found if match)
    return sorted(marks, key=lambda mark: mark.at)
