"""The error tree. Every failure that a client may see is one of these; each class knows its HTTP status and Anthropic's
error type, and `api.errors` is the only place that renders them.

    GatewaydError
      ConfigurationError    settings, YAML, database: told on stderr in one line, exit code 1
        StoreUnavailable      the database does not answer, or not as it should: worth another try later
          StoreUnreachable      nothing is wrong with what we ask for: the database is away, or not up yet
          RowRefused            the database works, but does not take this row
      ApiError              told to a client of the LLM surface
        InvalidRequest        400 invalid_request_error
        AuthenticationFailed  401 authentication_error
        BillingFailed         402 billing_error
        PermissionDenied      403 permission_error
        NotFound              404 not_found_error
        RequestTooLarge       413 request_too_large
        RateLimited           429 rate_limit_error
        UpstreamFailed        502 api_error: the provider, or the way to it, failed
          ConnectionFailed      before it said anything: worth one more try
        Unavailable           503 api_error: this gateway cannot serve now (unset secret, draining)
        TimedOut              504 timeout_error
        Overloaded            529 overloaded_error

Statuses and types: https://docs.anthropic.com/en/api/errors
"""

from __future__ import annotations


class GatewaydError(Exception):
    """Base of everything that gatewayd raises on purpose."""


class ConfigurationError(GatewaydError):
    """The operator can put this right; the text says what to type."""


class StoreUnavailable(ConfigurationError):
    """The database does not answer, or not as it should. The text never holds the password."""


class StoreUnreachable(StoreUnavailable):
    """The database is away, or not up yet. It is worth waiting for; a wrong password is not."""


class RowRefused(StoreUnavailable):
    """The database works, but does not take this row: a constraint, a type, a range."""


class ApiError(GatewaydError):
    """A failure told to the client.

    retry_after   whole seconds for the `retry-after` header, or None
    should_retry  value of `x-should-retry`, or None to leave the header out
    """

    status = 500
    type = "api_error"

    def __init__(self, message: str, *, retry_after: int | None = None, should_retry: bool | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        self.should_retry = should_retry


class InvalidRequest(ApiError):
    status = 400
    type = "invalid_request_error"


class AuthenticationFailed(ApiError):
    status = 401
    type = "authentication_error"


class BillingFailed(ApiError):
    status = 402
    type = "billing_error"


class PermissionDenied(ApiError):
    status = 403
    type = "permission_error"


class NotFound(ApiError):
    status = 404
    type = "not_found_error"


class RequestTooLarge(ApiError):
    status = 413
    type = "request_too_large"


class RateLimited(ApiError):
    status = 429
    type = "rate_limit_error"


class UpstreamFailed(ApiError):
    status = 502


class ConnectionFailed(UpstreamFailed):
    """No answer came over the connection: refused, reset, or closed before a byte. Worth one more try."""


class Unavailable(ApiError):
    status = 503


class TimedOut(ApiError):
    status = 504
    type = "timeout_error"


class Overloaded(ApiError):
    status = 529
    type = "overloaded_error"
