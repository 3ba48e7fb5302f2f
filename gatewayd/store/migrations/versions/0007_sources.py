"""What the files say beside what of it was applied, the sources that were applied, and operational switches."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("gateway", sa.Column("declared", sa.Text))
    op.execute("UPDATE gateway SET declared = applied")
    op.create_table(
        "config_source",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("source_hash", sa.Text, nullable=False),
        sa.Column("previous_hash", sa.Text),
        sa.Column("applied_at", sa.BigInteger, nullable=False),
        sa.Column("applied_by", sa.Text, nullable=False),
        sa.Column("git_sha", sa.Text),
        sa.Column("flaps", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("source", name="pk_config_source"),
    )
    op.create_table(
        "override",
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("paused", sa.Integer, nullable=False),
        sa.Column("pause_reason", sa.Text, nullable=False),
        sa.Column("until", sa.BigInteger),
        sa.Column("paused_by", sa.Text, nullable=False),
        sa.Column("paused_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("kind", "id", name="pk_override"),
    )
