"""`gatewayd serve`: migrate, apply the configuration, say what serves, serve."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import click

from gatewayd.api.connection import Connection
from gatewayd.app import create_app
from gatewayd.cli.runtime import read_settings, say
from gatewayd.cli.workers import Workers
from gatewayd.config.live import Live, Started
from gatewayd.config.live import start as start_configuration
from gatewayd.errors import ConfigurationError
from gatewayd.observe.logging import configure_logging
from gatewayd.observe.shared_metrics import forget_gauges, share_metrics
from gatewayd.relay.limits import check_storage
from gatewayd.settings import Settings
from gatewayd.store import Store
from gatewayd.store.keys import SecretKeys, Vault, build_vault, load_secret_keys
from gatewayd.upstream import load_trust

_SWITCH_SECONDS = 0.0005  # threads read files and bodies; the loop waits this long for each turn among them
BACKLOG = 4096  # thousands of streams may begin at once


@click.command()
@click.option("--host", help="Address to listen on; HOST, else 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65_535), help="PORT, else 8080.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes that serve.")
@click.option("--config-dir", type=click.Path(path_type=Path), help="GATEWAYD_CONFIG_DIR, else ./configs.")
@click.option("--no-ui", is_flag=True, help="Without the web UI; then no ADMIN_PASSWORD is needed.")
def serve(host: str | None, port: int | None, workers: int, config_dir: Path | None, no_ui: bool) -> None:
    """Example: ADMIN_PASSWORD="$(openssl rand -base64 18)" gatewayd serve

    Migrates the database, applies the configuration files and serves until SIGTERM or Ctrl-C.
    """
    given = {"host": host, "port": port, "config_dir": config_dir, "ui": False if no_ui else None}
    settings = read_settings().model_copy(update={name: value for name, value in given.items() if value is not None})
    settings.check_admin_password()
    check_storage(settings.rate_limit_storage.get_secret_value())
    load_trust(os.environ)  # told here, in one line, and not by each worker
    configure_logging(settings.log_format, settings.log_level)
    raise_file_limit()
    listener = listen(settings.host, settings.port)
    settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    store = Store(settings.database_url.get_secret_value())
    secret_key = settings.secret_key.get_secret_value() if settings.secret_key else None
    secret_keys = load_secret_keys(secret_key, store.address)
    live, started = asyncio.run(_start_configuration(settings, store, build_vault(secret_keys)))
    announce(settings, store, live, started)
    run = partial(_run, settings, secret_keys, listener)
    if workers == 1:
        run()
    else:
        with share_metrics() as folder:
            Workers(workers, run, partial(forget_gauges, folder)).run()


def _run(settings: Settings, secret_keys: SecretKeys, listener: socket.socket) -> None:
    """One serving process."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    app = create_app(settings, environ=os.environ, secret_keys=secret_keys)
    app.run(sock=listener, protocol=Connection, single_process=True, motd=False)


def raise_file_limit() -> None:
    """As many open files as this user may have: each exchange needs two, and shells give 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # where the system refuses, what was given has to do
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def listen(host: str, port: int) -> socket.socket:
    """Bound before anything else happens, so that a port in use costs nothing and is told in one line."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host}:{port}: {_reason(error)}; choose another port, such as --port {port + 1}"
        ) from None


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)


async def _start_configuration(settings: Settings, store: Store, vault: Vault) -> tuple[Live, Started]:
    return await start_configuration(
        store,
        environ=os.environ,
        config_dir=settings.config_dir,
        vault=vault,
        mode=settings.config_mode,
        drift=settings.config_drift,
        poll_seconds=settings.config_poll_seconds,
    )


def announce(settings: Settings, store: Store, live: Live, started: Started) -> None:
    """What serves from where; generated tokens are shown here."""
    gateways = sorted(live.current.gateways)
    say(f"gatewayd serves on {settings.listening_url()}")
    say(f"  database       {store.address.shown}{' (schema brought up to date)' if started.upgraded else ''}")
    if started.upgraded and started.upgraded.backup:
        say(f"  backup         {started.upgraded.backup}: the database from before")
    say(
        f"  configuration  {settings.config_dir} ({settings.config_mode}): "
        f"{started.files} files, {len(gateways)} gateways"
    )
    for warning in started.warnings:
        say(f"  warning        {warning}")
    for gateway_id in gateways:
        missing = live.current.gateways[gateway_id].missing_secret
        if missing:
            say(f"  warning        gateway {gateway_id} answers 503 until the secret {missing} is set")
    if started.renewed:
        say(f"  secrets        {started.renewed} encrypted anew by the first key of GATEWAYD_SECRET_KEY")
    for token in started.applied.generated if started.applied else ():
        say(f"  token          of gateway {token.gateway_id}, shown only now: {token.token}")
    if settings.ui:
        say(f"  UI             {settings.base_url()}/ as {settings.admin_username}")
    if gateways:
        say(f"  Claude Code    gatewayd connect {gateways[0]} --new-token NAME")
