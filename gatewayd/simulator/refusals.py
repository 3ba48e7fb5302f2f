"""Errors as OpenAI words and shapes them: `{"error": {"message", "type", "param", "code"}}` with a true HTTP status."""

from __future__ import annotations

from typing import Any

_KINDS: dict[int, tuple[str, str | None, str]] = {
    400: ("invalid_request_error", None, "The request was refused by the model {model}."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    402: ("insufficient_quota", "insufficient_quota", "Insufficient balance for {model}."),
    403: ("invalid_request_error", "permission_denied", "You do not have access to {model}."),
    404: (
        "invalid_request_error",
        "model_not_found",
        "The model `{model}` does not exist or you do not have access to it.",
    ),
    413: ("invalid_request_error", "request_too_large", "The request is too large."),
    429: (
        "requests",
        "rate_limit_exceeded",
        "Rate limit reached for {model} on requests per min (RPM): Limit 3, Used 3.",
    ),
    503: ("server_error", "overloaded", "The engine is currently overloaded, please try again later."),
}
_SERVER_ERROR = ("server_error", None, "The server had an error while processing your request. Sorry about that!")
_RETRY_AFTER_SECONDS = 1


class Refused(Exception):
    """A request that the simulated provider does not answer. told: the body, where it is not in OpenAI's shape."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        told: Any = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.kind = kind
        self.param = param
        self.code = code
        self.told = told

    @property
    def headers(self) -> dict[str, str]:
        return {"retry-after": str(_RETRY_AFTER_SECONDS)} if self.status == 429 else {}

    def build_body(self) -> Any:
        if self.told is not None:
            return self.told
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}


def refusal_for(status: int, model: str) -> Refused:
    """The usual error of a status, as OpenAI words it."""
    kind, code, message = _KINDS.get(status, _SERVER_ERROR)
    return Refused(message.format(model=model), status=status, kind=kind, code=code)


# How providers word it; `over` is by how much.
_OVERFLOWS = {
    "openai": (
        "This model's maximum context length is {window} tokens. However, your messages resulted in {tokens} tokens. "
        "Please reduce the length of the messages."
    ),
    "deepseek": (
        "This model's maximum context length is {window} tokens. However, you requested {tokens} tokens "
        "({tokens} in the messages, 0 in the completion). Please reduce the length of the messages or completion."
    ),
    "openrouter": (
        "This endpoint's maximum context length is {window} tokens. However, you requested about {tokens} tokens "
        "({tokens} of text input). Please reduce the length of either one, or use the context-compression plugin."
    ),
    "llamacpp": ("request ({tokens} tokens) exceeds the available context size ({window} tokens), try increasing it"),
    "ollama": "prompt too long; exceeded max context length by {over} tokens",
    "perplexity": "The total length of all messages is too long.",
}


def overflow(window: int, tokens: int, provider: str = "openai") -> Refused:
    """The context window of `window` tokens does not hold a prompt of `tokens`, in a provider's words."""
    words = _OVERFLOWS.get(provider, _OVERFLOWS["openai"])
    message = words.format(window=window, tokens=tokens, over=tokens - window)
    code = "context_length_exceeded" if provider == "openai" else None
    return Refused(message, param="messages", code=code)


def overflow_of_both(total: int, tokens: int, output: int) -> Refused:
    """Prompt and answer together do not fit, as vLLM words it."""
    return Refused(
        f"This model's maximum context length is {total} tokens. However, you requested {tokens + output} tokens "
        f"({tokens} in the messages, {output} in the completion). Please reduce the length of either one."
    )
