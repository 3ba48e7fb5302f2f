"""A past for screenshots and measurements: requests of some days as agents make them, through the log writer."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

from gatewayd.store import Store
from gatewayd.store.log_writer import LogWriter
from gatewayd.store.request_log import LogRow
from gatewayd.store.usage import DAY, HOUR
from tests.store.rows import log_row

_MODELS = (
    ("claude-opus-4-5", "deepseek-reasoner"), ("claude-sonnet-4-5", "deepseek-chat"),
    ("claude-haiku-4-5", "qwen3-coder"),
)  # fmt: skip
_FAILURES = (
    ("error", 502, "api_error", "the connection to the provider was lost"),
    ("error", 429, "rate_limit_error", "Rate limit reached: 60 requests per minute"),
    ("truncated", 200, "api_error", "the provider's answer was cut off"),
    ("error", 400, "invalid_request_error", "prompt is too long: 131874 tokens > 131072 maximum"),
)


async def write_history(store: Store, days: int = 7, sessions: int = 60, seed: int = 1) -> None:
    dice, writer = random.Random(seed), LogWriter(store)
    now = int(time.time() * 1000)
    for _ in range(sessions):
        day = dice.randrange(days)
        hour = int(min(max(dice.gauss(14, 3.5), 6), 22))
        begin = (now // DAY - day) * DAY + hour * HOUR + dice.randrange(HOUR)
        for row in agent_requests(dice, min(begin, now - HOUR)):
            if row.ended_at < now:
                writer.put(row)
        await writer.flush()


def agent_requests(dice: random.Random, begin: int) -> Iterator[LogRow]:
    """One session: its context grows turn by turn, most of it from the cache; now and then it calls an agent."""
    session = f"{dice.getrandbits(32):08x}-0f3a-4b7c-8a1c-{dice.getrandbits(48):012x}"
    gateway, token = dice.choice((("demo", "laptop"), ("demo", "desktop"), ("deepseek", "laptop"), ("local", "ci")))
    at = begin
    context = {"": dice.randrange(16_000, 24_000)}
    for _turn in range(dice.randrange(8, 45)):
        agent = dice.choice(("", "", "", "explore-1", "explore-2", "review-7")) if dice.random() < 0.4 else ""
        model, upstream = _MODELS[2] if agent.startswith("explore") else _MODELS[dice.random() < 0.6]
        grown = context.get(agent, 9_000) + dice.randrange(200, 5_000)
        cached = int(context.get(agent, 0) * 0.96)
        context[agent] = grown
        output = int(dice.lognormvariate(5.6, 0.9)) + 5
        ttft = int(dice.lognormvariate(6.4, 0.5))
        took = ttft + int(output * dice.uniform(9, 22))
        at += took + dice.randrange(800, 25_000)
        answered: dict[str, Any] = {
            "outcome": "ok", "status": 200, "stop_reason": dice.choice(("tool_use", "tool_use", "end_turn")),
            "input_tokens": grown - cached, "cache_read": cached, "cache_write": 0, "output_tokens": output,
            "reasoning_tokens": output // 3, "usage_source": "told",
            "cost_nano": None if gateway == "local" else (grown - cached) * 280 + cached * 28 + output * 420,
        }  # fmt: skip
        yield log_row(
            id=f"req_{dice.getrandbits(96):024x}", ended_at=at, started_at=at - took, gateway=gateway, token=token,
            model=model, upstream_model=upstream, attempts=1, ttft_ms=ttft, duration_ms=took, session=session,
            agent=agent or None, user_agent="claude-cli/2.1.197 (external, cli)",
            notes="tools.schema_cleaned,thinking.not_replayed" if dice.random() < 0.3 else None,
            timeline=f"attempt:{gateway}@0 status:200@{ttft - 40} first@{ttft - 30} open:text@{ttft} close@{took - 5}",
            **(_failure(dice) if dice.random() < 0.025 else answered),
        )  # fmt: skip


def _failure(dice: random.Random) -> dict[str, Any]:
    outcome, status, error_type, error = dice.choice(_FAILURES)
    return {
        "outcome": outcome, "status": status, "error_type": error_type, "error": error, "stop_reason": None,
        "input_tokens": None, "cache_read": None, "cache_write": None, "output_tokens": None, "reasoning_tokens": None,
        "usage_source": "none", "cost_nano": None,
    }  # fmt: skip
