"""The request log, usage by hour and day, stored bodies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_COUNTS = (
    "requests errors cancelled truncated refused estimated unpriced input_tokens cache_read cache_write"
    " output_tokens reasoning_tokens cost_nano duration_ms ttft_ms ttft_count"
)


def upgrade() -> None:
    _make_log()
    for name in ("usage_hourly", "usage_daily"):
        op.create_table(
            name,
            sa.Column("at", sa.BigInteger, autoincrement=False, nullable=False),
            sa.Column("gateway", sa.Text, nullable=False),
            sa.Column("model", sa.Text, nullable=False),
            sa.Column("token", sa.Text, nullable=False),
            *(sa.Column(count, sa.BigInteger, nullable=False) for count in _COUNTS.split()),
            sa.PrimaryKeyConstraint("at", "gateway", "model", "token", name=f"pk_{name}"),
            sqlite_with_rowid=False,
        )
    op.create_table(
        "body",
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("ended_at", sa.BigInteger, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("parts", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("request_id", "kind", name="pk_body"),
    )
    op.create_index("ix_body_ended_at", "body", ["ended_at"])
    op.create_table(
        "blob",
        sa.Column("sha256", sa.LargeBinary, nullable=False),
        sa.Column("hour", sa.BigInteger, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_blob"),
    )
    op.create_index("ix_blob_hour", "blob", ["hour"])
    op.create_table(
        "capture",
        sa.Column("gateway_id", sa.Text, nullable=False),
        sa.Column("remaining", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("gateway_id", name="pk_capture"),
    )


def _make_log() -> None:
    op.create_table(
        "request_log",
        sa.Column("ended_at", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("gateway", sa.Text, nullable=False),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("upstream_model", sa.Text),
        sa.Column("answered_by", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("error_type", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("stop_reason", sa.Text),
        sa.Column("stream", sa.SmallInteger, nullable=False),
        sa.Column("ttft_ms", sa.BigInteger),
        sa.Column("duration_ms", sa.BigInteger, nullable=False),
        sa.Column("input_tokens", sa.BigInteger),
        sa.Column("cache_read", sa.BigInteger),
        sa.Column("cache_write", sa.BigInteger),
        sa.Column("output_tokens", sa.BigInteger),
        sa.Column("reasoning_tokens", sa.BigInteger),
        sa.Column("usage_source", sa.Text, nullable=False),
        sa.Column("cost_nano", sa.BigInteger),
        sa.Column("notes", sa.Text),
        sa.Column("session", sa.Text),
        sa.Column("agent", sa.Text),
        sa.Column("parent_agent", sa.Text),
        sa.Column("client_ip", sa.Text),
        sa.Column("user_agent", sa.Text),
        sa.PrimaryKeyConstraint("ended_at", "id", name="pk_request_log"),
        postgresql_partition_by="RANGE (ended_at)",
    )
    op.create_index("ix_request_log_id", "request_log", ["id"])
    for column in ("gateway", "token", "model"):
        op.create_index(f"ix_request_log_{column}", "request_log", [column, "ended_at"])
    in_session, failed = sa.text("session IS NOT NULL"), sa.text("outcome <> 'ok'")
    op.create_index(
        "ix_request_log_session",
        "request_log",
        ["session", "ended_at"],
        sqlite_where=in_session,
        postgresql_where=in_session,
    )
    op.create_index(
        "ix_request_log_failed",
        "request_log",
        ["ended_at", "id", "outcome", "gateway", "token", "model"],
        sqlite_where=failed,
        postgresql_where=failed,
    )
