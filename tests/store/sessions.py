"""Bodies of agent sessions, as they grow turn by turn: for tests and benchmarks."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

_WORDS = (
    "the a of file function returns value test error line import class def self none true request model token server "
    "data read write path name list config update cache key index state event handler async await loop raise"
).split()


def prose(dice: random.Random, words: int) -> str:
    return " ".join(
        dice.choice(_WORDS) + (str(dice.randrange(100)) if dice.random() < 0.2 else "") for _ in range(words)
    )


def agent_session(turns: int, seed: int = 1) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """For each turn the Anthropic request, the Chat Completions request and the answer. The cache mark moves on."""
    dice = random.Random(seed)
    system = [{"type": "text", "text": prose(dice, 5000), "cache_control": {"type": "ephemeral"}}]
    tools = [
        {"name": f"Tool{n}", "description": prose(dice, 150), "input_schema": {"type": "object", "properties": {}}}
        for n in range(20)
    ]
    messages: list[dict[str, Any]] = [{"role": "user", "content": [{"type": "text", "text": prose(dice, 200)}]}]
    for turn in range(turns):
        marked = [*messages[:-1], {**messages[-1], "content": [{**messages[-1]["content"][-1], "cache_control": {}}]}]
        request = {"model": "m", "max_tokens": 32000, "system": system, "tools": tools, "messages": marked}
        chat = [{"role": "system", "content": system[0]["text"]}, *({"role": "user", "content": m} for m in messages)]
        upstream = {"model": "u", "max_tokens": 32000, "messages": chat, "tools": tools, "stream": True}
        call = {"type": "tool_use", "id": f"toolu_{turn}", "name": "Tool1", "input": {"path": prose(dice, 3)}}
        answer = {"role": "assistant", "content": [{"type": "text", "text": prose(dice, 60)}, call]}
        yield request, upstream, {"id": f"msg_{turn}", "type": "message", **answer}
        result = {
            "type": "tool_result",
            "tool_use_id": f"toolu_{turn}",
            "content": prose(dice, dice.randrange(50, 1500)),
        }
        messages = [*messages, answer, {"role": "user", "content": [result]}]
