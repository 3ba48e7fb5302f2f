"""Simulated sessions of a coding agent: a system prompt, tools, a history that grows by tool calls and their results.

`stream` gives the requests of several sessions in turn, as one gateway would see them: main sessions, subagents with
fewer tools, small requests without any; the kind of content changes from session to session and within sessions.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

from bench.materials import KINDS, WRITERS, english, tools


class Asked(NamedTuple):
    """kind: what most of the history is about."""

    kind: str
    request: dict[str, Any]


def stream(rng: random.Random, kinds: tuple[str, ...] = KINDS) -> Iterator[Asked]:
    """Endless. Five sessions run at a time, so that the mixture changes from request to request."""
    setup = Setup(rng)
    running: list[Iterator[Asked]] = []
    while True:
        while len(running) < 5:
            running.append(session(rng, setup, rng.choice(kinds)))
        at = rng.randrange(len(running))
        if (asked := next(running[at], None)) is not None:
            yield asked
        else:
            del running[at]


class Setup:
    """What an installation of the agent sends with every request."""

    def __init__(self, rng: random.Random) -> None:
        self.system = "You are an interactive agent that helps with software engineering.\n\n# Rules\n\n" + english(
            rng, 14_000
        )
        self.tools = tools(rng, 18)


def session(rng: random.Random, setup: Setup, kind: str, turns: int | None = None) -> Iterator[Asked]:
    role = rng.choice(["main", "main", "main", "subagent", "small"])
    base: dict[str, Any] = {"model": "claude", "max_tokens": 32000}
    if role == "small":
        text = "Write a title of at most six words for this conversation:\n" + WRITERS[kind](rng, 1500)
        yield Asked(kind, base | {"system": english(rng, 600), "messages": [{"role": "user", "content": text}]})
        return
    base |= {"system": setup.system if role == "main" else english(rng, 3000)}
    base |= {"tools": setup.tools if role == "main" else setup.tools[:6]}
    messages = [
        {
            "role": "user",
            "content": [{"type": "text", "text": _reminder(rng)}, {"type": "text", "text": _words(rng, kind, 600)}],
        }
    ]
    for turn in range(turns or rng.randint(2, 14)):
        yield Asked(kind, base | {"messages": list(messages)})
        messages += _turn(rng, kind if rng.random() < 0.75 else rng.choice(KINDS), setup, turn)


def _reminder(rng: random.Random) -> str:
    return "<system-reminder>\nToday is 2025-11-24.\n" + english(rng, rng.randint(200, 3000)) + "</system-reminder>"


def _words(rng: random.Random, kind: str, size: int) -> str:
    return WRITERS[kind if kind in ("chinese", "japanese") else "english"](rng, rng.randint(60, size))


def _turn(rng: random.Random, kind: str, setup: Setup, turn: int) -> list[dict[str, Any]]:
    calls, results = [], []
    for number in range(rng.choice([1, 1, 1, 2, 3])):
        tool_id = f"toolu_{turn:04}{number:020}"
        arguments: dict[str, Any] = {"file_path": f"/home/dev/project/src/module_{turn}.py"}
        if rng.random() < 0.3:
            arguments |= {"old_string": WRITERS[kind](rng, 400), "new_string": WRITERS[kind](rng, 600)}
        calls.append(
            {"type": "tool_use", "id": tool_id, "name": rng.choice(setup.tools[:6])["name"], "input": arguments}
        )
        content = WRITERS[kind](rng, int(min(rng.paretovariate(0.9) * 900, 24_000)))
        results.append({"type": "tool_result", "tool_use_id": tool_id, "content": content})
    said = [{"type": "text", "text": _words(rng, kind, 400)}]
    thought = [{"type": "thinking", "thinking": english(rng, 300), "signature": ""}] if rng.random() < 0.3 else []
    return [{"role": "assistant", "content": [*thought, *said, *calls]}, {"role": "user", "content": results}]
