"""What an operator should look at: each as one line with the page where something can be done. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from gatewayd.admin.figures import Total
from gatewayd.gateways import ActiveGateway
from gatewayd.observe.metrics import State

_FEW = 3  # requests, of which one failure says nothing yet
_FAILING = 0.2


class Attention(NamedTuple):
    kind: Literal["bad", "warn"]
    title: str
    text: str
    href: str
    action: str


def of_configuration(problems: Iterable[str], state: State) -> list[Attention]:
    found = [
        Attention("bad", "A configuration file has an error", text, "/config", "Configuration") for text in problems
    ]
    if state.conflicts:
        text = "A field was changed here and in the file; the live value stays."
        found.append(
            Attention("bad", f"{state.conflicts} in conflict with their files", text, "/config", "Configuration")
        )
    if state.drifted:
        text = "Changed here since the file was applied; the live values serve."
        found.append(Attention("warn", f"{state.drifted} drifted from their files", text, "/config", "Configuration"))
    return found


def of_gateways(gateways: Iterable[ActiveGateway], totals: Mapping[str, Total]) -> list[Attention]:
    """totals: of the latest hours, by gateway."""
    found: list[Attention] = []
    for gateway in gateways:
        href = f"/gateways/{gateway.id}"
        if gateway.missing_secret:
            text = f"{gateway.missing_secret} is not set. Requests are answered 503 until it is."
            found.append(Attention("bad", f"{gateway.id}: no provider key", text, href, "Open"))
        if not gateway.token_hashes:
            text = "No client can use it. Make one under Connect."
            found.append(Attention("warn", f"{gateway.id}: no client token", text, f"{href}/connect", "Connect"))
        if (of_late := totals.get(gateway.id)) is not None and is_failing(of_late):
            text = f"{of_late.failed} of {of_late.usage.requests} requests failed in the last hours."
            found.append(Attention("bad", f"{gateway.id}: requests fail", text, href, "Open"))
    return sorted(found, key=lambda each: each.kind)


def of_log(state: State) -> list[Attention]:
    if not state.log_dropped:
        return []
    text = f"{state.log_dropped} rows were lost since the process began: the database was away, or did not take them."
    return [Attention("warn", "The request log has gaps", text, "/system", "System")]


def is_failing(total: Total) -> bool:
    return total.usage.requests >= _FEW and total.failed >= _FAILING * total.usage.requests
