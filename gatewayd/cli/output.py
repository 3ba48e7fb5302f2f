"""What verbs share that need no database: the settings, output. It loads nothing of the store, which takes its time."""

from __future__ import annotations

import json
import os
from typing import Any

import click

from gatewayd.settings import Settings, load_settings


def read_settings() -> Settings:
    return load_settings(os.environ)


def write_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2))


def say(text: str) -> None:
    """Talk, as opposed to data."""
    click.echo(text, err=True)
