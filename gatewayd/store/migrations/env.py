"""Alembic's entry: migrates on the connection that `run` opened, under the writers' lock."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import context

from gatewayd.store.database import LOCK_KEY
from gatewayd.store.partitions import PARTITION_PREFIX
from gatewayd.store.tables import metadata


def _is_ours(name: str | None, kind: str, _parents: Any) -> bool:
    """The partitions of the log come and go; no revision makes them."""
    return not (kind == "table" and (name or "").startswith(PARTITION_PREFIX))


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
    include_name=_is_ours,
)
with context.begin_transaction():
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK_KEY)))
    context.run_migrations()
