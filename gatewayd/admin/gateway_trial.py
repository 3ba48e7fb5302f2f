"""POST /gateways/{id}/test: one message through the relay, as a client's would go, and both formats of it.

It is an exchange like every other: logged, with token name `ui-test`. No limit of clients holds for it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Any

import orjson
from sanic import HTTPResponse

from gatewayd.admin.gateways import find
from gatewayd.admin.visit import Refused, Visit
from gatewayd.config.client_settings import build_client_settings
from gatewayd.errors import ApiError
from gatewayd.gateways import ActiveGateway
from gatewayd.protocol.anthropic import parse_request
from gatewayd.protocol.tokens import read_features
from gatewayd.relay import Record

_SECONDS = 60
_MOST_CHARACTERS = 4000
_PROMPT = "Say hello in one short sentence."
TOKEN = "ui-test"  # noqa: S105 - a name, by which the log tells who asked


async def show(visit: Visit, gateway_id: str) -> HTTPResponse:
    record = await find(visit, gateway_id)
    active = visit.admin.live.current.gateways.get(gateway_id)
    model = build_client_settings("", active.gateway, "").get("ANTHROPIC_MODEL", "") if active else ""
    return await visit.page("gateways/test.html", record=record, model=model, prompt=_PROMPT, result=None)


async def send(visit: Visit, gateway_id: str) -> HTTPResponse:
    record = await find(visit, gateway_id)
    active = visit.admin.live.current.gateways.get(gateway_id)
    if active is None:
        raise Refused(409, "It is not served", "A gateway that is deleted or not valid cannot be tested.")
    model, prompt = visit.field("model").strip(), visit.field("prompt").strip()[:_MOST_CHARACTERS] or _PROMPT
    result = await _exchange(visit, active, model, prompt)
    return await visit.page("gateways/test.html", record=record, model=model, prompt=prompt, result=result)


async def _exchange(visit: Visit, gateway: ActiveGateway, model: str, prompt: str) -> dict[str, Any]:
    """What was sent and answered, as far as it came."""
    request = {"model": model, "max_tokens": 200, "messages": [{"role": "user", "content": prompt}]}
    exchange_record = Record(
        request_id=f"req_{secrets.token_hex(12)}",
        gateway=gateway.id,
        token=TOKEN,
        started_at=time.time_ns() // 1_000_000,
        model=model,
        upstream_model="",
        stream=False,
        client_ip=visit.request.ip,
        user_agent=visit.request.headers.get("user-agent", ""),
    )
    exchange, answer, error = None, None, None
    try:
        payload = parse_request(orjson.dumps(request))
        gateways = visit.admin.live.current.gateways
        exchange = visit.admin.relay.exchange(gateway, gateways, payload, read_features(payload), exchange_record)
        async with asyncio.timeout(_SECONDS):
            answer = await exchange.message()
    except ApiError as failed:
        error = f"{failed.type} ({failed.status}): {failed.message}"
    except TimeoutError:
        error = f"nothing was answered within {_SECONDS} s"
    upstream = exchange.upstream_request if exchange is not None else b""
    return {
        "request": shown(request),
        "upstream": shown(orjson.loads(upstream)) if upstream else "",
        "answer": shown(answer) if answer else "",
        "error": error,
        "notes": exchange.notes if exchange is not None else [],
        "record": exchange_record,
    }


def shown(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
