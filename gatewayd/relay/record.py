"""The record of one exchange: what a log row holds. Exactly one for each exchange, however it ended."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Literal

from gatewayd.errors import ApiError

Outcome = Literal["ok", "error", "client_closed"]


@dataclass(slots=True)
class Record:
    """Times are epoch milliseconds and milliseconds; tokens are None until the provider told them.

    token  the name of the client's token
    """

    request_id: str
    gateway: str
    token: str
    started_at: int
    model: str
    upstream_model: str
    stream: bool
    session: str = ""
    client_ip: str = ""
    outcome: Outcome = "error"
    status: int = 0
    error_type: str | None = None
    error: str | None = None
    stop_reason: str | None = None
    ttft_ms: int | None = None
    duration_ms: int = 0
    input_tokens: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    output_tokens: int | None = None
    attempts: int = 0
    fallback: str = ""  # the gateway that answered instead
    notes: list[str] = field(default_factory=list)

    def close(self, error: ApiError | None, *, committed: bool = False) -> None:
        """The exchange has ended. `committed`: status 200 had been sent, whatever came after it."""
        self.duration_ms = int(time.time() * 1000) - self.started_at
        if error is not None:
            self.error_type, self.error = error.type, error.message
        self.status = 200 if committed else error.status if error is not None else 0

    def fields(self) -> dict[str, Any]:
        """What there is to log, without the empty fields."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in values.items() if value not in (None, "", [])}
