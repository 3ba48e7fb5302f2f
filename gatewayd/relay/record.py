"""The record of one exchange: what a log row holds. Exactly one for each exchange, however it ended."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Literal

from gatewayd.errors import ApiError
from gatewayd.store.bodies import Bodies
from gatewayd.store.request_log import LogRow

#: truncated: broken off after its first content; refused: no provider was asked
Outcome = Literal["ok", "error", "cancelled", "truncated", "refused"]

#: who ended a stream before its end
By = Literal["", "client", "upstream", "gateway", "drain"]

_NOT_LOGGED = frozenset(
    {
        "agent", "parent_agent", "user_agent", "reasoning_tokens", "usage_source", "cost_nano", "bodies", "overhead",
        "upstream_statuses", "timeline",
    }
)  # fmt: skip


@dataclass(slots=True)
class Record:
    """Times are epoch milliseconds and milliseconds; tokens are None until the provider told them.

    token         the name of the client's token
    session, agent, parent_agent  what Claude Code tells of itself
    usage_source  whose the tokens are; `estimated`: of the input alone
    cost_nano     billionths of a dollar at the price of that moment; None: unknown
    bodies        what is to be stored of them
    overhead      seconds that the gateway itself took until the first of the answer; None after several attempts
    upstream_statuses  gateway and status of each answer that a provider gave
    timeline      as `relay.timeline` writes it
    """

    request_id: str
    gateway: str
    token: str
    started_at: int
    model: str
    upstream_model: str
    stream: bool
    session: str = ""
    agent: str = ""
    parent_agent: str = ""
    client_ip: str = ""
    user_agent: str = ""
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
    reasoning_tokens: int | None = None
    usage_source: Literal["told", "estimated", "none"] = "none"
    cost_nano: int | None = None
    attempts: int = 0
    fallback: str = ""  # the gateway that answered instead
    notes: list[str] = field(default_factory=list)
    bodies: Bodies | None = field(default=None, repr=False)
    overhead: float | None = None
    upstream_statuses: list[tuple[str, int]] = field(default_factory=list)
    aborted_by: By = ""
    timeline: str = ""

    def close(self, error: ApiError | None, *, committed: bool = False) -> None:
        """The exchange has ended. `committed`: status 200 had been sent, whatever came after it."""
        self.duration_ms = max(int(time.time() * 1000) - self.started_at, 0)
        if error is not None:
            self.error_type, self.error = error.type, error.message
            if self.outcome == "error" and self.attempts == 0:
                self.outcome = "refused"
            elif self.outcome == "error" and committed and self.ttft_ms is not None:
                self.outcome = "truncated"
        self.status = 200 if committed else error.status if error is not None else 0

    def fields(self) -> dict[str, Any]:
        """What there is to log, without the empty fields."""
        values = {name: getattr(self, name) for name in self.__slots__ if name not in _NOT_LOGGED}
        if self.cost_nano is not None:
            values["cost_usd"] = self.cost_nano / 1e9
        return {name: value for name, value in values.items() if value not in (None, "", [])}

    def row(self) -> LogRow:
        """Texts are cut here, so that what waits to be written is small; the log writer cleans them."""
        return LogRow(
            ended_at=self.started_at + self.duration_ms,
            id=self.request_id,
            started_at=self.started_at,
            gateway=self.gateway,
            token=self.token,
            model=self.model[:256],
            upstream_model=self.upstream_model[:256],
            answered_by=self.fallback,
            attempts=self.attempts,
            status=self.status,
            outcome=self.outcome,
            error_type=self.error_type,
            error=self.error and self.error[:1000],
            stop_reason=self.stop_reason,
            stream=self.stream,
            ttft_ms=self.ttft_ms,
            duration_ms=self.duration_ms,
            input_tokens=self.input_tokens,
            cache_read=self.cache_read,
            cache_write=self.cache_write,
            output_tokens=self.output_tokens,
            reasoning_tokens=self.reasoning_tokens,
            usage_source=self.usage_source,
            cost_nano=self.cost_nano,
            notes=",".join(self.notes),
            session=self.session,
            agent=self.agent,
            parent_agent=self.parent_agent,
            client_ip=self.client_ip,
            user_agent=self.user_agent[:256],
            timeline=self.timeline,
        )
