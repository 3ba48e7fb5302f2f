"""Context overflow in any provider's words, told in Anthropic's.

Clients compact a conversation, or shrink `max_tokens`, only when they read Anthropic's own sentences; any other wording
is a dead end for them. So the first line is one of

    prompt is too long: 210000 tokens > 200000 maximum
    input length and `max_tokens` exceed context limit: 190000 + 64000 > 200000

with the numbers of the provider where it tells them, else the estimate and the model's window.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_MARKERS = re.compile(
    "|".join(
        (
            r"prompt (?:is )?too long",
            r"input (?:is |length )?too long",
            r"total length of all messages is too long|too_many_prompt_tokens",
            r"maximum (?:context|prompt|input|sequence|model) (?:length|limit|size)",
            r"max(?:imum)?_context_length|context[_ ]length[_ ]exceeded|context_?window_?exceeded|exceed_context_size",
            r"context (?:length|window|limit|size) (?:has been |was |is )?exceeded",
            r"exceed(?:s|ed)? (?:(?:the|your|this|available|max|maximum|model'?s?) )*context (?:size|length|window)",
            r"exceeds? the context limit",
            r"(?:longer|greater|larger) than the (?:model'?s |maximum )*(?:context|model) length",
            r"context window exceeds limit|context exceeds your deployment|model_context_window_exceeded",
            r"exceed(?:s|ed) (?:the )?(?:model(?:'s)? )?(?:maximum number of tokens allowed|token limit)",
            r"input tokens? (?:exceed|length too long)|token count[^.]{0,60}exceeds? the (?:limit|maximum)",
            r"prompt exceeds (?:the )?(?:max|length)|maximum context limit",
            r"tokens in request more than max tokens allowed|too many (?:input |prompt )?tokens|token limit exceeded",
            r"range of input length should be|input length should be",
            r"reduce the length of (?:the|your) (?:messages|prompt|input)",
            r"`?inputs`? tokens \+ `?max_new_tokens`? must be|`inputs` must have less than",
            r"too large for model with \d+ maximum context|model only supports up to",
            r"current length is \d+ while limit is|context length of only \d+|context the overflows",
            r"input length and `?max_tokens`? exceed",
        )
    ),
    re.IGNORECASE,
)
# The budget of a minute or of an account is spent: compacting would not help.
_RATES = re.compile(r"per[ _]?(?:min|day|hour|second)|rate[ _-]?limit|\b[tr]p[md]\b|quota", re.IGNORECASE)

_D = r"(\d[\d,_]{0,19})"
_N = rf"[\s:=~]{{0,3}}(?:(?:of|is|about|only) )*{_D}"
# What one number says. The first pattern that is found wins; the order is from special to general.
_INPUT = (
    rf"input length and `?max_tokens`? exceed context limit{_N}",
    rf"{_D} (?:tokens )?(?:in (?:the |your )?(?:messages|prompt)|of text input|tokens? from the input|`inputs` tokens)",
    rf"request has{_N} input tokens",
    rf"prompt contains(?: at least)?{_N} (?:input )?tokens",
)
_OUTPUT = (
    r"exceed context limit: \d+ \+ (\d+)",
    rf"{_D} (?:tokens )?(?:in (?:the |your )?(?:completion|output)|for the completion|`max_new_tokens`)",
    rf"'?max(?:_completion)?_tokens'? (?:or '?max_completion_tokens'? )?is too large{_N}",
    rf"requested{_N} output tokens",
)
_TOTAL = (rf"requested(?: a total of)?{_N} tokens",)
_USED = (
    rf"(?:too long|tokens){_N} tokens? >",
    rf"resulted in{_N} tokens",
    rf"(?:request|input|prompt) \({_D} tokens\)",
    rf"(?:contains?|current length is|given|first){_N}",
    rf"token count(?: of)? \(?{_D}",
    rf"\((?:length|requested){_N}",
    rf"(?:prompt|input) (?:is )?too long{_N}",
)
_LIMIT = (
    r"exceed context limit: \d+ \+ \d+ > (\d+)",
    rf"tokens? > {_D}",
    rf"(?:context|prompt|model|input|sequence) (?:length|limit|size|window){_N}",
    rf"(?:context|model) (?:length|size) \({_D} tokens|tokens allowed \({_D}",
    rf"(?:limit|less than|must be <=|supports up to|model with|exceeds the limit|tokens allowed){_N}",
    r"input length should be \[\d+,\s*(\d+)",
)
_OVER = (rf"exceeded max context length by{_N}",)


class Numbers(NamedTuple):
    """Token counts that an error tells; None where it does not."""

    limit: int | None
    used: int | None
    input: int | None
    output: int | None


def is_overflow(words: str) -> bool:
    """Whether a provider's words (message, code and type) say that the context is too small."""
    return bool(_MARKERS.search(words)) and not _RATES.search(words)


def overflow_line(words: str, *, context_window: int | None, estimate: int) -> str:
    """Anthropic's sentence for it. estimate: tokens of the request, for what the words leave out."""
    numbers = _read_numbers(words, context_window, estimate)
    if numbers.limit is None:
        return f"prompt is too long: {numbers.used or estimate} tokens are more than the model takes"
    if numbers.input and numbers.output and numbers.input < numbers.limit:
        return (
            f"input length and `max_tokens` exceed context limit: {numbers.input} + {numbers.output} > {numbers.limit}"
        )
    used = numbers.used or numbers.input or estimate
    return f"prompt is too long: {max(used, numbers.limit + 1)} tokens > {numbers.limit} maximum"


def _read_numbers(words: str, context_window: int | None, estimate: int) -> Numbers:
    limit = _first(_LIMIT, words) or context_window
    used, sent, output = _first(_USED, words), _first(_INPUT, words), _first(_OUTPUT, words)
    if (over := _first(_OVER, words)) is not None:
        limit = context_window or max(estimate - over, 1)
        used = limit + over
    if (total := _first(_TOTAL, words)) is not None:
        sent = used = total - output if output and output < total else total
    return Numbers(limit, used, sent, output)


def _first(patterns: tuple[str, ...], words: str) -> int | None:
    for pattern in patterns:
        if found := re.search(pattern, words, re.IGNORECASE):
            return int(re.sub(r"\D", "", found[found.lastindex or 1])[:15])
    return None
