"""Alembic's entry: migrates on the connection that `run` opened, under the writers' lock."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

from gatewayd.store.database import LOCK_KEY
from gatewayd.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, compare_type=True)
with context.begin_transaction():
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK_KEY)))
    context.run_migrations()
