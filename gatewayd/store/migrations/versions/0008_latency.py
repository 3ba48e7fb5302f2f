"""How long the first of answers took, by hour."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "latency_hourly",
        sa.Column("at", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("gateway", sa.Text, nullable=False),
        sa.Column("size", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("at", "gateway", "size", name="pk_latency_hourly"),
        sqlite_with_rowid=False,
    )
