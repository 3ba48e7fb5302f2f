"""Who is on the other side: somebody at a terminal, who can be asked and shown colors, or a program."""

from __future__ import annotations

import os
import socket
import sys


def is_attended() -> bool:
    """Somebody can be asked."""
    return sys.stdin.isatty()


def is_terminal() -> bool:
    """Data is shown, and not kept."""
    return sys.stdout.isatty()


def may_color(*, refused: bool) -> bool:
    """Whether data may have colors: https://no-color.org. refused: by `--no-color`."""
    wanted = not (refused or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb")
    return wanted and is_terminal()


def actor() -> str:
    """Who changes something from here, for the audit trail."""
    return f"cli@{socket.gethostname()}"
