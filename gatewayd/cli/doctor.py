"""`gatewayd doctor`: is the installation in order, and what can a gateway's provider do?"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict

import click

from gatewayd.cli.runtime import read_settings, read_vault, run_with_store, say, write_json
from gatewayd.cli.terminal import actor, is_attended
from gatewayd.config.checkup import Check, Installation, check_installation
from gatewayd.config.records import Record, read_record, save_record
from gatewayd.config.secrets import SecretReader
from gatewayd.config.snapshot import build_snapshot
from gatewayd.config.tokens import check_gateway
from gatewayd.errors import ConfigurationError
from gatewayd.gateways import ActiveGateway, Gateway
from gatewayd.protocol.seal import Seal
from gatewayd.relay.breaker import Breakers
from gatewayd.relay.course import Means
from gatewayd.relay.estimates import Estimates
from gatewayd.relay.learned import Learned
from gatewayd.relay.limits import check_storage
from gatewayd.relay.probe import Finding, Report, list_models, probe
from gatewayd.settings import Settings
from gatewayd.store import Store
from gatewayd.upstream import Upstreams, load_trust

_SIGNS = {"ok": "✓", "note": "!", "problem": "✗"}


@click.command(short_help="Check the installation, or a gateway's provider.")
@click.argument("gateway", required=False)
@click.option("--model", metavar="NAME", help="Ask for this model alone, as a client names it.")
@click.option("--write", is_flag=True, help="Save what was learned as the gateway's capabilities.")
@click.option("--yes", is_flag=True, help="Do not ask before messages are sent.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def doctor(ctx: click.Context, gateway: str | None, model: str | None, write: bool, yes: bool, as_json: bool) -> None:
    """Example: gatewayd doctor deepseek --write

    Checks the installation: database, stored secrets, files, gateways. With GATEWAY also what its provider can do, by
    sending it some small messages (about 2,000 tokens for each upstream model), and proposes the capabilities that
    differ from its dialect. Exit code 1 when there is a problem.
    """
    if gateway is None and (write or model):
        raise click.UsageError("--write and --model need a gateway: gatewayd doctor GATEWAY")
    settings = read_settings()
    checks = asyncio.run(_check(settings))
    reports: list[Report] = []
    if not as_json:
        _show(checks)
    if gateway is not None:
        models, active = run_with_store(settings, lambda store: _find(store, settings, gateway, model))
        if not yes and is_attended():
            click.confirm(f"Send about {2000 * len(models)} tokens to {active.gateway.upstream.base_url}?", abort=True)
        for name in models:
            report = asyncio.run(_probe(settings, active, name))
            reports.append(report)
            if not as_json:
                click.echo(f"{gateway}: {report.model} as {report.upstream_model}, {report.tokens} tokens")
                _show(report.findings)
    if as_json:
        write_json({"checks": [asdict(check) for check in checks], "providers": [asdict(one) for one in reports]})
    if gateway is not None:
        _propose(settings, gateway, reports, write=write)
    verdicts = [check.verdict for check in checks] + [one.verdict for report in reports for one in report.findings]
    if "problem" in verdicts:
        ctx.exit(1)


async def _check(settings: Settings) -> list[Check]:
    try:
        storage = settings.rate_limit_storage.get_secret_value()
        check_storage(storage)
        load_trust(os.environ)
        vault = read_vault(settings)
    except ConfigurationError as error:
        return [Check("settings", "problem", str(error))]
    store = Store(settings.database_url.get_secret_value())
    installation = Installation(
        store, os.environ, settings.config_dir, settings.config_mode, settings.config_drift, vault
    )
    return [check async for check in check_installation(installation)]


def _show(found: Sequence[Check | Finding]) -> None:
    width = max((len(one.name) for one in found), default=0)
    for one in found:
        spent = f" ({one.seconds:.1f} s, {one.tokens} tokens)" if isinstance(one, Finding) else ""
        click.echo(f"{_SIGNS[one.verdict]} {one.name:<{width}}  {one.text}{spent}")


async def _find(
    store: Store, settings: Settings, gateway_id: str, model: str | None
) -> tuple[list[str], ActiveGateway]:
    """The models to ask for. ConfigurationError where there is nothing to ask, or nobody."""
    async with store.read() as session:
        await check_gateway(session, gateway_id)
    snapshot = await build_snapshot(store, SecretReader(os.environ, settings.config_dir), read_vault(settings))
    active = snapshot.gateways.get(gateway_id)
    if active is None or active.missing_secret is not None:
        why = f"secret {active.missing_secret} is not set" if active else "its record is not valid"
        raise ConfigurationError(f"gateway {gateway_id} cannot be asked: {why}")
    if model is not None and active.gateway.route(model) is None:
        raise ConfigurationError(f"gateway {gateway_id} has no route for model {model!r}")
    models = [model] if model is not None else list_models(active)
    if not models:
        raise ConfigurationError(
            f"gateway {gateway_id} takes any model as it is named; say which: gatewayd doctor {gateway_id} --model NAME"
        )
    return models, active


async def _probe(settings: Settings, active: ActiveGateway, model: str) -> Report:
    upstreams = Upstreams(settings.upstream_network, load_trust(os.environ))
    means = Means(upstreams, Seal([os.urandom(32)]), Learned(), Estimates(), Breakers(time.monotonic))
    try:
        return await probe(means, active, model)
    finally:
        await upstreams.close()


def _propose(settings: Settings, gateway_id: str, reports: Sequence[Report], *, write: bool) -> None:
    """What was learned of one model holds for the gateway: a model that needs no such habit takes it too."""
    learned = {name: value for report in reports for name, value in report.capabilities.items()}
    if not learned:
        say("nothing to propose: the dialect fits")
    elif write:
        run_with_store(settings, lambda store: _save(store, gateway_id, learned))
        say(f"saved as capabilities of gateway {gateway_id}: {', '.join(sorted(learned))}")
    else:
        lines = "\n".join(f"        {name}: {json.dumps(value)}" for name, value in sorted(learned.items()))
        say(f"proposed, by --write or in its file:\n    upstream:\n      capabilities:\n{lines}")


async def _save(store: Store, gateway_id: str, learned: dict[str, object]) -> None:
    async with store.read() as session:
        record: Record = await read_record(session, gateway_id)
    upstream = record.row.spec["upstream"]
    capabilities = {**upstream.get("capabilities", {}), **learned}
    spec = {**record.row.spec, "upstream": {**upstream, "capabilities": capabilities}}
    await save_record(store, gateway_id, Gateway.model_validate(spec), generation=record.row.generation, by=actor())
