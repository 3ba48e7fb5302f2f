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

#: `spec` is the live record without its tokens; `applied` is what the file last said, tokens included (NULL: no file).
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
)

#: Client tokens, by their SHA-256 in hexadecimal; the tokens themselves are nowhere.
token = sa.Table(
    "token",
    metadata,
    sa.Column("gateway_id", sa.Text, sa.ForeignKey("gateway.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("managed_by", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
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
