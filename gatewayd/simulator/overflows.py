"""A context that overflows, in the words of the providers that differ most. Pure.

Clients compact a conversation only when they understand what they are told, so a gateway has to know all of these.
"""

from __future__ import annotations

from dataclasses import dataclass

from gatewayd.simulator.refusals import Refused

_REQUESTED = (
    "This model's maximum context length is {window} tokens. However, you requested {total} tokens "
    "({prompt} in the messages, {output} in the completion). Please reduce the length of the messages or completion."
)
_ABOUT = (
    "This endpoint's maximum context length is {window} tokens. However, you requested about {total} tokens "
    "({prompt} of text input, {output} in the output). Please reduce the length of either one, or use the "
    '"middle-out" transform to compress your prompt automatically.'
)


@dataclass(frozen=True, slots=True)
class _Wording:
    """alone: when the prompt is too long by itself; together: when it is with the answer, None where that is never
    refused; kind and code: the labels beside it."""

    alone: str
    together: str | None = None
    kind: str = "invalid_request_error"
    code: str | int | None = None


_WORDINGS = {
    "openai": _Wording(
        "This model's maximum context length is {window} tokens. However, your messages resulted in {prompt} tokens. "
        "Please reduce the length of the messages.",
        _REQUESTED,
        code="context_length_exceeded",
    ),
    "deepseek": _Wording(_REQUESTED, _REQUESTED, code="invalid_request_error"),
    "openrouter": _Wording(_ABOUT, _ABOUT, code=400),
    "vllm": _Wording(
        "This model's maximum context length is {window} tokens. However, your request has {prompt} input tokens. "
        "Please reduce the length of the input messages.",
        "'max_tokens' or 'max_completion_tokens' is too large: {output}. This model's maximum context length is "
        "{window} tokens and your request has {prompt} input tokens ({output} > {window} - {prompt}).",
        kind="BadRequestError",
        code=400,
    ),
    "llamacpp": _Wording(
        "request ({prompt} tokens) exceeds the available context size ({window} tokens), try increasing it",
        kind="exceed_context_size_error",
        code=400,
    ),
    "ollama": _Wording("prompt too long; exceeded max context length by {over} tokens"),
    "perplexity": _Wording("The total length of all messages is too long.", kind="too_many_prompt_tokens", code=400),
}
PROVIDERS = tuple(_WORDINGS)
SHARING = tuple(name for name, wording in _WORDINGS.items() if wording.together)


def overflow(provider: str, *, window: int, prompt: int, output: int = 0) -> Refused:
    """The refusal of a prompt, or of a prompt and `output` tokens asked for the answer, for a window (all in tokens).

    output: 0 unless the provider is one of SHARING
    """
    wording = _WORDINGS[provider]
    words = wording.together if output and prompt <= window else wording.alone
    total = prompt + output
    told = str(words).format(window=window, prompt=prompt, output=output, total=total, over=total - window)
    return Refused(told, kind=wording.kind, param="messages", code=wording.code)
