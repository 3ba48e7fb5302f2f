"""Calls that a prompt spells out, for tests that need exactly these: `call Read {"file_path": "/a"}`. Pure.

Several calls in one prompt go out together; behind the word "then" a call waits for the results of those before it. A
tool may be named by the beginning of its name, because a gateway shortens names that are too long for a provider. With
`call the Read tool` the arguments are left to the tool's schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from gatewayd.simulator.samples import sample
from gatewayd.simulator.tools import Wish, offered_tools
from gatewayd.simulator.turn import words_of

_CALL = re.compile(r"\bcall\s+(?:the\s+)?([A-Za-z][\w-]*)(?:\s+tool\b|\s*(?=\{))", re.IGNORECASE)
_THEN = re.compile(r"\bthen\b", re.IGNORECASE)
_JSON = json.JSONDecoder()


def due_wishes(body: Mapping[str, Any]) -> list[Wish]:
    """The spelled-out calls whose turn it is; none where nothing is spelled out, all of it is done, or tools may not be
    called."""
    messages, tools, step = body["messages"], offered_tools(body), 0
    if not tools or body.get("tool_choice") == "none":
        return []
    for index in reversed(range(len(messages))):
        message = messages[index]
        step += message["role"] == "assistant"
        words = words_of(message["content"]) if message["role"] == "user" else ""
        if steps := _read_steps(words, tools):
            return steps[step] if step < len(steps) else []
        if words and not (index and messages[index - 1]["role"] == "tool"):
            return []  # somebody has said something else since
    return []


def _read_steps(prompt: str, tools: Mapping[str, Any]) -> list[list[Wish]]:
    steps: list[list[Wish]] = []
    end = 0
    while found := _CALL.search(prompt, end):
        wish, after = _read_wish(prompt, found, tools)
        if wish is not None:
            if not steps or _THEN.search(prompt, end, found.start()):
                steps.append([])
            steps[-1].append(wish)
        end = after
    return steps


def _read_wish(prompt: str, found: re.Match[str], tools: Mapping[str, Any]) -> tuple[Wish | None, int]:
    """The call that is spelled out here, None where it is none, and where it ends."""
    name, end = found[1], found.end()
    if found[0].endswith("tool"):
        return (Wish(name, sample(tools[name], name)) if name in tools else None), end
    try:
        arguments, end = _JSON.raw_decode(prompt, end)
    except json.JSONDecodeError:
        return None, end
    return Wish(_offered_name(name, tools), arguments), end


def _offered_name(name: str, tools: Mapping[str, Any]) -> str:
    """The name of the tool that is meant; a tool that is not offered is called all the same."""
    return name if name in tools else next((offered for offered in tools if offered.startswith(name)), name)
