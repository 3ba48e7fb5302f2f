"""What the routes of the LLM surface are given: the app's context and each request's."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from sanic import Request, Sanic
from sanic.config import Config

from gatewayd.api.client import claude_code_ids
from gatewayd.gateways import Snapshot
from gatewayd.observe.metrics import Metrics
from gatewayd.relay import Limiter, Record, Relay


@dataclass(frozen=True, slots=True)
class Readiness:
    """reasons: why new work should go elsewhere; warnings: what is wrong but does not stop the work."""

    reasons: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass
class Services:
    """current: the snapshot that serves now; the tasks belong to the serving process.

    metrics_token: what /metrics asks for; empty: nothing
    """

    current: Callable[[], Snapshot]
    relay: Relay
    limiter: Limiter
    readiness: Callable[[], Readiness]
    metrics: Metrics
    metrics_token: str = field(default="", repr=False)
    not_yet: str = "starting"
    tasks: list[asyncio.Task[None]] = field(default_factory=list, repr=False)

    def begin(self) -> None:
        """From now on this process is ready."""
        self.not_yet = ""


App = Sanic[Config, Services]
ApiRequest = Request[App, SimpleNamespace]


def request_id(request: ApiRequest) -> str:
    """The key of the request's record. Made here: a client's own id is only data."""
    made: str | None = getattr(request.ctx, "request_id", None)
    if made is None:
        made = request.ctx.request_id = f"req_{secrets.token_hex(12)}"
    return made


def new_record(request: ApiRequest, gateway_id: str, token: str, payload: dict[str, Any]) -> Record:
    """The record of an exchange that begins now. token: the name of the client's."""
    session, agent, parent_agent = claude_code_ids(request.headers, payload)
    return Record(
        request_id=request_id(request),
        gateway=gateway_id,
        token=token,
        started_at=int(time.time() * 1000),
        model=payload.get("model", ""),
        upstream_model="",
        stream=bool(payload.get("stream")),
        session=session,
        agent=agent,
        parent_agent=parent_agent,
        user_agent=request.headers.get("user-agent", ""),
        client_ip=request.ip,
    )
