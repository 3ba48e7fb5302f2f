"""`gatewayd db`: the database's schema, and a copy of it all."""

from __future__ import annotations

import time
from pathlib import Path

import click

from gatewayd.cli.progress import shown_meanwhile
from gatewayd.cli.runtime import read_settings, read_vault, run_with_store, say, write_json
from gatewayd.store import Store
from gatewayd.store.backup import back_up
from gatewayd.store.migrations import SchemaStatus, Upgraded, plan_backup, read_status
from gatewayd.store.migrations import upgrade as upgrade_schema
from gatewayd.store.secrets import forget_secrets
from gatewayd.store.urls import parse_database_url


@click.group(short_help="The schema of the database.")
def db() -> None:
    """Example: gatewayd db status

    The schema of the database. `gatewayd serve` upgrades it by itself.
    """


@db.command(short_help="Bring the schema to this program's version.")
def upgrade() -> None:
    """Example: gatewayd db upgrade

    Brings the schema to this program's version. Does nothing when it is there already. SQLite is first copied to a
    file beside it.
    """
    settings = read_settings()
    upgraded = run_with_store(settings, _upgrade, schema=False)
    say(f"schema {'upgraded to' if upgraded else 'is at'} {SchemaStatus(None).newest}")
    if upgraded and upgraded.backup:
        say(f"the database from before is in {upgraded.backup}")


async def _upgrade(store: Store) -> Upgraded | None:
    status = await read_status(store)
    copy = plan_backup(store, status)
    began = time.monotonic()

    def text() -> str:
        step = f"{_megabytes(copy)} copied to {copy.name}, " if copy else ""
        return f"schema {status.current or 'none'} to {status.newest}: {step}{time.monotonic() - began:.0f} s"

    if status.is_current:
        return None
    async with shown_meanwhile(text):
        return await upgrade_schema(store)


def _megabytes(path: Path) -> str:
    size = path.stat().st_size if path.exists() else 0
    return f"{size / 1_000_000:.1f} MB"


@db.command(name="forget-secrets", short_help="Remove stored secrets whose key is lost.")
def forget() -> None:
    """Example: gatewayd db forget-secrets

    Removes the stored secrets that GATEWAYD_SECRET_KEY (SQLite: or the key file) does not read. Their provider keys
    must be entered again; their client tokens go on working, but cannot be shown again.
    """
    settings = read_settings()
    vault = read_vault(settings)
    keys, tokens = run_with_store(settings, lambda store: forget_secrets(store, vault))
    say(f"removed {keys} provider keys, and what would show {tokens} client tokens")


@db.command(short_help="Tell the schema's version.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Example: gatewayd db status

    Tells the schema's version and this program's. Exit code 1 when they differ. Changes nothing.
    """
    settings = read_settings()
    address = parse_database_url(settings.database_url.get_secret_value())
    if address.engine == "sqlite" and not Path(address.path).exists():
        found, backup = SchemaStatus(None), None
    else:
        found, backup = run_with_store(settings, _read_status, schema=False)
    state = "current" if found.is_current else "newer than this program" if found.is_newer else "upgrade needed"
    if as_json:
        told = {"database": address.shown, "current": found.current, "newest": found.newest, "state": state}
        write_json(told | {"backup": str(backup) if backup else None})
    else:
        click.echo(f"{address.shown}: schema {found.current or 'none'}, this program {found.newest}: {state}")
    if backup:
        say(f"the upgrade first copies the database to {backup}")
    if not found.is_current:
        ctx.exit(1)


async def _read_status(store: Store) -> tuple[SchemaStatus, Path | None]:
    found = await read_status(store)
    return found, None if found.is_newer else plan_backup(store, found)


@db.command(short_help="Write a consistent copy.")
@click.argument("path", type=click.Path(path_type=Path))
def backup(path: Path) -> None:
    """Example: gatewayd db backup gatewayd-backup.db

    Writes a consistent copy of the database while it is in use: of SQLite a database file, of PostgreSQL what
    pg_restore reads. The key file of SQLite (DATABASE.key) is not part of it; keep a copy of that too.
    """

    async def copy(store: Store) -> None:
        async with shown_meanwhile(lambda: f"{_megabytes(path)} written"):
            await back_up(store, path)

    run_with_store(read_settings(), copy, schema=False)
    say(f"wrote {path} ({path.stat().st_size} bytes)")
