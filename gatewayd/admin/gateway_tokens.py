"""/gateways/{id}/connect: what makes a client use the gateway, and its client tokens: make, show again, revoke.

A token is shown on the answer of the form that made it or asked for it, and on no page that can be loaded again.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from shlex import quote
from typing import Any

from sanic import HTTPResponse

from gatewayd.admin.gateways import find, valid
from gatewayd.admin.visit import Refused, Visit
from gatewayd.config.client_settings import PLACEHOLDER, build_client_settings
from gatewayd.config.records import Record
from gatewayd.config.shells import SHELLS
from gatewayd.config.tokens import add_client_token, reveal_client_token, revoke_client_token
from gatewayd.errors import ConfigurationError, StoreUnavailable
from gatewayd.gateways import Gateway
from gatewayd.store.audit import AuditEvent, add_events
from gatewayd.store.usage import DAY, UsageRow, list_usage

_DAYS = 30  # in which the last use of a token is looked for


@dataclass(frozen=True, slots=True)
class Block:
    """Something to copy."""

    title: str
    text: str
    note: str = ""


async def show(visit: Visit, gateway_id: str) -> HTTPResponse:
    record = await find(visit, gateway_id)
    return await _page(visit, record)


async def create(visit: Visit, gateway_id: str) -> HTTPResponse:
    """The only answer that shows the new token."""
    record, name = await find(visit, gateway_id), visit.field("name").strip()
    try:
        new = await add_client_token(visit.admin.store, gateway_id, name, visit.admin.vault, by=visit.actor)
    except StoreUnavailable:
        raise
    except ConfigurationError as error:
        return await _page(visit, record, status=422, name=name, problem=f"{error}.")
    await visit.admin.live.refresh()
    return await _page(visit, await find(visit, gateway_id), token=new.token, token_name=name, made=True)


async def reveal(visit: Visit, gateway_id: str) -> HTTPResponse:
    """Audited before it is shown."""
    record, name = await find(visit, gateway_id), visit.field("name")
    try:
        token = await reveal_client_token(visit.admin.store, gateway_id, name, visit.admin.vault)
    except StoreUnavailable:
        raise
    except ConfigurationError as error:
        raise Refused(409, "This token cannot be shown", f"{error}.") from None
    async with visit.admin.store.write_lock() as session:
        event = AuditEvent(visit.actor, "reveal", f"gateway:{gateway_id}", {"token": name})
        await add_events(session, [event])
    return await _page(visit, record, token=token, token_name=name)


async def revoke(visit: Visit, gateway_id: str) -> HTTPResponse:
    await find(visit, gateway_id)
    try:
        await revoke_client_token(visit.admin.store, gateway_id, visit.field("name"), by=visit.actor)
    except StoreUnavailable:
        raise
    except ConfigurationError as error:
        raise Refused(409, "Nothing was revoked", f"{error}.") from None
    await visit.admin.live.refresh()
    return visit.redirect(f"/gateways/{gateway_id}/connect?done=revoked")


async def _page(
    visit: Visit,
    record: Record,
    *,
    status: int = 200,
    token: str = "",
    token_name: str = "",
    made: bool = False,
    name: str = "",
    problem: str = "",
) -> HTTPResponse:
    row = record.row
    now = time.time_ns() // 1_000_000
    today = now // DAY * DAY
    async with visit.admin.store.read() as session:
        days = await list_usage(session, today - _DAYS * DAY, now + 1, step="day", by=["token"], gateway=row.id)
        hours = await list_usage(session, today - DAY, now + 1, by=["token"], gateway=row.id)
    gateway, _ = valid(record)
    url = f"{visit.base_url}/gateway/{row.id}"
    return await visit.page(
        "gateways/connect.html",
        status,
        record=record,
        url=url,
        blocks=build_blocks(url, gateway, token or PLACEHOLDER) if gateway is not None else [],
        used=_last_used([*days, *hours]),
        arrived=sum(each.usage.requests for each in (*days, *hours)) > 0,
        token=token,
        token_name=token_name,
        made=made,
        name=name,
        problem=problem,
        can_store=visit.admin.vault.can_store,
        days=_DAYS,
    )


def build_blocks(url: str, gateway: Gateway, token: str) -> list[Block]:
    variables = build_client_settings(url, gateway, token)
    model = variables.get("ANTHROPIC_MODEL") or "MODEL"
    settings = json.dumps({"env": variables}, indent=2, ensure_ascii=False)
    code = [{"name": key, "value": value} for key, value in variables.items()]
    return [
        Block("bash and zsh", SHELLS["bash"](variables), "Then run claude in the same terminal."),
        Block("PowerShell", SHELLS["powershell"](variables)),
        Block("fish", SHELLS["fish"](variables)),
        Block(
            "~/.claude/settings.json",
            settings,
            "Of the user, never of a project: it holds a token. It goes before a shell.",
        ),
        Block("VS Code settings", json.dumps({"claudeCode.environmentVariables": code}, indent=2, ensure_ascii=False)),
        Block("curl", _curl(url, token, model), "Sends one message: to see whether it works at all."),
    ]


def _curl(url: str, token: str, model: str) -> str:
    message: dict[str, Any] = {
        "model": model,
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Say hello."}],
    }
    return "\n".join(
        [
            f"curl {quote(f'{url}/v1/messages')} \\",
            f"  -H {quote(f'x-api-key: {token}')} \\",
            "  -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' \\",
            f"  -d {quote(json.dumps(message))}",
        ]
    )


def _last_used(rows: list[UsageRow]) -> dict[str, int]:
    """Token name -> the latest day or hour in which it was used."""
    used: dict[str, int] = {}
    for row in rows:
        if row.token is not None:
            used[row.token] = max(row.at, used.get(row.token, 0))
    return used
