"""What a gateway's provider can do, found out by asking it: each question goes through the relay.

It goes the whole way of a client's message, so what is found is what a client will meet; refusals that name their
remedy teach the relay as ever, and what it learned is the proposal for the record's `capabilities`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gatewayd.errors import ApiError
from gatewayd.gateways import ActiveGateway, ModelRoute
from gatewayd.protocol.tokens import read_features
from gatewayd.relay.course import Means
from gatewayd.relay.exchange import Relay
from gatewayd.relay.questions import PROBES, Answer, Probe, Verdict
from gatewayd.relay.record import Record


@dataclass(frozen=True, slots=True)
class Finding:
    """What one probe found. tokens: that it used, as the provider told, 0 where it did not; seconds: until its end."""

    name: str
    verdict: Verdict
    text: str
    tokens: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """model: as a client names it; capabilities: habits that were learned and that the record does not have yet."""

    model: str
    upstream_model: str
    findings: tuple[Finding, ...]
    capabilities: dict[str, Any] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        return sum(finding.tokens for finding in self.findings)


async def probe(means: Means, gateway: ActiveGateway, model: str) -> Report:
    """Asks one after another. Nothing is logged, and no other gateway is fallen back to."""
    relay = Relay(means, lambda _record: None)
    findings: list[Finding] = []
    route = gateway.gateway.route(model)
    for one in PROBES:
        if one.vision and route is not None and not route.vision:
            continue
        finding = await _ask(relay, gateway, model, one)
        findings.append(finding)
        if one.decisive and finding.verdict == "problem":
            break
    upstream_model = (route.upstream_model if route else None) or model
    dialect, habits = means.learned.dialect(gateway, upstream_model)
    return Report(model, upstream_model, tuple(findings), {name: _plain(getattr(dialect, name)) for name in habits})


def list_models(gateway: ActiveGateway) -> list[str]:
    """One client's name for each upstream model of the model map; a route that takes any name as it is has none."""
    names: dict[str, str] = {}
    for route in gateway.gateway.models:
        name = _example(route)
        found = gateway.gateway.route(name) if name else None
        if found is route:
            names.setdefault(route.upstream_model or name, name)
    return list(names.values())


def _example(route: ModelRoute) -> str:
    """A name that the route's pattern matches, as far as it says anything about it."""
    name = route.name.replace("*", "")
    if "*" in route.name and route.upstream_model is None:
        return ""
    return name or "any"


async def _ask(relay: Relay, gateway: ActiveGateway, model: str, one: Probe) -> Finding:
    request = {"model": model, **one.request}
    began = time.monotonic()
    record = Record(
        request_id=f"req_{secrets.token_hex(12)}",
        gateway=gateway.id,
        token="",
        started_at=int(time.time() * 1000),
        model=model,
        upstream_model="",
        stream=bool(request.get("stream")),
    )
    verdict: Verdict = "problem" if one.needed else "note"
    text = ""
    try:
        exchange = relay.exchange(gateway, {}, request, read_features(request), record)
        answer = Answer()
        if request.get("stream"):
            await exchange.stream(answer)
        else:
            answer.message = await exchange.message()
    except ApiError as error:
        text = f"refused: {error.message}"
    else:
        if record.error is not None:
            text = f"broken off: {record.error}"
        else:
            verdict, text = one.judge(answer, record)
    told = (record.input_tokens, record.cache_read, record.cache_write, record.output_tokens)
    tokens = sum(count or 0 for count in told) if record.usage_source == "told" else 0
    return Finding(one.name, verdict, text, tokens, round(time.monotonic() - began, 2))


def _plain(value: Any) -> Any:
    """As JSON and YAML have it."""
    return list(value) if isinstance(value, tuple) else dict(value) if isinstance(value, Mapping) else value
