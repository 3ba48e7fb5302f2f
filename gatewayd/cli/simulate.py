"""`gatewayd simulate`: the simulated provider alone, over real HTTP."""

from __future__ import annotations

import socket

import click

from gatewayd.simulator.app import create_simulator


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8081, show_default=True, type=click.IntRange(0, 65_535), help="0 takes a free one.")
@click.option(
    "--delay", default=0.02, show_default=True, type=click.FloatRange(min=0), help="Seconds between streamed words."
)
def simulate(host: str, port: int, delay: float) -> None:
    """Example: gatewayd simulate --port 8081

    Serves a simulated OpenAI-compatible provider that needs no key. Its model names say how it behaves: curl
    http://127.0.0.1:8081/v1/models
    """
    try:
        listener = socket.create_server((host, port), backlog=1024)
    except OSError as error:
        raise click.ClickException(f"cannot listen: {error.strerror or error}; try --port 0") from None
    click.echo(f"Simulated provider: http://{host}:{listener.getsockname()[1]}/v1 (no key needed)", err=True)
    app = create_simulator(delay=delay, keep_requests=0)
    app.run(sock=listener, single_process=True, motd=False)
