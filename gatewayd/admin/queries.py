"""What the addresses of lists say: filters, times, cursors. Pure: texts in, typed values out.

A value that cannot be understood is told beside its field; the list is shown as if it had not been given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlencode

from gatewayd.store.request_log import Cursor, LogFilter
from gatewayd.store.sessions import SessionCursor, SessionFilter

OUTCOMES = ("ok", "error", "truncated", "refused", "cancelled")
_CURSOR = re.compile(r"(\d{1,15})~([A-Za-z0-9._-]{1,256})")
_SECONDS = re.compile(r"\d{1,7}(\.\d{1,3})?")


@dataclass(slots=True)
class Query:
    """values: as they were given, those that are not empty; errors: by the name of the field."""

    values: dict[str, str]
    errors: dict[str, str] = field(default_factory=dict)

    def address(self, path: str, **changes: str) -> str:
        """Of the same list, with other values; an empty one is left out."""
        values = {name: value for name, value in {**self.values, **changes}.items() if value}
        return f"{path}?{urlencode(values)}" if values else path

    def text(self, name: str) -> str | None:
        return self.values.get(name)

    def moment(self, name: str) -> int | None:
        """UTC epoch milliseconds of an ISO time; one without a zone is UTC."""
        value = self.values.get(name)
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(value)
            return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
        except (ValueError, OverflowError):
            self.errors[name] = "Not a time. For example: 2026-01-31T08:30"
            return None

    def milliseconds(self, name: str) -> int | None:
        value = self.values.get(name)
        if value is None:
            return None
        if not _SECONDS.fullmatch(value):
            self.errors[name] = "Not a number of seconds. For example: 2.5"
            return None
        return round(float(value) * 1000)

    def choice(self, name: str, choices: tuple[str, ...]) -> str | None:
        value = self.values.get(name)
        if value is not None and value not in choices:
            self.errors[name] = f"One of {', '.join(choices)}."
            return None
        return value


def read_query(arguments: Mapping[str, str], names: tuple[str, ...]) -> Query:
    return Query({name: value for name in names if (value := arguments.get(name, "").strip()[:256])})


LOG_FIELDS = ("gateway", "model", "token", "outcome", "session", "seconds", "error", "since", "until")
SESSION_FIELDS = ("gateway", "failed", "since", "until")


def log_filter(query: Query) -> LogFilter:
    return LogFilter(
        gateway=query.text("gateway"),
        model=query.text("model"),
        token=query.text("token"),
        outcome=query.choice("outcome", OUTCOMES),
        session=query.text("session"),
        duration_ms=query.milliseconds("seconds"),
        error_text=query.text("error"),
        since=query.moment("since"),
        until=query.moment("until"),
    )


def session_filter(query: Query) -> SessionFilter:
    return SessionFilter(
        gateway=query.text("gateway"),
        failed=query.choice("failed", ("yes",)) is not None,
        since=query.moment("since"),
        until=query.moment("until"),
    )


def read_cursor(text: str) -> Cursor | None:
    """None where it is no cursor: the list then begins at its beginning."""
    match = _CURSOR.fullmatch(text)
    return Cursor(int(match[1]), match[2]) if match else None


def read_session_cursor(text: str) -> SessionCursor | None:
    cursor = read_cursor(text)
    return SessionCursor(*cursor) if cursor else None


def show_cursor(cursor: Cursor | SessionCursor | None) -> str:
    return f"{cursor[0]}~{cursor[1]}" if cursor is not None else ""
