"""`gatewayd connect`: what makes Claude Code use a gateway, for pasting into a shell or into its settings."""

from __future__ import annotations

import click

from gatewayd.cli.runtime import read_settings, read_vault, run_with_store, say, write_json
from gatewayd.cli.terminal import actor
from gatewayd.config.client_settings import PLACEHOLDER, build_client_settings
from gatewayd.config.shells import SHELLS
from gatewayd.config.tokens import NewToken, add_client_token, read_gateway_record
from gatewayd.gateways import Gateway
from gatewayd.store import Store


@click.command(short_help="What makes Claude Code use a gateway.")
@click.argument("gateway")
@click.option("--shell", type=click.Choice(["bash", "zsh", "fish", "powershell"]), default="bash", show_default=True)
@click.option("--settings", "as_settings", is_flag=True, help="For ~/.claude/settings.json instead of a shell.")
@click.option("--new-token", metavar="NAME", help="Make a client token of that name and put it in.")
@click.option("--json", "as_json", is_flag=True, help="The variables as JSON.")
def connect(gateway: str, shell: str, as_settings: bool, new_token: str | None, as_json: bool) -> None:
    """Example: eval "$(gatewayd connect demo --new-token laptop)"

    Prints the variables that make Claude Code use a gateway.
    """
    settings = read_settings()

    async def make(store: Store, name: str) -> NewToken:
        return await add_client_token(store, gateway, name, read_vault(settings), by=actor())

    async def read(store: Store) -> tuple[Gateway, str]:
        record = await read_gateway_record(store, gateway)
        return record, (await make(store, new_token)).token if new_token else PLACEHOLDER

    record, token = run_with_store(settings, read)
    variables = build_client_settings(f"{settings.base_url()}/gateway/{gateway}", record, token)
    if as_settings or as_json:
        write_json({"env": variables} if as_settings else variables)
    else:
        click.echo(SHELLS[shell](variables))
    _advise(gateway, variables, as_settings, new_token)


def _advise(gateway: str, variables: dict[str, str], as_settings: bool, new_token: str | None) -> None:
    if new_token is None:
        say(f"put a token in for {PLACEHOLDER}; to make one: gatewayd connect {gateway} --new-token NAME")
    if "ANTHROPIC_MODEL" not in variables:
        say("the model map names no model; set ANTHROPIC_MODEL to one of the provider's models")
    if as_settings:
        say("for ~/.claude/settings.json, never for a project's committed file; ANTHROPIC_API_KEY must stay unset")
    else:
        say("values under env in ~/.claude/settings.json win over the shell's")
