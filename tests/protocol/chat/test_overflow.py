"""Context overflow in the words of the providers."""

from __future__ import annotations

import pytest

from gatewayd.protocol.chat.overflow import is_overflow, overflow_line

WINDOW, ESTIMATE = 200_000, 250_000

# What a provider says -> tokens of the input, limit; both in one place where max_tokens is part of the sum.
WORDINGS = """
This model's maximum context length is 1000 tokens. However, you requested 1250 tokens (1250 in the messages, 0 in the \
completion). Please reduce the length of the messages or completion. -> 1250 > 1000
This model's maximum context length is 131072 tokens. However, you requested 140000 tokens (108000 in the messages, \
32000 in the completion). -> 108000 + 32000 > 131072
This model's maximum context length is 8192 tokens. However, your messages resulted in 8545 tokens. -> 8545 > 8192
This model's maximum context length is 16385 tokens. However, your messages resulted in 17000 tokens (16000 in the \
messages, 1000 in the functions). -> 17000 > 16385
This endpoint's maximum context length is 262144 tokens. However, you requested about 300100 tokens (290000 of text \
input, 10000 of tool input, 100 in the output). -> 300000 > 262144
request (66000 tokens) exceeds the available context size (65536 tokens), try increasing it -> 66000 > 65536
prompt too long; exceeded max context length by 50000 tokens (ref: 96164522) -> 250000 > 200000
The total length of all messages is too long. -> 250000 > 200000
prompt is too long: 210000 tokens > 199999 maximum -> 210000 > 199999
input length and `max_tokens` exceed context limit: 190000 + 64000 > 199999, decrease -> 190000 + 64000 > 199999
This model's maximum prompt length is 131072 but the request contains 537812 tokens. -> 537812 > 131072
Range of input length should be [1, 129024] -> 250000 > 129024
The input token count (1196265) exceeds the maximum number of tokens allowed (1048575). -> 1196265 > 1048575
The input token count 1196265 exceeds the maximum number of tokens allowed 1048575. -> 1196265 > 1048575
`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 3000 `inputs` tokens and 2000 `max_new_tokens` \
-> 3000 + 2000 > 4096
`inputs` must have less than 4096 tokens. Given: 5000 -> 5000 > 4096
Prompt contains 140000 tokens and 0 draft tokens, too large for model with 131072 maximum context length \
-> 140000 > 131072
Invalid request: Your request exceeded model token limit: 131072 -> 250000 > 131072
Your request exceeded model token limit: 262144 (requested: 300000) -> 300000 > 262144
Please reduce the length of the messages or completion. Current length is 140000 while limit is 131072 \
-> 140000 > 131072
prompt token count of 140000 exceeds the limit of 128000 -> 140000 > 128000
The prompt is too long: 140000, model maximum context length: 131072 -> 140000 > 131072
The input (140000 tokens) is longer than the model's context length (131072 tokens). -> 140000 > 131072
Requested token count exceeds the model's maximum context length of 131072 tokens. You requested a total of 140000 \
tokens: 108000 tokens from the input messages and 32000 tokens for the completion. -> 108000 + 32000 > 131072
'max_tokens' or 'max_completion_tokens' is too large: 32000. This model's maximum context length is 32768 tokens and \
your request has 5000 input tokens (32000 > 32768 - 5000). -> 5000 + 32000 > 32768
This model's maximum context length is 32768 tokens. However, you requested 32000 output tokens and your prompt \
contains at least 769 input tokens, for a total of at least 32769 tokens. -> 769 + 32000 > 32768
The decoder prompt (length 140000) is longer than the maximum model length of 131072. -> 140000 > 131072
Input is too long for requested model. -> 250000 > 200000
Your input exceeds the context window of this model. Please adjust your input and try again. -> 250000 > 200000
Prompt exceeds max length -> 250000 > 200000
invalid params, context window exceeds limit (2013) -> 250000 > 200000
Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with context length of \
only 4096 tokens, which is not enough. -> 9000 > 4096
The number of tokens to keep from the initial prompt is greater than the context length. -> 250000 > 200000
maximum context length is 8191 tokens, however you requested 10346 tokens (10341 in your prompt; 5 for the \
completion). -> 10341 > 8191
your input exceeds the maximum number of tokens allowed -> 250000 > 200000
The input length exceeds the context length -> 250000 > 200000
ContextWindowExceededError: too big -> 250000 > 200000
code: context_length_exceeded -> 250000 > 200000
Input token length too long -> 250000 > 200000
tokens in request more than max tokens allowed -> 250000 > 200000
this model only supports up to 32768 tokens -> 250000 > 32768
Your messages resulted in 300,000 tokens. Input tokens exceed the configured limit of 272,000 tokens. \
-> 300000 > 272000
Context size has been exceeded. -> 250000 > 200000
request exceeds the maximum context limit -> 250000 > 200000
"""


def rows() -> list[tuple[str, str]]:
    return [tuple(line.rsplit(" -> ", 1)) for line in WORDINGS.strip().split("\n")]  # type: ignore[misc] # two halves


@pytest.mark.parametrize(("words", "numbers"), rows())
def test_every_wording_becomes_anthropics_sentence(words: str, numbers: str) -> None:
    assert is_overflow(words)
    line = overflow_line(words, context_window=WINDOW, estimate=ESTIMATE)
    if "+" in numbers:
        assert line == f"input length and `max_tokens` exceed context limit: {numbers}"
    else:
        used, limit = numbers.split(" > ")
        assert line == f"prompt is too long: {used} tokens > {limit} maximum"


@pytest.mark.parametrize(
    "words",
    [
        "max_tokens is too large: 128000. This model supports at most 16384 completion tokens",
        "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]",
        "Range of max_tokens should be [1, 8192]",
        "`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens`",
        "Rate limit reached on tokens per minute (TPM): Limit 6000. Please reduce the length of the messages",
        "You exceeded your current quota: too many tokens",
        "tools.0.function.name is too long: maximum length 64",
        "Model not found",
        "",
    ],
)
def test_other_limits_are_not_the_context(words: str) -> None:
    assert not is_overflow(words)


def test_without_any_limit_the_sentence_still_makes_clients_compact() -> None:
    line = overflow_line("Input is too long.", context_window=None, estimate=250_000)
    assert line == "prompt is too long: 250000 tokens are more than the model takes"


def test_the_sentence_never_contradicts_itself() -> None:
    """The estimate can be below the limit that the provider says is exceeded."""
    line = overflow_line("Input is too long.", context_window=200_000, estimate=150_000)
    assert line == "prompt is too long: 200001 tokens > 200000 maximum"


def test_an_overrun_without_a_known_window_is_counted_from_the_estimate() -> None:
    words = "prompt too long; exceeded max context length by 100 tokens"
    assert overflow_line(words, context_window=None, estimate=1100) == "prompt is too long: 1100 tokens > 1000 maximum"
