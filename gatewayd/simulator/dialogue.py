"""The rules of a conversation, as the strictest providers hold them, in OpenAI's words. Pure.

Instructions come first and nowhere else; every call is answered once, at once and by its id; an assistant message says
something or calls something; arguments are a JSON object; the content of a tool message is a string.
"""

from __future__ import annotations

from typing import Any

import orjson

from gatewayd.simulator.refusals import Refused

_PART_FIELDS = {
    "text": {"type", "text"},
    "image_url": {"type", "image_url"},
    "file": {"type", "file"},
    "input_audio": {"type", "input_audio"},
}
_FIELDS = {
    "system": {"role", "content", "name"},
    "developer": {"role", "content", "name"},
    "user": {"role", "content", "name"},
    "assistant": {
        *("role", "content", "name", "tool_calls", "refusal"),
        *("reasoning_content", "reasoning", "reasoning_details"),  # not OpenAI's; what thinking providers take back
    },
    "tool": {"role", "content", "tool_call_id"},
}


def check_messages(messages: Any) -> None:
    """Raises Refused at the first message that breaks a rule."""
    if not isinstance(messages, list) or not messages:
        raise Refused("Invalid 'messages': empty array. Expected an array with minimum length 1.", param="messages")
    awaited: list[str] = []
    spoken = False
    for index, message in enumerate(messages):
        place = f"messages[{index}]"
        role = _check_shape(place, message)
        if role == "tool":
            _check_result(place, message, awaited, messages[index - 1] if index else None)
            continue
        _check_answered(awaited, place)
        if role in ("system", "developer") and spoken:
            raise Refused("System message must be at the beginning.", param=place)
        spoken = spoken or role not in ("system", "developer")
        if role == "assistant":
            awaited = _check_assistant(place, message)
        else:
            _check_content(f"{place}.content", message.get("content"), texts_only=role != "user")
    _check_answered(awaited, "messages")
    if not spoken:
        raise Refused("Invalid 'messages': at least one message must have the role 'user'.", param="messages")


def _check_shape(place: str, message: Any) -> str:
    role = message.get("role") if isinstance(message, dict) else None
    if not isinstance(role, str) or role not in _FIELDS:
        raise Refused(
            f"Invalid value: {role!r}. Supported values are: 'system', 'assistant', 'user', 'tool', and 'developer'.",
            param=f"{place}.role",
            code="invalid_value",
        )
    if unknown := sorted(set(message) - _FIELDS[role]):
        raise Refused(
            f"Unknown parameter: '{place}.{unknown[0]}'.", param=f"{place}.{unknown[0]}", code="unknown_parameter"
        )
    return role


def _check_content(place: str, content: Any, *, texts_only: bool) -> None:
    if isinstance(content, str):
        return
    if not isinstance(content, list) or not content:
        raise Refused(f"Invalid type for '{place}': expected a string or a non-empty array.", param=place)
    for index, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in _PART_FIELDS or (texts_only and kind != "text"):
            raise Refused(f"Invalid value: {kind!r} in '{place}[{index}].type'.", param=f"{place}[{index}].type")
        if set(part) != _PART_FIELDS[kind]:
            raise Refused(f"Unknown or missing parameter in '{place}[{index}]'.", param=f"{place}[{index}]")
        if kind == "text" and not (isinstance(part["text"], str) and part["text"]):
            raise Refused(f"Invalid '{place}[{index}].text': expected a non-empty string.", param=place)


def _check_assistant(place: str, message: dict[str, Any]) -> list[str]:
    """The ids of the calls that now have to be answered, in order."""
    content = message.get("content")
    if content is not None:
        _check_content(f"{place}.content", content, texts_only=True)
    if "tool_calls" not in message:
        if not content:
            raise Refused(f"Invalid '{place}': an assistant message needs content or tool_calls.", param=place)
        return []
    calls = message["tool_calls"]
    if not isinstance(calls, list) or not calls:
        raise Refused(f"Invalid '{place}.tool_calls': empty array. Expected minimum length 1.", param=place)
    ids = [_check_call(f"{place}.tool_calls[{index}]", call) for index, call in enumerate(calls)]
    if len(set(ids)) < len(ids):
        raise Refused(f"Invalid '{place}.tool_calls': ids must be unique.", param=place)
    return ids


def _check_call(place: str, call: Any) -> str:
    if not isinstance(call, dict) or call.get("type") != "function" or set(call) != {"id", "type", "function"}:
        raise Refused(f"Invalid '{place}': expected id, type 'function' and function.", param=place)
    if not isinstance(call["id"], str) or not 1 <= len(call["id"]) <= 40:
        raise Refused(f"Invalid '{place}.id': expected a string of 1 to 40 characters.", param=f"{place}.id")
    function = call["function"]
    if not isinstance(function, dict) or not function.get("name") or set(function) != {"name", "arguments"}:
        raise Refused(f"Invalid '{place}.function': expected name and arguments.", param=f"{place}.function")
    try:
        arguments = orjson.loads(function["arguments"])
    except (orjson.JSONDecodeError, TypeError):
        arguments = None
    if not isinstance(arguments, dict):
        raise Refused(f"Invalid '{place}.function.arguments': expected a string with a JSON object.", param=place)
    return call["id"]


def _check_result(place: str, message: dict[str, Any], awaited: list[str], before: Any) -> None:
    if not isinstance(message.get("content"), str):
        raise Refused(f"Invalid type for '{place}.content': expected a string.", param=f"{place}.content")
    called = isinstance(before, dict) and (before.get("role") == "tool" or before.get("tool_calls"))
    if not called:
        raise Refused(
            "Invalid parameter: messages with role 'tool' must be a response to a preceeding message "
            "with 'tool_calls'.",
            param=f"{place}.role",
        )
    identity = message.get("tool_call_id")
    if identity not in awaited:
        raise Refused(
            f"Invalid parameter: 'tool_call_id' of {identity!r} not found in 'tool_calls' of previous message.",
            param=f"{place}.tool_call_id",
        )
    awaited.remove(identity)


def _check_answered(awaited: list[str], param: str) -> None:
    if awaited:
        raise Refused(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            "'tool_call_id'. "
            f"The following tool_call_ids did not have response messages: {', '.join(awaited)}",
            param=param,
        )
