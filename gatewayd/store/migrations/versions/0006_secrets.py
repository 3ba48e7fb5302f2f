"""Provider keys and client tokens, encrypted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("token", sa.Column("ciphertext", sa.Text))
    op.create_table(
        "secret",
        sa.Column("gateway_id", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("ciphertext", sa.Text, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("gateway_id", name="pk_secret"),
        sa.ForeignKeyConstraint(["gateway_id"], ["gateway.id"], name="fk_secret_gateway_id", ondelete="CASCADE"),
    )
