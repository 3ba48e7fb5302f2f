"""`gatewayd healthcheck`: for containers."""

from __future__ import annotations

import http.client
import urllib.request

import click

from gatewayd.cli.runtime import read_settings, say


@click.command(short_help="Ask the running server, for containers.")
@click.option("--timeout", default=5.0, show_default=True, help="Seconds to wait for the answer.")
@click.pass_context
def healthcheck(ctx: click.Context, timeout: float) -> None:
    """Example: gatewayd healthcheck

    Asks the server that listens on HOST and PORT whether it is alive. Exit code 0 when it is, else 1.
    """
    url = f"{read_settings().listening_url()}/health"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy is not the server
    try:
        with opener.open(url, timeout=timeout) as answer:
            status = answer.status
    except (OSError, http.client.HTTPException) as error:
        say(f"gatewayd: {url} does not answer: {getattr(error, 'reason', None) or error}")
        ctx.exit(1)
    say(f"{url}: {status}")
