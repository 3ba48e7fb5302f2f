"""The `body` and `blob` tables: what went in and out, stored once however often it is repeated.

`Packer` does the work that costs time (JSON, redaction, hashing, compression) and is meant for a thread; what it has
stored within the hour it neither redacts nor compresses nor stores again.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa

from gatewayd.store.body_parts import encode, hashes, join, redact, split
from gatewayd.store.database import Session
from gatewayd.store.tables import blob, body

MAX_NEW_BYTES = 2 * 1024 * 1024  # that one request may add, before compression
HOUR = 3_600_000
_REMEMBERED = 50_000
_MAX_BLOB = 64 * 1024 * 1024  # beyond what is ever stored: a damaged blob cannot blow up


@dataclass(slots=True)
class Bodies:
    """What one exchange leaves to be stored.

    upstream  the request as it went to the provider, JSON
    answer    the message as far as it came
    told      makes, in a thread, what the provider said; told_bytes: what it holds for that
    notes     codes of what the translation changed, each with its text
    secrets   texts that must not be stored: the provider keys
    captured  counts as one of the "next N requests"
    """

    request: dict[str, Any]
    upstream: bytes | None = None
    answer: dict[str, Any] | None = None
    told: Callable[[], dict[str, Any]] | None = field(default=None, repr=False)
    told_bytes: int = 0
    notes: Sequence[tuple[str, str]] = ()
    secrets: Sequence[str] = field(default=(), repr=False)
    captured: bool = False

    @property
    def size(self) -> int:
        """About what it holds in memory."""
        return 4 * len(self.upstream or b"") + self.told_bytes + 2048


class Packed(NamedTuple):
    """Rows of the two tables: body rows of one exchange; sha256 -> (sha256, hour, data)."""

    rows: list[tuple[str, str, int, int, bytes]]
    blobs: dict[bytes, tuple[bytes, int, bytes]]


class Packer:
    def __init__(self) -> None:
        self._known: OrderedDict[bytes, tuple[bytes, int]] = OrderedDict()  # hash of the raw part -> sha256, hour

    def pack(self, request_id: str, ended_at: int, bodies: Bodies) -> Packed:
        secrets = [encode(secret)[1:-1] for secret in bodies.secrets if secret]
        seed = hashlib.sha256(b"\0".join(secrets))
        packed = Packed([], {})
        room = MAX_NEW_BYTES
        upstream = orjson.loads(bodies.upstream) if bodies.upstream else None
        values = {
            "answer": bodies.answer,
            "notes": {"notes": bodies.notes} if bodies.notes else None,
            "told": bodies.told() if bodies.told else None,
            "request": bodies.request,
            "upstream": upstream,
        }
        for kind, value in values.items():
            if value is None:
                continue
            parts = split(value)
            found = [b""] * len(parts)
            for index in (0, *range(len(parts) - 1, 0, -1)):  # the latest messages first: the cap takes the oldest
                found[index], added = self._store(parts[index], seed, secrets, ended_at // HOUR, room, packed)
                room -= added
            packed.rows.append((request_id, kind, ended_at, sum(map(len, parts)), b"".join(found)))
        return packed

    def forget(self) -> None:
        """What was packed has not been stored."""
        self._known.clear()

    def _store(
        self, part: bytes, seed: Any, secrets: Sequence[bytes], hour: int, room: int, packed: Packed
    ) -> tuple[bytes, int]:
        """The part's SHA-256, and how many bytes it adds."""
        raw = seed.copy()
        raw.update(part)
        key = raw.digest()
        known = self._known.get(key)
        if known is not None and known[1] >= hour:
            self._known.move_to_end(key)
            return known[0], 0
        stored = redact(part, secrets)
        added = len(stored)
        if added > room:
            stored = b'{"$omitted":%d}' % added
            added = 0
        sha256 = hashlib.sha256(stored).digest()
        packed.blobs[sha256] = (sha256, hour, zlib.compress(stored, 6))
        if added:
            self._known[key] = (sha256, hour)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return sha256, added


async def add_packed(session: Session, packed: Sequence[Packed]) -> None:
    """Blobs in the order of their hashes: two processes never wait for each other in a circle."""
    blobs = {sha256: row for each in packed for sha256, row in each.blobs.items()}
    if blobs:
        newer = "ON CONFLICT (sha256) DO UPDATE SET hour = excluded.hour WHERE blob.hour < excluded.hour"
        await session.insert_many(blob, [blobs[sha256] for sha256 in sorted(blobs)], newer)
    rows = [row for each in packed for row in each.rows]
    if rows:
        await session.insert_many(body, rows, "ON CONFLICT DO NOTHING")


async def read_bodies(session: Session, request_id: str) -> dict[str, Any]:
    """`request`, `upstream`, `told`, `answer` and `notes`, those that are stored. Parts that are gone are None."""
    rows = await session.fetch_all(sa.select(body.c.kind, body.c.parts).where(body.c.request_id == request_id))
    wanted = list({sha256 for row in rows for sha256 in hashes(bytes(row["parts"]))})
    blobs: dict[bytes, Any] = {}
    for start in range(0, len(wanted), 500):
        query = sa.select(blob.c.sha256, blob.c.data).where(blob.c.sha256.in_(wanted[start : start + 500]))
        blobs.update({bytes(row["sha256"]): _decode(bytes(row["data"])) for row in await session.fetch_all(query)})
    return {row["kind"]: join([blobs.get(sha256) for sha256 in hashes(bytes(row["parts"]))]) for row in rows}


def _decode(data: bytes) -> Any:
    try:
        return orjson.loads(zlib.decompressobj().decompress(data, _MAX_BLOB))
    except (zlib.error, ValueError):
        return None
