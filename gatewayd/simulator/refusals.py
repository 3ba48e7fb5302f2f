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
        code: str | int | None = None,
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
