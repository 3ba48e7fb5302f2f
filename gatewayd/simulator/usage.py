"""Token counts as a provider reports them, estimated from the request itself, so that the same request counts the same.

A prompt prefix that was seen before (same model, tools and messages, byte for byte) counts as cached: a gateway that
rewrites earlier turns shows up as a cache that never hits.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import orjson

from gatewayd.simulator.script import CHARACTERS_PER_TOKEN, Answer

_MESSAGE_TOKENS = 4
_MEDIA_TOKENS = 765
_MAX_PREFIXES = 10_000


@dataclass(frozen=True, slots=True)
class Usage:
    """prompt includes cached, completion includes reasoning."""

    prompt: int
    cached: int
    completion: int
    reasoning: int

    def build_body(self) -> dict[str, Any]:
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
            "prompt_tokens_details": {"cached_tokens": self.cached, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": self.reasoning, "audio_tokens": 0},
        }


class PromptCache:
    """The prompt prefixes of earlier requests, the oldest forgotten first."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def measure(self, body: dict[str, Any]) -> tuple[int, int]:
        """(prompt tokens, tokens of its longest known prefix); the prompt is known from now on."""
        key, tokens, cached, hit = b"", 0, 0, True
        head = {"model": body["model"], "tools": body.get("tools")}
        for piece in (head, *body["messages"]):
            key = hashlib.sha256(key + orjson.dumps(piece)).digest()
            tokens += count_tokens(piece)
            hit = hit and key in self._seen
            cached = tokens if hit else cached
            self._remember(key)
        return tokens, cached

    def _remember(self, key: bytes) -> None:
        self._seen[key] = None
        self._seen.move_to_end(key)
        if len(self._seen) > _MAX_PREFIXES:
            self._seen.popitem(last=False)


def count_tokens(piece: dict[str, Any]) -> int:
    """The estimate for one message, or for the model and its tools: text by length, images and files at a flat rate."""
    content = piece.get("content")
    media = [part for part in content if part["type"] != "text"] if isinstance(content, list) else []
    if isinstance(content, list):
        piece = {**piece, "content": [part for part in content if part["type"] == "text"]}
    return _MESSAGE_TOKENS + _tokens(orjson.dumps(piece)) + _MEDIA_TOKENS * len(media)


def measure_answer(prompt: int, cached: int, answer: Answer) -> Usage:
    """The usage of an answer to a prompt of that many tokens."""
    reasoning = _tokens(answer.reasoning.encode())
    said = _tokens(answer.text.encode()) + sum(_tokens((call.name + call.arguments).encode()) for call in answer.calls)
    return Usage(prompt, cached, reasoning + said, reasoning)


def _tokens(text: bytes) -> int:
    return -(-len(text) // CHARACTERS_PER_TOKEN)
