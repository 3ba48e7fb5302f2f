"""Thinking: the switch that the provider has for it, and the way of earlier thinking back to the provider.

The fields for the body depend on what the client asked for in this request; what is replayed on an assistant message
depends on that message alone, so that histories stay byte-stable.
"""

from __future__ import annotations

from typing import Any

from gatewayd.protocol.chat.dialect import Dialect
from gatewayd.protocol.chat.target import Target
from gatewayd.protocol.names import decode_id

# Google's own stand-in for calls that another model made: https://ai.google.dev/gemini-api/docs/thought-signatures
_NO_SIGNATURE = "skip_thought_signature_validator"
_RANKS = ("minimal", "low", "medium", "high", "xhigh", "max")


# --- the switch ------------------------------------------------------------------------------------------------------


def wants_thinking(request: dict[str, Any]) -> bool | None:
    """True or False as the client says; None where it says nothing."""
    kind = (request.get("thinking") or {}).get("type")
    return None if kind is None else kind != "disabled"


def build_thinking(request: dict[str, Any], target: Target, *, limit: int | None, forced: bool) -> dict[str, Any]:
    """The body's fields for thinking and effort. limit: its output limit in tokens; forced: it demands a tool call."""
    dialect, wants = target.dialect, wants_thinking(request)
    if wants is None and forced and not dialect.tool_choice_thinking:
        wants = False
    level = _level(request, target) if wants is not False else None
    if dialect.thinking_switch == "reasoning":
        return _reasoning(request, target, wants, level, limit)
    if dialect.thinking_switch == "reasoning_effort":
        return _reasoning_effort(target, wants, level)
    body = _on_off(request, target, wants)
    if level is not None and wants:
        body["reasoning_effort"] = level
    return body


def _on_off(request: dict[str, Any], target: Target, wants: bool | None) -> dict[str, Any]:
    """Switches with two positions."""
    switch = target.dialect.thinking_switch
    if switch == "enable_thinking" and not request.get("stream") and wants is not False:
        if wants:
            target.notes.add("thinking.dropped", "the provider thinks in streams only")
        return {"enable_thinking": False}
    if wants is None:
        return {}
    if switch == "none" or (not wants and not target.dialect.thinking_off):
        target.notes.add("thinking.dropped", "the provider has no switch for it")
        return {}
    if switch == "thinking":
        return {"thinking": {"type": "enabled" if wants else "disabled"}}
    if switch == "enable_thinking":
        return {"enable_thinking": wants}
    return {"chat_template_kwargs": {"enable_thinking": wants, "thinking": wants}}  # two names, by template


def _reasoning(
    request: dict[str, Any], target: Target, wants: bool | None, level: str | None, limit: int | None
) -> dict[str, Any]:
    if wants is None:
        return {}
    if not wants:
        return {"reasoning": {"enabled": False}} if target.dialect.thinking_off else _lowest(target, "reasoning")
    budget, effort = request["thinking"].get("budget_tokens"), (request.get("output_config") or {}).get("effort")
    if budget and effort is None and (limit is None or budget < limit):
        return {"reasoning": {"max_tokens": budget}}
    return {"reasoning": {"effort": level} if level else {"enabled": True}}


def _reasoning_effort(target: Target, wants: bool | None, level: str | None) -> dict[str, Any]:
    if wants is False:
        return {"reasoning_effort": "none"} if target.dialect.thinking_off else _lowest(target, "reasoning_effort")
    return {"reasoning_effort": level} if level else {}


def _lowest(target: Target, field: str) -> dict[str, Any]:
    """The nearest to off where there is no off."""
    if not target.dialect.effort_levels:
        target.notes.add("thinking.dropped", "the provider cannot turn it off")
        return {}
    lowest = target.dialect.effort_levels[0]
    target.notes.add("thinking.lowered", f"the provider cannot turn it off: effort {lowest}")
    return {field: {"effort": lowest} if field == "reasoning" else lowest}


def _level(request: dict[str, Any], target: Target) -> str | None:
    """The dialect's level for the client's effort or budget, the next higher where it has no such level."""
    effort = (request.get("output_config") or {}).get("effort")
    budget = (request.get("thinking") or {}).get("budget_tokens")
    wanted = effort or (_effort_of(budget) if budget else None)
    if wanted is None:
        return None
    if not target.dialect.effort_levels:
        target.notes.add("effort.dropped", wanted)
        return None
    level = _nearest(wanted, target.dialect)
    if level != wanted:
        target.notes.add("effort.mapped", f"{wanted} -> {level}")
    return level


def _effort_of(budget: int) -> str:
    if budget < 4096:
        return "low"
    return "medium" if budget < 16384 else "high"


def _nearest(wanted: str, dialect: Dialect) -> str:
    levels = dialect.effort_levels
    if wanted in levels or wanted not in _RANKS:
        return wanted if wanted in levels else levels[-1]
    rank = _RANKS.index(wanted)
    return next((level for level in levels if level in _RANKS and _RANKS.index(level) >= rank), levels[-1])


# --- the way back ----------------------------------------------------------------------------------------------------


def replay_thinking(
    message: dict[str, Any], blocks: list[dict[str, Any]], calls: dict[str, dict[str, Any]], target: Target
) -> None:
    """Puts the thinking of one assistant message onto `message` in the provider's form.

    blocks: its thinking and redacted_thinking blocks; calls: the client's tool_use id -> the call in `message`.
    """
    dialect = target.dialect
    packed = (
        _unpack(blocks, target) if dialect.thinking_replay == "reasoning_details" or dialect.thought_signatures else []
    )
    if dialect.thought_signatures:
        _return_signatures(packed, calls)
    field = dialect.thinking_replay
    if field == "none":
        if blocks and not dialect.thought_signatures:
            target.notes.add("thinking.not_replayed")
        return
    text = "".join(block["thinking"] for block in blocks if block["type"] == "thinking")
    if field == "reasoning_details":
        details = [item for data in packed for item in _list_of(data.get("reasoning_details"))]
        if details:
            message["reasoning_details"] = details
        elif text:
            message["reasoning"] = text
    elif text:
        message[field] = text
    elif dialect.thinking_placeholder is not None:
        message[field] = dialect.thinking_placeholder


def _unpack(blocks: list[dict[str, Any]], target: Target) -> list[dict[str, Any]]:
    sealed = (block.get("signature" if block["type"] == "thinking" else "data") for block in blocks)
    return [data for text in sealed if text and (data := target.unseal(text))]


def _return_signatures(packed: list[dict[str, Any]], calls: dict[str, dict[str, Any]]) -> None:
    signatures: dict[str, Any] = {}
    for data in packed:
        if isinstance(found := data.get("thought_signatures"), dict):
            signatures.update(found)
    for client_id, call in calls.items():
        signature = signatures.get(client_id) or signatures.get(decode_id(client_id))
        if isinstance(signature, str):
            call["extra_content"] = {"google": {"thought_signature": signature}}
    if calls and not any("extra_content" in call for call in calls.values()):
        first = next(iter(calls.values()))  # of parallel calls only the first is signed
        first["extra_content"] = {"google": {"thought_signature": _NO_SIGNATURE}}


def _list_of(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
