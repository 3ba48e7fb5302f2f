"""What of a request is taken elsewhere: a bundle for a bug report, and the command that sends it again. Pure.

No secret is in either: stored bodies have none, the token stands as a variable, and who sent it is left out.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from gatewayd import __version__
from gatewayd.admin.compare import Note
from gatewayd.store.request_log import LogRow

_OF_PEOPLE = ("token", "session", "agent", "parent_agent", "client_ip")
#: keys whose texts say what kind of thing something is, not what was said
_SHAPE = frozenset(
    "type role model finish_reason stop_reason object name id tool_use_id tool_call_id media_type code status outcome"
    " gateway upstream_model answered_by error_type error usage_source timeline gatewayd format".split()
)
_LONGEST = 1000  # of those


def build_bundle(row: LogRow, notes: Iterable[Note], bodies: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "gatewayd": __version__,
        "log": {name: value for name, value in row._asdict().items() if name not in _OF_PEOPLE},
        "notes": [note._asdict() for note in notes],
        "request": bodies.get("request"),
        "upstream_request": bodies.get("upstream"),
        "upstream_answer": bodies.get("told"),
        "answer": bodies.get("answer"),
    }


def without_texts(value: Any, key: str = "") -> Any:
    """The same with every text replaced by its length, but for those that tell the kind of a thing."""
    if isinstance(value, dict):
        return {name: without_texts(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [without_texts(inner, key) for inner in value]
    if isinstance(value, str) and value and (key not in _SHAPE or len(value) > _LONGEST):
        return f"[{len(value)} characters]"
    return value


def build_curl(base_url: str, row: LogRow, request: Any, most: int) -> tuple[str, bool]:
    """The command, and whether the body is in it: one over `most` bytes is read from request.json. "" without one."""
    if not isinstance(request, dict):
        return "", False
    body = orjson.dumps(request).decode()
    inline = len(body) <= most
    url = f"{base_url}/gateway/{row.gateway}/v1/messages"
    lines = [
        f"curl {shlex.quote(url)}",
        '-H "authorization: Bearer $ANTHROPIC_AUTH_TOKEN"',
        "-H 'anthropic-version: 2023-06-01'",
        "-H 'content-type: application/json'",
        f"--data {shlex.quote(body)}" if inline else "--data @request.json",
    ]
    return " \\\n  ".join(lines), inline
