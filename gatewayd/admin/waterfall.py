"""The timeline of a request as bars and attempts. Pure: marks in, places and lengths out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gatewayd.relay.timeline import Mark
from gatewayd.store.request_log import LogRow

WIDTH = 1000
_LEAST = 3  # so that what took no time is seen
_BLOCKS = {"text": "Text", "thinking": "Thinking", "tool_use": "Tool call", "redacted_thinking": "Sealed thinking"}


class Bar(NamedTuple):
    """begins, took: milliseconds; x, width: of WIDTH. kind: wait, block, tool, thinking, silence, ping."""

    title: str
    kind: str
    begins: int
    took: int
    x: int
    width: int


class AttemptView(NamedTuple):
    """status: the provider's, "" where it gave none; failed: an error's type, "" where it answered."""

    gateway: str
    begins: int
    took: int
    status: str
    failed: str


def build_bars(marks: Sequence[Mark], duration: int) -> list[Bar]:
    """In the order of their begin. duration: of the whole exchange, milliseconds."""
    found: list[tuple[str, str, int, int]] = []  # title, kind, from, to
    waiting: int | None = None
    block: tuple[str, int] | None = None
    for mark in marks:
        if mark.kind == "attempt":
            waiting = mark.at
        elif mark.kind in ("first", "failed") and waiting is not None:
            title = "Waiting for the provider" if mark.kind == "first" else f"Failed attempt: {mark.detail}"
            found.append((title, "wait", waiting, mark.at))
            waiting = None
        elif mark.kind == "open":
            block = mark.detail, mark.at
        elif mark.kind == "close" and block is not None:
            found.append(_block(block, mark.at))
            block = None
        elif mark.kind == "ping":
            found.append((f"Ping, {mark.detail} times" if mark.detail != "1" else "Ping", "ping", mark.at, mark.at))
        elif mark.kind == "silence" and mark.detail.isdecimal():
            found.append(("Longest silence of the provider", "silence", mark.at - int(mark.detail), mark.at))
    if block is not None:
        found.append(_block(block, duration))
    if waiting is not None:
        found.append(("Waiting for the provider", "wait", waiting, duration))
    span = max([duration, *(end for *_, end in found)], default=0) or 1
    bars = [_bar(title, kind, max(begins, 0), end, span) for title, kind, begins, end in found]
    return sorted(bars, key=lambda bar: bar.begins)


def _block(block: tuple[str, int], end: int) -> tuple[str, str, int, int]:
    kind, begins = block
    colour = {"tool_use": "tool", "thinking": "thinking", "redacted_thinking": "thinking"}.get(kind, "block")
    return _BLOCKS.get(kind, kind), colour, begins, end


def _bar(title: str, kind: str, begins: int, end: int, span: int) -> Bar:
    took = max(end - begins, 0)
    width = min(max(round(WIDTH * took / span), _LEAST), WIDTH)
    return Bar(title, kind, begins, took, min(round(WIDTH * begins / span), WIDTH - width), width)


def read_attempts(marks: Sequence[Mark], row: LogRow) -> list[AttemptView]:
    found: list[AttemptView] = []
    for mark in marks:
        if mark.kind == "attempt":
            found.append(AttemptView(mark.detail, mark.at, row.duration_ms - mark.at, "", ""))
        elif found and mark.kind == "status":
            found[-1] = found[-1]._replace(status=mark.detail)
        elif found and mark.kind == "failed":
            found[-1] = found[-1]._replace(failed=mark.detail, took=mark.at - found[-1].begins)
    return found
