"""The fields of one delta or message in their many spellings: raw JSON -> text, reasoning, usage, finish reason.

Each function takes what a provider sent, of whatever type, and gives a plain value or nothing; none of them raises.
What is seen where: the catalogue of quirks in `tests/cases/`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from gatewayd.protocol.parts import Part, Text, Thinking, Usage

_MAX_COUNT = 2**53

# finish_reason -> Anthropic's stop_reason. Not listed: the end of the turn.
STOP_REASONS = {
    "length": "max_tokens", "max_tokens": "max_tokens", "max_output_tokens": "max_tokens", "model_length": "max_tokens",
    "tool_calls": "tool_use", "tool_call": "tool_use", "function_call": "tool_use", "tool_use": "tool_use",
    "content_filter": "refusal", "sensitive": "refusal", "refusal": "refusal", "safety": "refusal",
}  # fmt: skip

# finish_reasons that say that the provider broke off: the answer is not whole.
BROKEN_REASONS = {"error", "network_error", "insufficient_system_resource", "abort"}


def read_content(content: Any) -> Iterator[Part]:
    """`content`: a string, a list of parts (Mistral), an object that the provider parsed (Cloudflare), or null."""
    if isinstance(content, str):
        if content:
            yield Text(content)
    elif isinstance(content, dict):
        if isinstance(content.get("text"), str) and content.get("type") in (None, "text"):
            yield Text(content["text"])
        else:
            yield Text(json.dumps(content, ensure_ascii=False))
    elif isinstance(content, list):
        for item in content:
            yield from _read_item(item)
    elif isinstance(content, int | float) and not isinstance(content, bool):
        yield Text(str(content))


def _read_item(item: Any) -> Iterator[Part]:
    if isinstance(item, str):
        yield Text(item)
    elif isinstance(item, dict):
        if item.get("type") in ("thinking", "reasoning") or (item.get("type") is None and "thinking" in item):
            thinking = "".join(_texts(item.get("thinking", item.get("text", item.get("summary")))))
            if thinking:
                yield Thinking(thinking)
        elif isinstance(item.get("text"), str) and item["text"]:
            yield Text(item["text"])


def read_reasoning(message: dict[str, Any]) -> str:
    """Reasoning text; the same text under several names counts once."""
    for name in ("reasoning_content", "reasoning"):
        value = message.get(name)
        if not value:
            continue
        if isinstance(value, dict):
            value = next((value[key] for key in ("content", "text", "summary") if value.get(key)), "")
        text = "".join(_texts(value))
        if text:
            return text
    details = message.get("reasoning_details")
    if isinstance(details, list):
        text = "".join(_detail_text(detail) for detail in details if isinstance(detail, dict))
        if text:
            return text
    thinking = message.get("thinking")
    return thinking if isinstance(thinking, str) else ""


def _detail_text(detail: dict[str, Any]) -> str:
    return next((detail[key] for key in ("text", "summary") if isinstance(detail.get(key), str)), "")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, str):
                yield item
            elif isinstance(item, dict):
                yield from _texts(item.get("thinking", item.get("text", item.get("summary"))))


class Counts(NamedTuple):
    """A provider's usage object in one spelling; None = not told."""

    prompt: int | None = None
    completion: int | None = None
    total: int | None = None
    cached: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None

    def updated(self, later: Counts) -> Counts:
        """Later numbers win; what a later object does not tell stays."""
        return Counts(*(old if new is None else new for old, new in zip(self, later, strict=True)))

    def usage(self) -> Usage:
        """In Anthropic's meaning. The parts of the prompt never sum to more than it, and none is negative, whatever
        the provider says. Where the total shows tokens that `completion` leaves out (xAI's reasoning, Gemini's
        thoughts), they are output."""
        prompt, completion = self.prompt or 0, self.completion or 0
        if self.prompt is None and self.total is not None:
            prompt = max(self.total - completion, 0)
        cache_read = min(self.cached or 0, prompt)
        cache_write = min(self.cache_write or 0, prompt - cache_read)
        output = max(completion, (self.total or 0) - prompt) if self.prompt is not None else completion
        return Usage(
            prompt - cache_read - cache_write, cache_read, cache_write, output, min(self.reasoning or 0, output)
        )


def read_counts(usage: Any) -> Counts | None:
    """A usage object -> Counts, or None where there is none."""
    if not isinstance(usage, dict):
        return None
    prompt_details = usage.get("prompt_tokens_details")
    prompt_details = prompt_details if isinstance(prompt_details, dict) else {}
    details = usage.get("completion_tokens_details") or usage.get("output_tokens_details")
    details = details if isinstance(details, dict) else {}
    counts = Counts(
        prompt=_first(usage.get("prompt_tokens"), usage.get("input_tokens")),
        completion=_first(usage.get("completion_tokens"), usage.get("output_tokens")),
        total=_first(usage.get("total_tokens")),
        # several names of one number; some providers send a zero under one of them
        cached=_largest(
            prompt_details.get("cached_tokens"), usage.get("prompt_cache_hit_tokens"), usage.get("cached_tokens"),
            usage.get("cache_read_input_tokens"), usage.get("num_cached_tokens"),
        ),
        cache_write=_largest(
            prompt_details.get("cache_write_tokens"), prompt_details.get("cache_creation_tokens"),
            usage.get("cache_creation_input_tokens"),
        ),
        reasoning=_largest(details.get("reasoning_tokens"), usage.get("reasoning_tokens")),
    )  # fmt: skip
    return counts if any(count is not None for count in counts) else None


def _count(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return None
    return int(min(max(value, 0), _MAX_COUNT))


def _first(*values: Any) -> int | None:
    return next((count for value in values if (count := _count(value)) is not None), None)


def _largest(*values: Any) -> int | None:
    return max((count for value in values if (count := _count(value)) is not None), default=None)
