"""The only composition root: puts the parts together for one serving process; nothing else knows them all."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

# Where this import fails Sanic goes on without its extensions and says nothing: fail at start instead.
import sanic_ext  # noqa: F401
from sanic import Sanic
from sanic.config import Config

from gatewayd.addresses import Network
from gatewayd.admin.logins import Credentials, Logins
from gatewayd.admin.pages import Pages
from gatewayd.admin.routes import add_routes as add_pages
from gatewayd.admin.routes import paths
from gatewayd.admin.static import load_static
from gatewayd.admin.tail import Tail
from gatewayd.admin.visit import Admin, Facts
from gatewayd.api.context import App, Readiness, Services
from gatewayd.api.routes import add_routes
from gatewayd.config.live import Live
from gatewayd.errors import StoreUnavailable
from gatewayd.gateways import Snapshot
from gatewayd.observe.metrics import Metrics, State
from gatewayd.observe.shared_metrics import shared_folder
from gatewayd.paths import ui_folder
from gatewayd.protocol.seal import Seal
from gatewayd.relay import Limiter, Record, Relay, Timing
from gatewayd.relay.breaker import Breakers
from gatewayd.relay.course import Means
from gatewayd.relay.estimates import Estimates
from gatewayd.relay.learned import Learned
from gatewayd.relay.recording import Recording
from gatewayd.settings import Settings
from gatewayd.store import Store
from gatewayd.store.journal import Journal
from gatewayd.store.keys import SecretKeys, Vault, build_vault
from gatewayd.store.log_writer import LogWriter
from gatewayd.store.retention import Retention
from gatewayd.upstream import Upstreams, load_trust

log = logging.getLogger("gatewayd")

_SETTLING_SECONDS = 0.05
_SAMPLE_SECONDS = 1
_LAST_ROWS_SECONDS = 10  # for what is still to be written when the server stops

_SERVER = {
    # above the relay's own limits: these only catch what those miss
    "RESPONSE_TIMEOUT": 1200,
    "REQUEST_TIMEOUT": 120,
    "KEEP_ALIVE_TIMEOUT": 75,
    # of what is read and thrown away behind a refusal, so that the client gets to see it
    "REQUEST_MAX_SIZE": 40 * 1024 * 1024,
    "REQUEST_MAX_HEADER_SIZE": 16384,
    "GRACEFUL_SHUTDOWN_TIMEOUT": 5,
    "ACCESS_LOG": False,
    "MOTD": False,
    # sanic-ext would serve API documentation and CORS to anyone
    "OAS": False,
    "CORS": False,
    "HTTP_ALL_METHODS": False,
    "HTTP_AUTO_HEAD": False,
    "HTTP_AUTO_OPTIONS": False,
    "HTTP_AUTO_TRACE": False,
}


def create_app(settings: Settings, *, environ: Mapping[str, str], secret_keys: SecretKeys) -> App:
    """The application of one process. Files and migrations were dealt with before (`config.live.start`)."""
    store = Store(settings.database_url.get_secret_value())
    limiter = Limiter(settings.rate_limit_storage.get_secret_value())
    vault = build_vault(secret_keys)
    live = Live(
        store,
        environ=environ,
        config_dir=settings.config_dir,
        vault=vault,
        mode=settings.config_mode,
        drift=settings.config_drift,
        poll_seconds=settings.config_poll_seconds,
    )

    def readiness() -> Readiness:
        draining = "draining" if app.ctx.relay.traffic.draining else ""
        reasons = [reason for reason in (app.ctx.not_yet, draining, live.database_problem) if reason]
        warnings = [*live.problems, *(warning for warning in (limiter.warning, writer.warning) if warning)]
        return Readiness(reasons, warnings)

    journal, writer = Journal(store), LogWriter(store)
    recording = Recording(settings.log_bodies)
    learned, estimates = Learned(journal), Estimates()
    metrics = Metrics(lambda: _state(app, live, writer))
    app = create_api(
        lambda: live.current,
        learned=learned,
        estimates=estimates,
        secret_keys=secret_keys.keys,
        readiness=readiness,
        network=settings.upstream_network,
        trust=load_trust(environ),
        drain_seconds=settings.drain_seconds,
        limiter=limiter,
        record=partial(_record, writer),
        recording=recording,
        metrics=metrics,
        metrics_token=settings.metrics_token.get_secret_value() if settings.metrics_token else "",
    )
    if settings.ui:
        _show(app, settings, store, live, vault, metrics)
    _run_with(app, store, live, journal, learned, estimates)
    retention = Retention(store, settings.log_retention_days, settings.body_retention_days)
    _log_with(app, store, writer, recording, retention)
    if shared_folder() is not None:
        _sample_with(app, metrics)
    return app


def _show(app: App, settings: Settings, store: Store, live: Live, vault: Vault, metrics: Metrics) -> None:
    """The human surface. ConfigurationError where its password is missing or weak."""
    settings.check_admin_password()
    assert settings.admin_password is not None
    credentials = Credentials(settings.admin_username, settings.admin_password.get_secret_value())
    static = load_static(ui_folder() / "static")
    facts = Facts(
        public_url=settings.public_url,
        config_dir=str(settings.config_dir),
        config_mode=settings.config_mode,
        config_drift=settings.config_drift,
        log_bodies=settings.log_bodies,
        log_retention_days=settings.log_retention_days,
        body_retention_days=settings.body_retention_days,
        upstream_network=settings.upstream_network,
    )
    tail = Tail(store)
    admin = Admin(
        store=store,
        live=live,
        relay=app.ctx.relay,
        vault=vault,
        logins=Logins(store, credentials),
        pages=Pages(ui_folder() / "templates", static, paths()),
        static=static,
        state=metrics.state,
        tail=tail,
        facts=facts,
    )
    add_pages(app, admin)

    @app.before_server_stop
    async def stop(_app: App) -> None:
        await tail.close()


def create_api(
    current: Callable[[], Snapshot],
    *,
    secret_keys: Sequence[bytes],
    readiness: Callable[[], Readiness] = Readiness,
    record: Callable[[Record], None] | None = None,
    timing: Timing | None = None,
    learned: Learned | None = None,
    estimates: Estimates | None = None,
    recording: Recording | None = None,
    limiter: Limiter | None = None,
    network: Network = "local",
    trust: ssl.SSLContext | None = None,
    drain_seconds: float = 0,
    metrics: Metrics | None = None,
    metrics_token: str = "",
    name: str = "gatewayd",
) -> App:
    """The LLM surface over any source of snapshots. `name`: Sanic wants it to be unique in the process."""
    upstreams = Upstreams(network, trust)
    means = Means(
        upstreams, Seal(secret_keys), learned or Learned(), estimates or Estimates(), Breakers(time.monotonic)
    )
    metrics = metrics or Metrics(lambda: State(inflight=len(app.ctx.relay.traffic)))
    relay = Relay(means, partial(_count, metrics, record or log_record), timing, recording)
    limiter = limiter or Limiter()
    config = Config(env_prefix="GATEWAYD_SANIC_")  # nothing is read from SANIC_*: settings.py is the only reader
    config.update(_SERVER)
    services = Services(current, relay, limiter, readiness, metrics, metrics_token)
    app: App = Sanic(name, config=config, ctx=services, configure_logging=False)
    add_routes(app)

    @app.before_server_stop
    async def stop(_app: App) -> None:
        await relay.traffic.drain(drain_seconds)  # the listener still accepts: /ready says 503 meanwhile
        await upstreams.close()
        await limiter.close()

    return app


def _run_with(app: App, store: Store, live: Live, journal: Journal, learned: Learned, estimates: Estimates) -> None:
    """What runs beside the requests, from the server's start to its stop."""

    @app.before_server_start
    async def start(app: App) -> None:
        loop = asyncio.get_running_loop()
        await live.begin()
        with contextlib.suppress(StoreUnavailable):  # their tasks try again
            await learned.load(store)
            await estimates.load(store)
        work = (live.watch(), journal.run(), learned.follow(store), estimates.follow(store))
        app.ctx.tasks = [loop.create_task(coroutine) for coroutine in work]
        for task in app.ctx.tasks:
            task.add_done_callback(_tell_failure)
        with contextlib.suppress(RuntimeError, ValueError):  # only the main thread may; elsewhere polling does it
            loop.add_signal_handler(signal.SIGHUP, _reload, app, live)

    @app.after_server_start
    async def begin(app: App) -> None:
        # What stands now stays: the collector need not walk it again each time that large requests fill its generations
        gc.collect()
        gc.freeze()
        # Sanic takes over SIGTERM just after this listener: ready is who can be told to stop
        asyncio.get_running_loop().call_later(_SETTLING_SECONDS, app.ctx.begin)

    @app.after_server_stop
    async def stop(app: App) -> None:
        for task in app.ctx.tasks:
            task.cancel()
        await asyncio.gather(*app.ctx.tasks, return_exceptions=True)
        with contextlib.suppress(StoreUnavailable):
            await journal.flush()
        await estimates.share(store)
        await store.disconnect()


