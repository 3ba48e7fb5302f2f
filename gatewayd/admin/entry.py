"""/logs/ID: one request: what it cost and how it went, both requests compared, both answers, what fills its context.

Everything that came from clients and providers is text. Pages show a bounded part of long ones; the bundle has all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sanic import HTTPResponse

from gatewayd.admin.bundle import build_bundle, build_curl, without_texts
from gatewayd.admin.compare import Note, Part, compare, title_of
from gatewayd.admin.logs import line
from gatewayd.admin.texts import Allowance, as_text
from gatewayd.admin.visit import HEADERS, NO_STORE, NoSuchPage, Visit
from gatewayd.admin.waterfall import build_bars, read_attempts
from gatewayd.protocol.context import Share, read_context
from gatewayd.relay.timeline import parse_timeline
from gatewayd.store.bodies import read_bodies
from gatewayd.store.request_log import LogRow, read_row

VIEWS = {"": "Overview", "compare": "Compare", "answer": "Answer", "context": "Context"}
_PAGE_CHARACTERS, _PART_CHARACTERS = 110_000, 8_000
_OPEN_MESSAGES = 3
_SHARES = 40  # of one kind that are shown one by one
_INLINE_CURL = 20_000


class Stored(NamedTuple):
    """What the store holds of one request. bodies: by kind, as `read_bodies` gives them."""

    row: LogRow
    bodies: dict[str, Any]

    @property
    def notes(self) -> list[Note]:
        """With their texts where the bodies are stored, otherwise the log's codes."""
        kept = self.bodies.get("notes")
        told = kept.get("notes") if isinstance(kept, dict) else None
        if isinstance(told, list):
            return [Note(str(each[0]), str(each[1])) for each in told if isinstance(each, list) and len(each) == 2]
        return [Note(code) for code in (self.row.notes or "").split(",") if code]


class Shown(NamedTuple):
    """A part as the page shows it; *_left: characters that are left out."""

    kind: str
    title: str
    sent: str | None
    sent_left: int
    received: str | None
    received_left: int
    notes: Sequence[Note]
    is_open: bool

    @property
    def size(self) -> int:
        """Characters of the longer side."""
        return max(len(self.sent or "") + self.sent_left, len(self.received or "") + self.received_left)


class Group(NamedTuple):
    """What one kind of content takes; shares: the largest, rest: how many more there are."""

    part: str
    size: int
    tokens: int
    shares: list[Share]
    rest: int


async def show(visit: Visit, request_id: str) -> HTTPResponse:
    stored = await _read(visit, request_id)
    view = visit.argument("view")
    if view not in VIEWS:
        raise NoSuchPage("There is no such view of a request.")
    template, context = await asyncio.to_thread(_VIEWS[view], stored, visit.base_url)
    path = f"/logs/{stored.row.id}"
    return await visit.page(
        template,
        line=line(stored.row),
        notes=stored.notes,
        tabs=[(f"{path}?view={name}" if name else path, title) for name, title in VIEWS.items()],
        tab=f"{path}?view={view}" if view else path,
        here=path,
        absent="" if "request" in stored.bodies else _why_absent(visit, stored.row),
        known_gateway=stored.row.gateway in visit.admin.live.current.gateways,
        **context,
    )


async def show_bundle(visit: Visit, request_id: str) -> HTTPResponse:
    """All that is stored, for a bug report; `texts=no` leaves out what was said, and keeps its shape."""
    stored = await _read(visit, request_id)
    bundle = await asyncio.to_thread(build_bundle, stored.row, stored.notes, stored.bodies)
    if visit.argument("texts") == "no":
        bundle = await asyncio.to_thread(without_texts, bundle)
    return _download(visit.json(bundle), f"{stored.row.id}.json")


async def show_request(visit: Visit, request_id: str) -> HTTPResponse:
    """The Messages request alone, to be sent again."""
    stored = await _read(visit, request_id)
    if not isinstance(stored.bodies.get("request"), dict):
        raise NoSuchPage("The body of this request was not stored.")
    return _download(visit.json(stored.bodies["request"]), "request.json")


def _download(response: HTTPResponse, name: str) -> HTTPResponse:
    response.headers.update({**HEADERS, **NO_STORE, "content-disposition": f'attachment; filename="{name}"'})
    return response


