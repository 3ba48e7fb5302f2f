"""`gatewayd token`: the client tokens of a gateway."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from gatewayd.cli.runtime import read_settings, read_vault, run_with_store, say, write_json
from gatewayd.cli.terminal import actor
from gatewayd.config.tokens import add_client_token, list_client_tokens, revoke_client_token
from gatewayd.store import Store
from gatewayd.store.tokens import TokenRow


@click.group(short_help="Client tokens of a gateway.")
def token() -> None:
    """Example: gatewayd token create demo laptop

    Client tokens: what a client of a gateway sends as ANTHROPIC_AUTH_TOKEN.
    """


@token.command(short_help="Make a token and print it once.")
@click.argument("gateway")
@click.argument("name")
def create(gateway: str, name: str) -> None:
    """Example: gatewayd token create demo laptop

    Makes a token and prints it. Its SHA-256 is stored, and, where there is a key for that, the encrypted token.
    """
    settings = read_settings()
    vault = read_vault(settings)
    new = run_with_store(settings, lambda store: add_client_token(store, gateway, name, vault, by=actor()))
    click.echo(new.token)
    again = "the UI can show it again" if vault.can_store else "keep it now, it cannot be shown again"
    say(f"token {name!r} of gateway {gateway}: {again}")


@token.command(name="list", short_help="List the tokens of a gateway.")
@click.argument("gateway")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_(gateway: str, as_json: bool) -> None:
    """Example: gatewayd token list demo

    Lists the names of a gateway's tokens, when they were made and by whom.
    """

    async def read(store: Store) -> list[TokenRow]:
        async with store.read() as session:
            return await list_client_tokens(session, gateway)

    rows = run_with_store(read_settings(), read)
    if as_json:
        write_json([{"name": row.name, "created_at": _time(row), "managed_by": row.managed_by} for row in rows])
        return
    width = max((len(row.name) for row in rows), default=0)
    for row in rows:
        click.echo(f"{row.name:<{width}}  {_time(row)}  {row.managed_by}")
    if not rows:
        say(f"gateway {gateway} has no token; run: gatewayd token create {gateway} NAME")


@token.command(short_help="Revoke a token.")
@click.argument("gateway")
@click.argument("name")
def revoke(gateway: str, name: str) -> None:
    """Example: gatewayd token revoke demo laptop

    Revokes a token: after one second at most, its requests are refused.
    """
    row = run_with_store(read_settings(), lambda store: revoke_client_token(store, gateway, name, by=actor()))
    say(f"revoked token {name!r} of gateway {gateway}")
    if row.managed_by.startswith("file:"):
        say("it is declared in a configuration file; remove it there too")


def _time(row: TokenRow) -> str:
    return datetime.fromtimestamp(row.created_at / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
