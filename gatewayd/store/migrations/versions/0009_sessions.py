"""The timeline of a request, and sums by Claude Code session, with those of what the log holds already."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_SUMS = (
    "requests agent_requests errors unpriced input_tokens cache_read cache_write output_tokens cost_nano duration_ms"
)


def upgrade() -> None:
    op.add_column("request_log", sa.Column("timeline", sa.Text))
    op.create_table(
        "client_session",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("first_at", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.BigInteger, nullable=False),
        sa.Column("failed_at", sa.BigInteger),
        sa.Column("gateway", sa.Text, nullable=False),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("context_max", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _SUMS.split()),
        sa.PrimaryKeyConstraint("id", name="pk_client_session"),
    )
    op.create_index("ix_client_session_last", "client_session", ["last_at", "id"])
    op.create_index("ix_client_session_gateway", "client_session", ["gateway", "last_at", "id"])
    _sum_up_the_log()


def _sum_up_the_log() -> None:
    """Sessions that used several gateways, tokens or models get one of them: the latest would take far longer."""
    failed = "outcome IN ('error', 'truncated', 'refused')"
    context = " + ".join(_capped(name) for name in ("input_tokens", "cache_read", "cache_write"))
    columns = [
        "session, MIN(ended_at), MAX(ended_at)",
        f"MIN(CASE WHEN {failed} THEN ended_at END)",
        "MAX(gateway), MAX(token), MAX(model)",
        f"MAX(CASE WHEN agent IS NULL THEN {context} ELSE 0 END)",
        f"COUNT(*), COUNT(agent), SUM(CASE WHEN {failed} THEN 1 ELSE 0 END)",
        "SUM(CASE WHEN cost_nano IS NULL THEN 1 ELSE 0 END)",
        *(f"SUM({_capped(name)})" for name in _SUMS.split()[4:]),
    ]
    chosen = f"SELECT {', '.join(columns)} FROM request_log"  # noqa: S608 - no data in it
    rows = f"{chosen} WHERE session IS NOT NULL GROUP BY session"
    op.execute(f"INSERT INTO client_session {rows}")


def _capped(name: str) -> str:
    largest = 10**14 if name == "cost_nano" else 10**10
    return f"CASE WHEN {name} > {largest} THEN {largest} ELSE COALESCE({name}, 0) END"
