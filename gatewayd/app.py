"""The only composition root: `create_app` puts the parts together; nothing else knows them all."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence

import sanic_ext  # noqa: F401  # Sanic loads its extensions silently where this import works; fail at start where it does not
from sanic import Sanic
from sanic.config import Config

from gatewayd.api.context import App, Services
from gatewayd.api.routes import add_routes
from gatewayd.gateways import Snapshot
from gatewayd.protocol.seal import Seal
from gatewayd.relay import Record, Relay, Timing
from gatewayd.upstream import Upstreams

log = logging.getLogger("gatewayd")

_SETTINGS = {
    # above the relay's own limits: these only catch what those miss
    "RESPONSE_TIMEOUT": 1200,
    "REQUEST_TIMEOUT": 120,
    "KEEP_ALIVE_TIMEOUT": 75,
    "REQUEST_MAX_SIZE": 40 * 1024 * 1024,
    "REQUEST_MAX_HEADER_SIZE": 16384,
    "GRACEFUL_SHUTDOWN_TIMEOUT": 5,
    "ACCESS_LOG": False,
    # sanic-ext would serve API documentation and CORS to anyone
    "OAS": False,
    "CORS": False,
    "HTTP_ALL_METHODS": False,
    "HTTP_AUTO_HEAD": False,
    "HTTP_AUTO_OPTIONS": False,
    "HTTP_AUTO_TRACE": False,
}


def create_app(
    current: Callable[[], Snapshot],
    *,
    seal_keys: Sequence[bytes],
    not_ready: Callable[[], list[str]] = lambda: [],
    record: Callable[[Record], None] | None = None,
    timing: Timing | None = None,
) -> App:
    upstreams = Upstreams()
    relay = Relay(upstreams, Seal(seal_keys), record or log_record, timing)
    config = Config(env_prefix="GATEWAYD_SANIC_")
    config.update(_SETTINGS)
    name = f"gatewayd-{secrets.token_hex(4)}"  # Sanic keeps a registry of names in the process
    app: App = Sanic(name, config=config, ctx=Services(current, relay, not_ready), configure_logging=False)
    add_routes(app)

    @app.before_server_stop
    async def close(_app: App) -> None:
        await upstreams.close()

    return app


def log_record(record: Record) -> None:
    """One line for each exchange."""
    log.info("exchange", extra=record.fields())
