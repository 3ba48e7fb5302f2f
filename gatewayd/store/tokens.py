"""The `token` table: client tokens by name and SHA-256, which alone is what finds them.

A token that gatewayd made is there a second time, encrypted, so that it can be shown again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gatewayd.store.database import Session
from gatewayd.store.tables import token

_COLUMNS = tuple(column.name for column in token.columns)


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One client token.

    sha256      in hexadecimal
    managed_by  as for gateways
    created_at  UTC epoch milliseconds
    ciphertext  the token for a `Vault`; None where a file declared its hash, or there was no key that lasts
    """

    gateway_id: str
    name: str
    sha256: str
    managed_by: str
    created_at: int
    ciphertext: str | None = field(default=None, repr=False)


async def list_tokens(session: Session, gateway_id: str | None = None) -> list[TokenRow]:
    """Of one gateway, or of all; by gateway and name."""
    query = token.select().order_by(token.c.gateway_id, token.c.name)
    if gateway_id is not None:
        query = query.where(token.c.gateway_id == gateway_id)
    return [TokenRow(**row) for row in await session.fetch_all(query)]


async def add_token(session: Session, row: TokenRow) -> None:
    await add_tokens(session, [row])


async def add_tokens(session: Session, rows: Sequence[TokenRow]) -> None:
    if rows:
        await session.insert_many(token, [tuple(getattr(row, name) for name in _COLUMNS) for row in rows])


async def remove_token(session: Session, gateway_id: str, name: str) -> None:
    await session.execute(token.delete().where(token.c.gateway_id == gateway_id, token.c.name == name))
