"""Lines that GitHub Actions shows at a file of a pull request: https://github.com/actions/toolkit (core/command)."""

from __future__ import annotations


def annotate(level: str, text: str, *, file: str = "", line: int = 0) -> str:
    """level: `error`, `warning` or `notice`; without a file it belongs to the run as a whole."""
    properties = f" file={_escape_property(file)},line={line}" if file else ""
    return f"::{level}{properties}::{_escape(text)}"


def _escape_property(text: str) -> str:
    return _escape(text).replace(":", "%3A").replace(",", "%2C")


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
