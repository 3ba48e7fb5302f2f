"""Habits that a provider may refuse, each in the words and the shape of one that does. Pure.

`sim-refuses-max_tokens+stream_options` refuses these two, one after the other as real ones do: who learns from the
words gets through.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gatewayd.simulator.refusals import Refused

Body = dict[str, Any]

LARGE = 8192


def _has(field: str) -> Callable[[Body], bool]:
    return lambda body: field in body


@dataclass(frozen=True, slots=True)
class Habit:
    """sent: is it in the body? told: the whole answer, or the message of one in OpenAI's shape; status: its status."""

    sent: Callable[[Body], bool]
    told: Any
    status: int = 400


def _lists(body: Body) -> list[Any]:
    """The parts of all content that is a list."""
    contents = [message.get("content") for message in body["messages"]]
    return [part for content in contents if isinstance(content, list) for part in content]


HABITS: dict[str, Habit] = {
    "max_tokens": Habit(
        _has("max_tokens"),
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    ),
    "large_output": Habit(  # DeepSeek
        lambda body: max(body.get("max_tokens") or 0, body.get("max_completion_tokens") or 0) > LARGE,
        f"Invalid max_tokens value, the valid range of max_tokens is [1, {LARGE}]",
    ),
    "temperature": Habit(
        _has("temperature"),
        "Unsupported value: 'temperature' does not support this value. Only the default (1) value is supported.",
    ),
    "top_p": Habit(  # Moonshot
        _has("top_p"),
        {"message": "invalid top_p: only 0.95 is allowed for this model", "type": "invalid_request_error"},
    ),
    "stop": Habit(  # xAI
        _has("stop"),
        {"code": "Client specified an invalid argument", "error": "Argument not supported on this model: stop"},
    ),
    "stream_options": Habit(  # Mistral, around FastAPI: only `loc` names the field
        _has("stream_options"),
        {
            "object": "error",
            "message": {
                "detail": [
                    {
                        "type": "extra_forbidden",
                        "loc": ["body", "stream_options"],
                        "msg": "Extra inputs are not permitted",
                        "input": {"include_usage": True},
                    }
                ]
            },
            "type": "invalid_request_error",
        },
        status=422,
    ),
    "parallel_tool_calls": Habit(  # Gemini
        _has("parallel_tool_calls"),
        [
            {
                "error": {
                    "code": 400,
                    "message": 'Invalid JSON payload received. Unknown name "parallel_tool_calls": Cannot find field.',
                    "status": "INVALID_ARGUMENT",
                }
            }
        ],
    ),
    "tool_choice": Habit(
        lambda body: body.get("tool_choice") not in (None, "auto", "none"),
        "tool_choice is not supported for this model",
    ),
    "named_tool_choice": Habit(  # LM Studio
        lambda body: isinstance(body.get("tool_choice"), dict),
        {"error": "Invalid tool_choice type: 'object'. Supported string values: none, auto, required"},
    ),
    "list_content": Habit(  # DeepSeek
        lambda body: bool(_lists(body)),
        "Failed to deserialize the JSON body into the target type: messages[1]: invalid type: sequence, "
        "expected a string at line 1 column 2901",
        status=422,
    ),
    "images": Habit(  # Ollama
        lambda body: any(part["type"] == "image_url" for part in _lists(body)),
        "this model does not support image input",
    ),
    "reasoning_content": Habit(  # Groq
        lambda body: any("reasoning_content" in message for message in body["messages"]),
        "'messages.1' : for 'role:assistant' the following must be satisfied"
        "[('messages.1' : property 'reasoning_content' is unsupported)]",
    ),
}


def check_habits(body: Body, refused: tuple[str, ...]) -> None:
    """Raises Refused for the first of these habits that the body has."""
    for name in refused:
        habit = HABITS[name]
        if habit.sent(body):
            message = habit.told if isinstance(habit.told, str) else ""
            raise Refused(message, status=habit.status, told=None if message else habit.told)
