"""The `token` table: client tokens by name and SHA-256. The tokens themselves are nowhere in the database."""

from __future__ import annotations

from dataclasses import dataclass

from gatewayd.store.database import Session
from gatewayd.store.tables import token


@dataclass(frozen=True, slots=True)
class TokenRow:
    """sha256 in hexadecimal; managed_by as for gateways; created_at in UTC epoch milliseconds."""

    gateway_id: str
    name: str
    sha256: str
    managed_by: str
    created_at: int


async def list_tokens(session: Session, gateway_id: str | None = None) -> list[TokenRow]:
    """Of one gateway, or of all; by gateway and name."""
    query = token.select().order_by(token.c.gateway_id, token.c.name)
    if gateway_id is not None:
        query = query.where(token.c.gateway_id == gateway_id)
    return [TokenRow(**row) for row in await session.fetch_all(query)]


async def add_token(session: Session, row: TokenRow) -> None:
    await session.execute(
        token.insert().values(
            gateway_id=row.gateway_id,
            name=row.name,
            sha256=row.sha256,
            managed_by=row.managed_by,
            created_at=row.created_at,
        )
    )


async def remove_token(session: Session, gateway_id: str, name: str) -> None:
    await session.execute(token.delete().where(token.c.gateway_id == gateway_id, token.c.name == name))
