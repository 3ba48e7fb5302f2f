"""Token counts and the prompt cache."""

from __future__ import annotations

from gatewayd.simulator.script import Answer, Call
from gatewayd.simulator.usage import PromptCache, count_tokens, measure_answer
from tests.simulator.requests import READ_TOOL, request, user


def test_longer_prompts_and_tools_count_more() -> None:
    short, _ = PromptCache().measure(request(user("a")))
    longer, _ = PromptCache().measure(request(user("a" * 400)))
    with_tools, _ = PromptCache().measure(request(user("a"), tools=[READ_TOOL]))
    assert 95 <= longer - short <= 105
    assert with_tools > short + 20


def test_an_image_counts_a_flat_rate_whatever_its_size() -> None:
    def tokens(data: str) -> int:
        return count_tokens(user([{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": data}}]))

    assert tokens("x" * 10) == tokens("x" * 100_000) > 700


def test_only_an_unchanged_prefix_is_cached() -> None:
    cache = PromptCache()
    first, second = user("one"), user("two")
    assert cache.measure(request(first))[1] == 0
    tokens, cached = cache.measure(request(first))
    assert tokens == cached
    assert cache.measure(request(first, second))[1] == tokens
    assert cache.measure(request(user("One"), second))[1] < tokens
    assert cache.measure(request(first, tools=[READ_TOOL]))[1] == 0
    reordered = {"content": "one", "role": "user"}
    assert cache.measure(request(reordered))[1] < tokens


def test_completion_counts_reasoning_text_and_calls() -> None:
    usage = measure_answer(100, 40, Answer(text="12345678", reasoning="1234", calls=(Call("id", "abcd", "{}"),)))
    assert (usage.completion, usage.reasoning) == (5, 1)
    body = usage.build_body()
    assert body["total_tokens"] == 105
    assert body["prompt_tokens_details"]["cached_tokens"] == 40
