"""`gatewayd schema`: the JSON Schema of the YAML."""

from __future__ import annotations

import click

from gatewayd.config.schema import print_schema


@click.command(short_help="Print the JSON Schema of the YAML.")
@click.option("--json", "as_json", is_flag=True, help="Accepted, as by all verbs that read: it is JSON either way.")
def schema(as_json: bool) -> None:  # noqa: ARG001 - see its help
    """Example: gatewayd schema > configs/gatewayd.schema.json

    Prints the JSON Schema of the configuration files, which editors complete and check them by.
    """
    click.echo(print_schema(), nl=False)
