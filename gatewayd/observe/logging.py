"""Server logs on stderr: JSON lines for collectors, text for people. stdout stays free for data.

A record is one line in both forms, whatever its message holds. Further fields come as `extra={...}` and become keys.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

#: What every LogRecord has; all else came by `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}

#: They log statements with their values at DEBUG, or what nobody asked for at INFO.
_QUIET = ("databases", "aiosqlite", "sqlalchemy", "alembic", "asyncio", "httpcore", "httpx", "aiohttp", "sanic")


def configure_logging(format: Literal["text", "json"] | None, level: str, stream: TextIO | None = None) -> None:  # noqa: A002
    """Replaces the root logger's handlers. `format` None: text on a terminal, else json. `stream` None: stderr."""
    stream = stream if stream is not None else sys.stderr
    handler = logging.StreamHandler(stream)
    chosen = format or ("text" if stream.isatty() else "json")
    handler.setFormatter(_TextFormatter() if chosen == "text" else _JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


class _JsonFormatter(logging.Formatter):
    """{"ts", "level", "event", further fields, "exception"}: ts in ISO 8601, UTC, milliseconds."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "ts": _time(record),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


class _TextFormatter(logging.Formatter):
    """time LEVEL event key=value; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {name}={_printable(str(value))}" for name, value in _fields(record).items())
        line = f"{_time(record)} {record.levelname:<7} {_printable(record.getMessage())}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _printable(text: str) -> str:
    """Control characters escaped: hostile text must not forge lines or steer a terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
