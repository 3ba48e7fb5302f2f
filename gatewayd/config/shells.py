"""Variables of the environment -> the lines that set them, for pasting into a shell. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Callable


def _posix(variables: dict[str, str]) -> str:
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    return "\n".join([*lines, "unset ANTHROPIC_API_KEY"])


def _fish(variables: dict[str, str]) -> str:
    def quote(value: str) -> str:
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"

    lines = [f"set -gx {name} {quote(value)}" for name, value in variables.items()]
    return "\n".join([*lines, "set -e ANTHROPIC_API_KEY"])


def _powershell(variables: dict[str, str]) -> str:
    def quote(value: str) -> str:
        for mark in "'‘’‚‛":  # PowerShell takes each of them for a quote
            value = value.replace(mark, mark * 2)
        return f"'{value}'"

    lines = [f"$env:{name} = {quote(value)}" for name, value in variables.items()]
    return "\n".join([*lines, "Remove-Item Env:ANTHROPIC_API_KEY -ErrorAction SilentlyContinue"])


SHELLS: dict[str, Callable[[dict[str, str]], str]] = {
    "bash": _posix,
    "zsh": _posix,
    "fish": _fish,
    "powershell": _powershell,
}
