"""The tables, as SQLAlchemy Core sees them. The migrations make them; a test holds the two together.

JSON is TEXT that this package encodes and decodes; times are UTC epoch milliseconds: both engines treat these alike.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: One row. `revision` grows by one with every change of the configuration, in the same transaction.
config_state = sa.Table(
    "config_state",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.CheckConstraint("id = 1", name="one_row"),
)

#: One row for each source of files. `previous_hash`: of the content before; `flaps`: how often it came back too soon.
config_source = sa.Table(
    "config_source",
    metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("source_hash", sa.Text, nullable=False),
    sa.Column("previous_hash", sa.Text),
    sa.Column("applied_at", sa.BigInteger, nullable=False),
    sa.Column("applied_by", sa.Text, nullable=False),
    sa.Column("git_sha", sa.Text),
    sa.Column("flaps", sa.BigInteger, nullable=False),
)

#: What operators switch, apart from the records. `paused` is 0 or 1.
override = sa.Table(
    "override",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("paused", sa.Integer, nullable=False),
    sa.Column("pause_reason", sa.Text, nullable=False),
    sa.Column("until", sa.BigInteger),
    sa.Column("paused_by", sa.Text, nullable=False),
    sa.Column("paused_at", sa.BigInteger, nullable=False),
)

#: `spec` is the live record without its tokens. `declared` is what its file says, `applied` what of that was taken,
#: tokens included in both (NULL: no file has it).
gateway = sa.Table(
    "gateway",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("spec", sa.Text, nullable=False),
    sa.Column("managed_by", sa.Text, nullable=False),
    sa.Column("source_file", sa.Text),
    sa.Column("source_line", sa.Integer),
    sa.Column("applied", sa.Text),
    sa.Column("generation", sa.BigInteger, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    sa.Column("updated_by", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("declared", sa.Text),
)

#: Client tokens, by their SHA-256 in hexadecimal. `ciphertext`: the token that gatewayd made, where it had a key.
token = sa.Table(
    "token",
    metadata,
    sa.Column("gateway_id", sa.Text, sa.ForeignKey("gateway.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("managed_by", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("ciphertext", sa.Text),
)

#: The provider key of a gateway whose record says `api_key: {stored: true}`, encrypted. `origin`: where alone
#: it may be sent.
secret = sa.Table(
    "secret",
    metadata,
    sa.Column("gateway_id", sa.Text, sa.ForeignKey("gateway.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("ciphertext", sa.Text, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
)

#: `habits` is a JSON object as in `upstream.capabilities`; `upstream` is base URL and dialect, so a change begins anew.
learned = sa.Table(
    "learned",
    metadata,
    sa.Column("gateway_id", sa.Text, primary_key=True),
    sa.Column("upstream", sa.Text, primary_key=True),
    sa.Column("upstream_model", sa.Text, primary_key=True),
    sa.Column("habits", sa.Text, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
)

#: `sums` is a JSON object; those of two processes are added up in one transaction.
estimate = sa.Table(
    "estimate",
    metadata,
    sa.Column("gateway_id", sa.Text, primary_key=True),
    sa.Column("upstream_model", sa.Text, primary_key=True),
    sa.Column("sums", sa.Text, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
)

#: One row per exchange, whatever its end. On PostgreSQL partitioned by the UTC day of `ended_at`: rows appear in the
#: order of their ends, so a page that was seen never changes, and what is old is dropped by the day.
request_log = sa.Table(
    "request_log",
    metadata,
    sa.Column("ended_at", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("id", sa.Text, primary_key=True),
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
    sa.Column("timeline", sa.Text),
    postgresql_partition_by="RANGE (ended_at)",
)
sa.Index("ix_request_log_id", request_log.c.id)
sa.Index("ix_request_log_gateway", request_log.c.gateway, request_log.c.ended_at)
sa.Index("ix_request_log_token", request_log.c.token, request_log.c.ended_at)
sa.Index("ix_request_log_model", request_log.c.model, request_log.c.ended_at)
_in_session, _failed = request_log.c.session.is_not(None), request_log.c.outcome != sa.literal_column("'ok'")
sa.Index(
    "ix_request_log_session",
    request_log.c.session,
    request_log.c.ended_at,
    sqlite_where=_in_session,
    postgresql_where=_in_session,
)
sa.Index(  # few rows, so it may hold all that they are filtered by
    "ix_request_log_failed",
    *(request_log.c[name] for name in ("ended_at", "id", "outcome", "gateway", "token", "model")),
    sqlite_where=_failed,
    postgresql_where=_failed,
)

_COUNTS = (
    "requests errors cancelled truncated refused estimated unpriced input_tokens cache_read cache_write"
    " output_tokens reasoning_tokens cost_nano duration_ms ttft_ms ttft_count"
).split()


def _usage(name: str) -> sa.Table:
    return sa.Table(
        name,
        metadata,
        sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("gateway", sa.Text, primary_key=True),
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("token", sa.Text, primary_key=True),
        *(sa.Column(count, sa.BigInteger, nullable=False) for count in _COUNTS),
        sqlite_with_rowid=False,
    )


#: What pages and exports of usage read, so that they never scan the log. `at`: the first millisecond, UTC.
usage_hourly = _usage("usage_hourly")
usage_daily = _usage("usage_daily")

#: Sums over the requests of a session of Claude Code, agents included, so that lists never look at the log. `gateway`,
#: `token`, `model`: of its latest request; `context_max`: of the requests that no agent made; `failed_at`: the first.
client_session = sa.Table(
    "client_session",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("first_at", sa.BigInteger, nullable=False),
    sa.Column("last_at", sa.BigInteger, nullable=False),
    sa.Column("failed_at", sa.BigInteger),
    sa.Column("gateway", sa.Text, nullable=False),
    sa.Column("token", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("context_max", sa.BigInteger, nullable=False),
    *(
        sa.Column(name, sa.BigInteger, nullable=False)
        for name in (
            "requests agent_requests errors unpriced input_tokens cache_read cache_write output_tokens cost_nano"
            " duration_ms"
        ).split()
    ),
)
sa.Index("ix_client_session_last", client_session.c.last_at, client_session.c.id)
sa.Index("ix_client_session_gateway", client_session.c.gateway, client_session.c.last_at, client_session.c.id)

#: How many first pieces of answers took how long: `size` as in `store.latencies`.
latency_hourly = sa.Table(
    "latency_hourly",
    metadata,
    sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("gateway", sa.Text, primary_key=True),
    sa.Column("size", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("count", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

#: A stored body as the blobs that it is put together from: `parts` holds their SHA-256 one after another.
body = sa.Table(
    "body",
    metadata,
    sa.Column("request_id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("ended_at", sa.BigInteger, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("parts", sa.LargeBinary, nullable=False),
)
sa.Index("ix_body_ended_at", body.c.ended_at)

#: `hour`: the latest one in which a body that uses the blob was written, so that age alone decides what may go.
blob = sa.Table(
    "blob",
    metadata,
    sa.Column("sha256", sa.LargeBinary, primary_key=True),
    sa.Column("hour", sa.BigInteger, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
)
sa.Index("ix_blob_hour", blob.c.hour)

#: Of how many of a gateway's next requests the bodies are to be stored, whatever its policy.
capture = sa.Table(
    "capture",
    metadata,
    sa.Column("gateway_id", sa.Text, primary_key=True),
    sa.Column("remaining", sa.Integer, nullable=False),
)

#: Who changed what. `detail` is JSON and holds no secret.
audit_event = sa.Table(
    "audit_event",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
)
sa.Index("ix_audit_event_at", audit_event.c.at)
sa.Index("ix_audit_event_subject", audit_event.c.subject, audit_event.c.at)

#: Logins to the UI, by the SHA-256 of their cookie in hexadecimal; `credential` tells which password made it.
admin_session = sa.Table(
    "admin_session",
    metadata,
    sa.Column("sha256", sa.Text, primary_key=True),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("seen_at", sa.BigInteger, nullable=False),
    sa.Column("client_ip", sa.Text, nullable=False),
    sa.Column("user_agent", sa.Text, nullable=False),
    sa.Column("credential", sa.Text, nullable=False),
)
