"""What a strict provider refuses in a request. Pure.

As strict as the strictest of them, so that a gateway's mistake shows up here and not at a user's provider: unknown
fields, tools that are not functions, a `tool_choice` without tools. The conversation itself is checked in `dialogue`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from gatewayd.simulator.dialogue import check_messages
from gatewayd.simulator.refusals import Refused

FUNCTION_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")

_KNOWN_FIELDS = frozenset(
    "frequency_penalty logit_bias logprobs max_completion_tokens max_tokens messages metadata modalities model n "
    "parallel_tool_calls presence_penalty prompt_cache_key reasoning_effort response_format safety_identifier seed "
    "service_tier stop store stream stream_options temperature tool_choice tools top_logprobs top_p user "
    "verbosity".split()
)


def _positive(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _number_up_to(limit: float) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= limit


def _stops(value: Any) -> bool:
    stops = value if isinstance(value, list) else [value]
    return 1 <= len(stops) <= 4 and all(isinstance(stop, str) and stop for stop in stops)


_FIELD_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "model": (lambda value: isinstance(value, str) and value != "", "a non-empty string"),
    "stream": (lambda value: isinstance(value, bool), "a boolean"),
    "max_tokens": (_positive, "an integer of at least 1"),
    "max_completion_tokens": (_positive, "an integer of at least 1"),
    "temperature": (_number_up_to(2), "a number between 0 and 2"),
    "top_p": (_number_up_to(1), "a number between 0 and 1"),
    "stop": (_stops, "a string, or a list of one to four strings"),
    "n": (lambda value: value == 1, "1"),
    "parallel_tool_calls": (lambda value: isinstance(value, bool), "a boolean"),
    "user": (lambda value: isinstance(value, str) and len(value) <= 64, "a string of at most 64 characters"),
    "reasoning_effort": (
        lambda value: value in ("none", "minimal", "low", "medium", "high", "xhigh"),
        "one of none, minimal, low, medium, high, xhigh",
    ),
}


def check_request(body: Any) -> dict[str, Any]:
    """The body of `POST /v1/chat/completions` if a strict provider would take it; raises Refused otherwise."""
    if not isinstance(body, dict):
        raise Refused("We could not parse the JSON body of your request. (The body must be a JSON object.)")
    _check_fields(body)
    _check_combinations(body)
    _check_tools(body)
    _check_response_format(body.get("response_format"))
    check_messages(body["messages"])
    return body


def _check_fields(body: dict[str, Any]) -> None:
    for name in body:
        if name not in _KNOWN_FIELDS:
            raise Refused(f"Unrecognized request argument supplied: {name}")
    for name in ("model", "messages"):
        if name not in body:
            raise Refused(f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")
    for name, (holds, expected) in _FIELD_RULES.items():
        if body.get(name) is not None and not holds(body[name]):
            raise Refused(f"Invalid value for '{name}': expected {expected}.", param=name, code="invalid_value")


def _check_combinations(body: dict[str, Any]) -> None:
    if body.get("stream_options") is not None and not body.get("stream"):
        raise Refused(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        raise Refused("Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")


def _check_tools(body: dict[str, Any]) -> None:
    if "tools" not in body:
        for name in ("tool_choice", "parallel_tool_calls"):
            if name in body:
                raise Refused(f"'{name}' is only allowed when 'tools' are specified.", param=name)
        return
    tools = body["tools"]
    if not isinstance(tools, list) or not tools:
        raise Refused(f"Invalid 'tools': expected a non-empty array, but got {tools!r}.", param="tools")
    names = [_check_tool(index, tool) for index, tool in enumerate(tools)]
    if len(set(names)) < len(names):
        raise Refused("Invalid 'tools': tool names must be unique.", param="tools")
    _check_tool_choice(body.get("tool_choice"), names)


def _check_tool(index: int, tool: Any) -> str:
    place = f"tools[{index}]"
    if not isinstance(tool, dict) or tool.get("type") != "function" or set(tool) != {"type", "function"}:
        raise Refused(f"Invalid '{place}': expected {{'type': 'function', 'function': {{...}}}}.", param=place)
    function = tool["function"]
    if not isinstance(function, dict) or set(function) - {"name", "description", "parameters", "strict"}:
        raise Refused(f"Unknown parameter in '{place}.function'.", param=f"{place}.function", code="unknown_parameter")
    name = function.get("name")
    if not isinstance(name, str) or not FUNCTION_NAME.fullmatch(name):
        raise Refused(
            f"Invalid '{place}.function.name': string does not match pattern. "
            "Expected a string that matches the pattern '^[a-zA-Z0-9_-]{1,64}$'.",
            param=f"{place}.function.name",
            code="invalid_value",
        )
    parameters = function.get("parameters", {"type": "object"})
    if not isinstance(parameters, dict) or parameters.get("type") != "object":
        raise Refused(
            f"Invalid schema for function '{name}': schema must be a JSON Schema of 'type: \"object\"'.",
            param=f"{place}.function.parameters",
            code="invalid_function_parameters",
        )
    return name


def _check_tool_choice(choice: Any, names: list[str]) -> None:
    if choice is None or choice in ("none", "auto", "required"):
        return
    named = choice.get("function") if isinstance(choice, dict) and choice.get("type") == "function" else None
    if not isinstance(named, dict) or named.get("name") not in names:
        raise Refused(
            "Invalid value for 'tool_choice': expected none, auto, required or a function of 'tools'.",
            param="tool_choice",
        )


def _check_response_format(value: Any) -> None:
    if value is None:
        return
    kind = value.get("type") if isinstance(value, dict) else None
    if kind not in ("text", "json_object", "json_schema"):
        raise Refused("Invalid value for 'response_format.type'.", param="response_format")
    if kind == "json_schema":
        described = value.get("json_schema")
        if not isinstance(described, dict) or not FUNCTION_NAME.fullmatch(str(described.get("name", ""))):
            raise Refused("Missing required parameter: 'response_format.json_schema.name'.", param="response_format")
        if not isinstance(described.get("schema"), dict):
            raise Refused("Missing required parameter: 'response_format.json_schema.schema'.", param="response_format")
