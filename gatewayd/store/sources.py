"""The `config_source` table: what was last applied from each source of files, when and by whom."""

from __future__ import annotations

from dataclasses import dataclass

from gatewayd.store.database import Session
from gatewayd.store.tables import config_source


@dataclass(frozen=True, slots=True)
class SourceRow:
    """The state of one source.

    source_hash    of the normalised content
    previous_hash  of the content that this one took the place of
    applied_at     UTC epoch milliseconds
    applied_by     the host that applied it
    git_sha        of the directory's checkout, where it is one
    flaps          how often content came back that another host had replaced shortly before
    """

    source: str
    source_hash: str
    previous_hash: str | None
    applied_at: int
    applied_by: str
    git_sha: str | None = None
    flaps: int = 0


async def list_sources(session: Session) -> list[SourceRow]:
    return [
        SourceRow(**row) for row in await session.fetch_all(config_source.select().order_by(config_source.c.source))
    ]


async def save_source(session: Session, row: SourceRow) -> None:
    """Takes the place of the one that is there."""
    names = [column.name for column in config_source.columns]
    await session.execute(config_source.delete().where(config_source.c.source == row.source))
    await session.insert_many(config_source, [tuple(getattr(row, name) for name in names)])
