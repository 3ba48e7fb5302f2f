"""Writes `fixtures/<revision>.<engine>.sql` for every schema revision that has none: a filled database of that time.

    python -m tests.store.make_fixtures        needs PostgreSQL with pg_dump

What was written once is never written again: it is what users have.
"""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import subprocess
import tempfile
from pathlib import Path

from alembic import command

from gatewayd.store.migrations import VERSIONS, run
from gatewayd.store.urls import parse_database_url
from tests.databases import ENGINES, Cluster, postgresql

FIXTURES = Path(__file__).parent / "fixtures"

#: revision -> what a database that is used holds since then
ROWS = {
    "0001": f"""
        UPDATE config_state SET revision = 7;
        INSERT INTO gateway (id, spec, managed_by, source_file, source_line, applied, generation, updated_at,
            updated_by, state)
        VALUES ('demo', '{{"upstream":{{"base_url":"https://a.example/v1"}}}}', 'file:default', 'demo.yaml', 3,
            '{{"upstream":{{"base_url":"https://a.example/v1"}}}}', 2, 1700000000000, 'file', 'active');
        INSERT INTO token (gateway_id, name, sha256, managed_by, created_at)
        VALUES ('demo', 'laptop', '{"1" * 64}', 'ui', 1700000000000)""",
    "0002": """
        INSERT INTO learned (gateway_id, upstream, upstream_model, habits, updated_at)
        VALUES ('demo', 'https://a.example/v1 generic', 'm', '{"developer_role": true}', 1700000000000)""",
    "0003": """
        INSERT INTO estimate (gateway_id, upstream_model, sums, updated_at)
        VALUES ('demo', 'm', '{}', 1700000000000)""",
    "0004": """
        INSERT INTO usage_hourly
        VALUES (1699999200000, 'demo', 'm', 'laptop', 3, 1, 0, 0, 0, 0, 3, 10, 20, 0, 5, 0, 0, 900, 300, 3);
        INSERT INTO usage_daily
        VALUES (1699920000000, 'demo', 'm', 'laptop', 3, 1, 0, 0, 0, 0, 3, 10, 20, 0, 5, 0, 0, 900, 300, 3);
        INSERT INTO capture (gateway_id, remaining) VALUES ('demo', 2)""",
    "0005": """
        INSERT INTO audit_event (id, at, actor, action, subject, detail)
        VALUES ('aud_1', 1700000000000, 'admin@127.0.0.1', 'save', 'gateway:demo', '{}')""",
    "0006": """
        INSERT INTO secret (gateway_id, origin, ciphertext, updated_at)
        VALUES ('demo', 'https://a.example', 'gAAAAAto-be-read-with-its-key', 1700000000000);
        UPDATE token SET ciphertext = 'gAAAAAto-be-read-with-its-key' WHERE name = 'laptop'""",
    "0007": """
        INSERT INTO config_source (source, source_hash, applied_at, applied_by, flaps)
        VALUES ('default', 'abc', 1700000000000, 'host', 0);
        INSERT INTO override (kind, id, paused, pause_reason, paused_by, paused_at)
        VALUES ('gateway', 'demo', 1, 'maintenance', 'cli@host', 1700000000000)""",
    "0008": """
        INSERT INTO latency_hourly (at, gateway, size, count) VALUES (1699999200000, 'demo', 33, 3);
        INSERT INTO admin_session (sha256, created_at, seen_at, client_ip, user_agent, credential)
        VALUES ('abc', 1700000000000, 1700000000000, '127.0.0.1', 'browser', 'def')""",
    "0009": """
        INSERT INTO client_session
        VALUES ('0f0e-1', 1700000000000, 1700000000900, NULL, 'demo', 'laptop', 'm', 30, 3, 1, 0, 3, 10, 20, 0, 5, 0,
            900)""",
}


def statements_until(revision: str) -> list[str]:
    rows = ";".join(statements for since, statements in ROWS.items() if since <= revision)
    return [" ".join(statement.split()) for statement in rows.split(";")]


def fixture(revision: str, engine: str) -> Path:
    return FIXTURES / f"{revision}.{engine}.sql"


async def _fill(url: str, revision: str) -> None:
    engine = run._build_engine(parse_database_url(url))
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.upgrade(run.build_config(sync), revision))
        for statement in statements_until(revision):
            await connection.exec_driver_sql(statement)
    await engine.dispose()


def _dump_sqlite(revision: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/x.db"
        asyncio.run(_fill(f"sqlite:///{path}", revision))
        with sqlite3.connect(path) as connection:
            return "\n".join(connection.iterdump()) + "\n"


def _dump_postgresql(revision: str, cluster: Cluster) -> str:
    url = cluster.create_database()
    asyncio.run(_fill(url, revision))
    arguments = [
        "pg_dump",
        "--inserts",
        "--no-owner",
        "--no-privileges",
        f"--dbname={cluster.url_without_password(url)}",
    ]
    done = subprocess.run(
        arguments, env={**os.environ, "PGPASSWORD": cluster.password}, capture_output=True, text=True, check=True
    )
    lines = [
        line for line in done.stdout.splitlines() if line and not re.match(r"--|\\|SET |SELECT pg_catalog.set", line)
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    FIXTURES.mkdir(exist_ok=True)
    missing = [
        (revision, engine) for revision in VERSIONS for engine in ENGINES if not fixture(revision, engine).exists()
    ]
    clusters = postgresql.__wrapped__()  # type: ignore[attr-defined]  # the generator behind the fixture
    cluster = next(clusters)
    try:
        for revision, engine in missing:
            text = _dump_sqlite(revision) if engine == "sqlite" else _dump_postgresql(revision, cluster)
            fixture(revision, engine).write_text(text, encoding="utf-8")
            print(fixture(revision, engine))
    finally:
        next(clusters, None)


if __name__ == "__main__":
    main()
