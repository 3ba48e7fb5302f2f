"""`reasoning_details` (OpenRouter and its kin): collected so that they can come back verbatim and in order.

Only details with more than text need it (encrypted reasoning, signatures); plain reasoning text travels as thinking.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gatewayd.protocol.parts import Carried

_GROWING = ("text", "summary", "data")  # fields that a stream sends in pieces


class ReasoningDetails:
    def __init__(self) -> None:
        self._details: list[dict[str, Any]] = []

    def add(self, details: Any) -> None:
        for detail in details if isinstance(details, list) else ():
            if isinstance(detail, dict):
                self._merge(detail)

    def flush(self) -> Iterator[Carried]:
        """What has been collected since the last time, as one part, when there is reason to carry it."""
        details, self._details = self._details, []
        if any(detail.get("signature") or detail.get("data") for detail in details):
            yield Carried({"reasoning_details": details})

    def _merge(self, detail: dict[str, Any]) -> None:
        last = self._details[-1] if self._details else None
        if (
            last is None
            or any(last.get(key) != detail.get(key) for key in ("type", "index"))
            or _other_id(last, detail)
        ):
            self._details.append(dict(detail))
            return
        for key, value in detail.items():
            if key in _GROWING and isinstance(value, str) and isinstance(last.get(key), str):
                last[key] += value
            elif value is not None:
                last[key] = value


def _other_id(last: dict[str, Any], detail: dict[str, Any]) -> bool:
    return bool(last.get("id") and detail.get("id") and last["id"] != detail["id"])
