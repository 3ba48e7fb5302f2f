"""`gatewayd pause` and `gatewayd resume`: take a gateway out of use, whoever owns its record, and back."""

from __future__ import annotations

import time

import click

from gatewayd.cli.runtime import read_settings, run_with_store, say
from gatewayd.cli.terminal import actor
from gatewayd.config.records import pause_gateway, resume_gateway


@click.command(short_help="Take a gateway out of use.")
@click.argument("gateway")
@click.option("--reason", required=True, help="What its clients are told, in one line.")
@click.option("--minutes", type=click.IntRange(1, 525_600), help="For so long; else until it is resumed.")
def pause(gateway: str, reason: str, minutes: int | None) -> None:
    """Example: gatewayd pause demo --reason "moving to another provider" --minutes 30

    After one second at most its requests are answered 503 with that reason. Its record stays as it is.
    """
    until = None if minutes is None else time.time_ns() // 1_000_000 + minutes * 60_000
    run_with_store(read_settings(), lambda store: pause_gateway(store, gateway, reason=reason, until=until, by=actor()))
    say(f"gateway {gateway} is paused; to end that: gatewayd resume {gateway}")


@click.command(short_help="Put a paused gateway back into use.")
@click.argument("gateway")
def resume(gateway: str) -> None:
    """Example: gatewayd resume demo

    Ends a pause: after one second at most the gateway takes requests again.
    """
    run_with_store(read_settings(), lambda store: resume_gateway(store, gateway, by=actor()))
    say(f"gateway {gateway} takes requests again")
