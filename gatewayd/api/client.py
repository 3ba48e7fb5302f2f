"""What Claude Code tells about itself: its session and, in a subagent's requests, the agent and who called it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class ClaudeCodeIds(NamedTuple):
    """ "" where there is none."""

    session: str
    agent: str
    parent_agent: str


def claude_code_ids(headers: Mapping[str, str], payload: Mapping[str, Any]) -> ClaudeCodeIds:
    """From headers; the session also from `metadata.user_id`, where clients without the header put it."""
    session = _read(headers.get("x-claude-code-session-id")) or _session_in_metadata(payload.get("metadata"))
    agent = _read(headers.get("x-claude-code-agent-id"))
    return ClaudeCodeIds(session, agent, _read(headers.get("x-claude-code-parent-agent-id")))


def _session_in_metadata(metadata: Any) -> str:
    user = metadata.get("user_id") if isinstance(metadata, dict) else None
    if not isinstance(user, str) or not user.startswith("{") or len(user) > 2000:
        return ""
    try:
        return _read(orjson.loads(user).get("session_id"))
    except ValueError:
        return ""


def _read(value: Any) -> str:
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""
