"""Habits that a provider may refuse, each in the words of one that does. Pure.

`sim-refuses-max_tokens+stream_options` refuses these two, one after the other as real ones do: who learns from the
words gets through.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gatewayd.simulator.refusals import Refused

Body = dict[str, Any]


def _has(field: str) -> Callable[[Body], bool]:
    return lambda body: field in body


def _any_message(test: Callable[[Body], bool]) -> Callable[[Body], bool]:
    return lambda body: any(test(message) for message in body["messages"])


# habit -> (is it in the body?, what the provider says)
HABITS: dict[str, tuple[Callable[[Body], bool], str]] = {
    "max_tokens": (
        _has("max_tokens"),
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    ),
    "large_output": (
        lambda body: max(body.get("max_tokens") or 0, body.get("max_completion_tokens") or 0) > 8192,
        "max_tokens is too large. This model supports at most 8192 completion tokens.",
    ),
    "temperature": (
        _has("temperature"),
        "Unsupported value: 'temperature' does not support this value. Only the default (1) value is supported.",
    ),
    "stop": (_has("stop"), "Unsupported parameter: 'stop' is not supported with this model."),
    "stream_options": (_has("stream_options"), "Unrecognized request argument supplied: stream_options"),
    "parallel_tool_calls": (_has("parallel_tool_calls"), "Unknown parameter: 'parallel_tool_calls'."),
    "list_content": (
        _any_message(lambda message: isinstance(message.get("content"), list)),
        "messages[0].content: invalid type: sequence, expected a string",
    ),
    "images": (
        _any_message(
            lambda message: (
                isinstance(message.get("content"), list)
                and any(part["type"] == "image_url" for part in message["content"])
            )
        ),
        "This model does not support image input.",
    ),
}


def check_habits(body: Body, refused: tuple[str, ...]) -> None:
    """Raises Refused for the first of these habits that the body has."""
    for habit in refused:
        has, words = HABITS[habit]
        if has(body):
            raise Refused(words)
