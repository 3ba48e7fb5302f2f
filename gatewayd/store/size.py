"""How much room the database takes."""

from __future__ import annotations

from gatewayd.store.database import Session


async def read_size(session: Session) -> int:
    """In bytes; of SQLite without its side files, of PostgreSQL with everything in this database."""
    if session.engine == "sqlite":
        query = "SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()"
    else:
        query = "SELECT pg_database_size(current_database()) AS bytes"
    row = await session.fetch_one(query)
    return int(row["bytes"]) if row else 0
