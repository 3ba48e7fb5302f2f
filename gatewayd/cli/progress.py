"""How far long work is: on one line of stderr that is written over, where that is a terminal, and nowhere else."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import click

_EVERY_SECONDS = 0.2
_LINE = 60  # what was longer before is wiped out


class Progress:
    """A counter."""

    def __init__(self, what: str) -> None:
        self._what, self._count = what, 0

    def add(self, count: int) -> None:
        self.show(self._count + count)

    def show(self, count: int) -> None:
        self._count = count
        _show(f"{count} {self._what}")

    def end(self) -> None:
        self.show(self._count)
        _end()


@asynccontextmanager
async def shown_meanwhile(text: Callable[[], str]) -> AsyncIterator[None]:
    """Shows `text()` again and again until the block is left."""

    async def show() -> None:
        while True:
            _show(text())
            await asyncio.sleep(_EVERY_SECONDS)

    showing = asyncio.ensure_future(show())
    try:
        yield
    finally:
        showing.cancel()
        _show(text())
        _end()


def _show(text: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{text:<{_LINE}}", nl=False, err=True)


def _end() -> None:
    if sys.stderr.isatty():
        click.echo(err=True)
