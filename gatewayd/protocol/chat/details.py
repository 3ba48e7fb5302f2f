"""`reasoning_details` (OpenRouter and its kin): collected so that they can come back verbatim and in order.

Only details with more than text need it (encrypted reasoning, signatures); plain reasoning text travels as thinking.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gatewayd.protocol.parts import Carried

_GROWING = ("text", "summary")  # fields that a stream sends in pieces; `data` comes whole


class ReasoningDetails:
    def __init__(self) -> None:
        self._details: list[dict[str, Any]] = []

    def add(self, details: Any) -> None:
        """The details of one message or delta. Only its first one can go on with what came before."""
        if not details or not isinstance(details, list):
            return
        whole = [detail for detail in details if isinstance(detail, dict)]
        for detail in whole[:1]:
            self._merge(detail)
        self._details += [dict(detail) for detail in whole[1:]]

    def flush(self) -> Iterator[Carried]:
        """What has been collected since the last time, as one part, when there is reason to carry it."""
        details, self._details = self._details, []
        if any(detail.get("signature") or detail.get("data") for detail in details):
            yield Carried({"reasoning_details": details})

    def _merge(self, detail: dict[str, Any]) -> None:
        last = self._details[-1] if self._details else None
        if last is None or _is_other(last, detail):
            self._details.append(dict(detail))
            return
        for key, value in detail.items():
            if key in _GROWING and isinstance(value, str) and isinstance(last.get(key), str):
                last[key] += value
            elif value not in (None, ""):
                last[key] = value


def _is_other(last: dict[str, Any], detail: dict[str, Any]) -> bool:
    """Not a piece of the same detail: of another kind or id, or that one is closed, by its signature or its data."""
    if any(last.get(key) != detail.get(key) for key in ("type", "index")):
        return True
    if last.get("id") and detail.get("id") and last["id"] != detail["id"]:
        return True
    closed = last.get("signature") or last.get("data")
    return bool(closed) and any(detail.get(key) for key in (*_GROWING, "data", "signature"))