def _log_with(app: App, store: Store, writer: LogWriter, recording: Recording, retention: Retention) -> None:
    """The log writer ends after the last exchange and before its database does: Sanic runs what stops in reverse."""
    running: list[asyncio.Task[None]] = []

    @app.before_server_start
    async def start(app: App) -> None:
        loop = asyncio.get_running_loop()
        running.append(loop.create_task(writer.run()))
        app.ctx.tasks += [loop.create_task(work) for work in (recording.follow(store), retention.follow())]
        for task in (*running, *app.ctx.tasks[-2:]):
            task.add_done_callback(_tell_failure)

    @app.after_server_stop
    async def stop(_app: App) -> None:
        for task in running:
            await writer.close(task, _LAST_ROWS_SECONDS)


def _sample_with(app: App, metrics: Metrics) -> None:
    """Another worker may be asked for what stands here."""

    async def sample() -> None:
        while True:
            metrics.sample()
            await asyncio.sleep(_SAMPLE_SECONDS)

    @app.before_server_start
    async def start(app: App) -> None:
        app.ctx.tasks.append(asyncio.get_running_loop().create_task(sample()))


def _state(app: App, live: Live, writer: LogWriter) -> State:
    return State(
        inflight=len(app.ctx.relay.traffic),
        log_queue=len(writer),
        log_dropped=writer.dropped_rows + writer.refused_rows,
        revision=live.current.revision,
        applied_well=not live.problems,
        applied_at=live.applied_at,
        drifted=live.current.drifted,
        conflicts=live.current.conflicts,
        flaps=live.current.flaps,
    )


def _tell_failure(task: asyncio.Task[None]) -> None:
    """Work beside the requests ends with its process. Where it does not, nobody would see why."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("a part of the server has stopped; restart it", exc_info=error)


def _count(metrics: Metrics, record: Callable[[Record], None], ended: Record) -> None:
    metrics.observe(ended)
    record(ended)


def _record(writer: LogWriter, record: Record) -> None:
    log_record(record)
    writer.put(record.row(), record.bodies)


def _reload(app: App, live: Live) -> None:
    app.ctx.tasks.append(asyncio.get_running_loop().create_task(live.reload()))


def log_record(record: Record) -> None:
    """One line for each exchange."""
    log.info("exchange", extra=record.fields())
