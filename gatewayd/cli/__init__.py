"""The command line. One module per verb or group of verbs, without logic of its own, imported when it is called.

Data goes to stdout, talk to stderr. A ConfigurationError becomes one `gatewayd: …` line per problem and exit code 1;
wrong usage exits 64, so that 2 can mean `there are changes`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from gatewayd import __version__
from gatewayd.errors import ConfigurationError

#: verb -> module and attribute
VERBS = {
    "apply": "gatewayd.cli.apply:apply",
    "connect": "gatewayd.cli.connect:connect",
    "db": "gatewayd.cli.db:db",
    "demo": "gatewayd.cli.demo:demo",
    "doctor": "gatewayd.cli.doctor:doctor",
    "export": "gatewayd.cli.export:export",
    "healthcheck": "gatewayd.cli.healthcheck:healthcheck",
    "logs": "gatewayd.cli.logs:logs",
    "pause": "gatewayd.cli.pause:pause",
    "plan": "gatewayd.cli.apply:plan",
    "resume": "gatewayd.cli.pause:resume",
    "schema": "gatewayd.cli.schema:schema",
    "serve": "gatewayd.cli.serve:serve",
    "simulate": "gatewayd.cli.simulate:simulate",
    "token": "gatewayd.cli.token:token",
    "validate": "gatewayd.cli.validate:validate",
}

click.UsageError.exit_code = 64


class _Verbs(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in VERBS:
            return None
        module, _, attribute = VERBS[cmd_name].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            for line in str(error).splitlines():
                click.echo(f"gatewayd: {line}", err=True)
            ctx.exit(1)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gatewayd")
def main() -> None:
    """Claude Code, and every other client of the Anthropic Messages API, on any OpenAI-compatible provider."""