async def _read(visit: Visit, request_id: str) -> Stored:
    async with visit.admin.store.read() as session:
        row = await read_row(session, request_id) if len(request_id) <= 256 and "\0" not in request_id else None
        if row is None:
            raise NoSuchPage(
                "There is no request of that id in the log. Requests appear within a second of their end; old ones go "
                f"after {visit.admin.facts.log_retention_days} days."
            )
        return Stored(row, await read_bodies(session, row.id))


def _why_absent(visit: Visit, row: LogRow) -> str:
    facts, gateway = visit.admin.facts, visit.admin.live.current.gateways.get(row.gateway)
    policy = (gateway.gateway.logging.bodies if gateway else None) or facts.log_bodies
    if policy == "none":
        return "This gateway stores no bodies."
    if policy == "errors" and row.outcome not in ("error", "truncated", "refused"):
        return "This gateway stores the bodies of failures alone, and this request was none."
    if row.attempts == 0:
        return "It was refused before it was read."
    return f"They are kept for {facts.body_retention_days} days, and the policy was perhaps another then."


def _overview(stored: Stored, base_url: str) -> tuple[str, dict[str, Any]]:
    marks = parse_timeline(stored.row.timeline)
    request = stored.bodies.get("request")
    curl, inline = build_curl(base_url, stored.row, request, _INLINE_CURL)
    return "logs/show.html", {
        "bars": build_bars(marks, stored.row.duration_ms),
        "attempts": read_attempts(marks, stored.row),
        "curl": curl,
        "inline": inline,
    }


def _compare(stored: Stored, _base_url: str) -> tuple[str, dict[str, Any]]:
    notes = [note for note in stored.notes if title_of(note.code) != "Answer"]
    parts = compare(stored.bodies.get("request"), stored.bodies.get("upstream"), notes)
    return "logs/compare.html", {"parts": show_parts(parts), "asked": "upstream" in stored.bodies}


def show_parts(parts: Sequence[Part]) -> list[Shown]:
    """The last ones first get what a page may show: a conversation's newest turns matter most. Those are open too, as
    is what has notes, and what is short."""
    allowance = Allowance(_PAGE_CHARACTERS, _PART_CHARACTERS)
    shown: list[Shown] = []
    for number, part in enumerate(reversed(parts)):
        is_open = bool(part.notes) or part.kind == "field" or (part.kind == "message" and number < _OPEN_MESSAGES)
        shown.append(_show_part(part, allowance, is_open=is_open))
    return shown[::-1]


def _show_part(part: Part, allowance: Allowance, *, is_open: bool = True) -> Shown:
    texts = [None if value is None else as_text(value) for value in (part.sent, part.received)]
    (sent, sent_left), (received, left) = ((None, 0) if text is None else allowance.cut(text) for text in texts)
    return Shown(part.kind, part.title, sent, sent_left, received, left, part.notes, is_open)


def _answer(stored: Stored, _base_url: str) -> tuple[str, dict[str, Any]]:
    notes = [note for note in stored.notes if title_of(note.code) == "Answer"]
    sides = Part("message", "Answer", stored.bodies.get("answer"), stored.bodies.get("told"), notes)
    part = _show_part(sides, Allowance(_PAGE_CHARACTERS, _PAGE_CHARACTERS // 2))
    return "logs/answer.html", {"part": part}


def _context(stored: Stored, _base_url: str) -> tuple[str, dict[str, Any]]:
    groups = list(_groups(read_context(stored.bodies.get("request"))))
    return "logs/context.html", {"groups": groups, "total": sum(group.tokens for group in groups)}


def _groups(shares: Sequence[Share]) -> Iterable[Group]:
    for part in ("system", "tools", "messages"):
        found = [share for share in shares if share.part == part]
        largest = sorted(found, key=lambda share: (share.tokens, share.size), reverse=True)[:_SHARES]
        size, tokens = sum(share.size for share in found), sum(share.tokens for share in found)
        yield Group(part, size, tokens, largest, len(found) - len(largest))


_VIEWS = {"": _overview, "compare": _compare, "answer": _answer, "context": _context}
