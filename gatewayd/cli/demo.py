"""`gatewayd demo`: everything at once, without a key: a simulated provider, a gateway in front of it, one message.

Both servers are real and on real ports, in one process. The database lives in a temporary folder.
"""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import secrets
import socket
import tempfile
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click
from sanic import Sanic

from gatewayd.api.connection import Connection
from gatewayd.app import create_app
from gatewayd.cli.runtime import say
from gatewayd.cli.serve import listen
from gatewayd.config.live import start as start_configuration
from gatewayd.observe.logging import configure_logging
from gatewayd.settings import Settings, load_settings
from gatewayd.simulator.app import create_simulator
from gatewayd.store import Store
from gatewayd.store.keys import build_vault, load_secret_keys

_PROMPT = "Say hello to somebody who sees gatewayd for the first time."
_MODEL = "claude-sonnet-5"
_CONFIGURATION = """\
version: 1
gateways:
  demo:
    name: Simulated provider
    upstream: {{base_url: "{base_url}"}}
    models: [{{name: "sim-*"}}, {{name: "*", upstream_model: sim-fast}}]
    tokens: [{{name: demo, sha256: "{digest}"}}]
    logging: {{bodies: all}}
"""


@click.command()
@click.option("--once", is_flag=True, help="Stop after the message; exit code 0 says that it worked.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65_535), help="0 takes a free one.")
def demo(once: bool, port: int) -> None:
    """Example: gatewayd demo --once

    Serves a simulated provider and a gateway `demo` in front of it, sends one streamed message through both, prints the
    answer as it arrives and how to connect Claude Code, and goes on serving until Ctrl-C.
    """
    configure_logging("text", "warning")
    listener = listen("127.0.0.1", 0 if once and port == 8080 else port)
    with tempfile.TemporaryDirectory(prefix="gatewayd-demo-") as folder:
        try:
            asyncio.run(_run(listener, Path(folder), once))
        except KeyboardInterrupt:
            say("\nstopped")


async def _run(listener: socket.socket, folder: Path, once: bool) -> None:
    token, password = f"gwd_{secrets.token_urlsafe(32)}", secrets.token_urlsafe(12)
    provider = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    configs = folder / "configs"
    configs.mkdir()
    base_url = f"http://127.0.0.1:{provider.getsockname()[1]}/v1"
    text = _CONFIGURATION.format(base_url=base_url, digest=hashlib.sha256(token.encode()).hexdigest())
    (configs / "demo.yaml").write_text(text)
    settings = load_settings({"ADMIN_PASSWORD": password, "PORT": str(port), "GATEWAYD_CONFIG_DIR": str(configs),
                              "DATABASE_URL": f"sqlite:///{folder}/gatewayd.db"})  # fmt: skip
    gateway = await _create_gateway(settings)
    async with _serving(create_simulator(keep_requests=0), provider), _serving(gateway, listener):
        url = f"http://127.0.0.1:{port}"
        click.echo(f"> {_PROMPT}")
        await asyncio.to_thread(_show_answer, port, token)
        if not once:
            click.echo(f"\nUI          {url}/  login: {settings.admin_username}  password: {password}")
            click.echo("Claude Code, in another terminal:\n")
            click.echo(f"  export ANTHROPIC_BASE_URL={url}/gateway/demo")
            click.echo(f"  export ANTHROPIC_AUTH_TOKEN={token}")
            click.echo("\nThe provider is simulated: it needs no key and costs nothing. Ctrl-C stops everything.")
            await asyncio.Event().wait()


async def _create_gateway(settings: Settings) -> Any:
    store = Store(settings.database_url.get_secret_value())
    keys = load_secret_keys(None, store.address)
    await start_configuration(store, environ={}, config_dir=settings.config_dir, vault=build_vault(keys))
    return create_app(settings, environ={}, secret_keys=keys)


@asynccontextmanager
async def _serving(app: Sanic[Any, Any], listener: socket.socket) -> Any:
    """Serves an application inside the running event loop."""
    server = await app.create_server(sock=listener, protocol=Connection, return_asyncio_server=True)
    assert server is not None
    await server.startup()
    await server.before_start()
    await server.after_start()
    try:
        yield
    finally:
        await server.before_stop()
        await server.close()
        await server.after_stop()


def _show_answer(port: int, token: str) -> None:
    """Prints the text of one streamed message as it arrives. ClickException when it does not end well."""
    body = {"model": _MODEL, "max_tokens": 500, "stream": True, "messages": [{"role": "user", "content": _PROMPT}]}
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "anthropic-version": "2023-06-01",
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/gateway/demo/v1/messages", json.dumps(body), headers)
        response = connection.getresponse()
        ended = ""
        for event in _events(response):
            if event["type"] == "content_block_delta":
                click.echo(event["delta"].get("text", ""), nl=False)
            ended = event["type"]
        click.echo()
        if ended != "message_stop":
            raise click.ClickException(f"the answer did not end well: status {response.status}, {ended or 'no events'}")
    finally:
        connection.close()


def _events(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    for line in response:
        if line.startswith(b"data: "):
            yield json.loads(line[6:])
