"""Which exchanges leave their bodies: by the gateway's policy, or because its next N requests are to be recorded.

Requests look at memory alone; one task keeps up with what other processes and the UI ask for.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Literal

from gatewayd.errors import StoreUnavailable
from gatewayd.gateways import ActiveGateway
from gatewayd.relay.tape import Tape
from gatewayd.store import Store
from gatewayd.store.captures import list_captures

Policy = Literal["none", "errors", "all"]
_FOLLOW_SECONDS = 2

_ERRORS = ("error", "truncated", "refused")
_WHOLE = (1024 * 1024, 128 * 1024)  # bytes of a provider's answer: its beginning and its end
_GLIMPSE = (4 * 1024, 12 * 1024)  # while nothing is wrong this waits to be thrown away, in every exchange


class Recording:
    """default: the policy of gateways that have none; captures: gateway id -> how many requests are still to come."""

    def __init__(self, default: Policy = "none") -> None:
        self._default: Policy = default
        self.captures: dict[str, int] = {}

    def may_want(self, gateway: ActiveGateway) -> bool:
        """Whether what goes in and out has to be kept until the exchange has ended."""
        return self._policy(gateway) != "none" or gateway.id in self.captures

    def tape(self, gateway: ActiveGateway) -> Tape | None:
        """For what the provider says, where that has to be kept."""
        if self._policy(gateway) == "all" or gateway.id in self.captures:
            return Tape(*_WHOLE)
        return Tape(*_GLIMPSE) if self.may_want(gateway) else None

    def wants(self, gateway: ActiveGateway, outcome: str) -> Literal["policy", "capture", ""]:
        """At the end of an exchange, once: why its bodies are to be stored, or "" when they are not."""
        policy = self._policy(gateway)
        if policy == "all" or (policy == "errors" and outcome in _ERRORS):
            return "policy"
        left = self.captures.get(gateway.id, 0)
        if left <= 1:
            self.captures.pop(gateway.id, None)
        else:
            self.captures[gateway.id] = left - 1
        return "capture" if left > 0 else ""

    async def follow(self, store: Store) -> None:
        """Until cancelled."""
        while True:
            with suppress(StoreUnavailable):
                async with store.session() as session:
                    self.captures = await list_captures(session)
            await asyncio.sleep(_FOLLOW_SECONDS)

    def _policy(self, gateway: ActiveGateway) -> Policy:
        return gateway.gateway.logging.bodies or self._default
