"""Log rows for tests."""

from __future__ import annotations

from typing import Any

from gatewayd.store.request_log import LogRow

NOON = 1_700_000_000_000 // 86_400_000 * 86_400_000 + 43_200_000


def log_row(number: int = 0, **fields: Any) -> LogRow:
    """The row of a request that ended `number` milliseconds after noon, and went well unless `fields` say otherwise."""
    values: dict[str, Any] = {
        "ended_at": NOON + number, "id": f"req_{number:08}", "started_at": NOON + number - 900, "gateway": "g",
        "token": "t", "model": "m", "upstream_model": "u", "answered_by": None, "attempts": 1, "status": 200,
        "outcome": "ok", "error_type": None, "error": None, "stop_reason": "end_turn", "stream": True, "ttft_ms": 300,
        "duration_ms": 900, "input_tokens": 10, "cache_read": 4, "cache_write": 0, "output_tokens": 5,
        "reasoning_tokens": 2, "usage_source": "told", "cost_nano": 1000, "notes": None, "session": None, "agent": None,
        "parent_agent": None, "client_ip": "127.0.0.1", "user_agent": None,
        "timeline": None,
    }  # fmt: skip
    return LogRow(**(values | fields))
