"""Events -> one Message: the non-streamed answer is the streamed one folded, so both agree by construction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gatewayd.protocol.arguments import Repair, parse_arguments, repair_nothing
from gatewayd.protocol.events import DELTAS, Event


class Fold:
    """Add events in order; `message` is whole after message_stop."""

    def __init__(self, repair: Repair = repair_nothing) -> None:
        self._repair = repair
        self.message: dict[str, Any] = {}
        self._pieces: list[str] = []  # of the open block
        self._open = False
        self._signature = ""

    def add(self, stream: Iterable[Event]) -> None:
        for name, payload in stream:
            if name == "message_start":
                self.message = payload["message"] | {"content": []}
            elif name == "content_block_start":
                self.message["content"].append(dict(payload["content_block"]))
                self._pieces, self._signature, self._open = [], "", True
            elif name == "content_block_delta":
                self._add_delta(payload["delta"])
            elif name == "content_block_stop":
                self._stop_block(self.message["content"][-1])
                self._open = False
            elif name == "message_delta":
                self.message |= payload["delta"]
                self.message["usage"] = payload["usage"]

    def cut(self) -> dict[str, Any]:
        """The message as far as it came; nothing is added afterwards."""
        if self._open:
            self._stop_block(self.message["content"][-1])
        return self.message

    def _add_delta(self, delta: dict[str, Any]) -> None:
        if delta["type"] == "signature_delta":
            self._signature = delta["signature"]
        else:
            self._pieces += [value for key, value in delta.items() if key != "type"]

    def _stop_block(self, block: dict[str, Any]) -> None:
        content = "".join(self._pieces)
        if block["type"] == "tool_use":
            block["input"] = parse_arguments(
                content, self._repair
            )  # a call cut by the length limit is closed where it was cut
        elif block["type"] in DELTAS:
            block[block["type"]] = content
        if block["type"] == "thinking":
            block["signature"] = self._signature
