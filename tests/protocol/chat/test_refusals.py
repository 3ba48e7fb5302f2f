"""Refusals: a provider's own words name the one habit to change, and other words change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from gatewayd.protocol.chat.dialects import DIALECTS
from gatewayd.protocol.chat.refusals import Change, read_refusal

CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
BODY: dict[str, Any] = {
    "model": "m", "max_tokens": 64000, "temperature": 1, "top_p": 0.9, "stop": ["a", "b", "c"], "stream": True,
    "stream_options": {"include_usage": True}, "parallel_tool_calls": False, "tool_choice": "required",
    "tools": [{"type": "function"}], "reasoning_effort": "xhigh", "response_format": {"type": "json_schema"},
    "messages": [
        {"role": "developer", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "x"}, IMAGE]},
        {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_content": "hm"},
        {"role": "tool", "tool_call_id": "call_1", "content": "r"}, {"role": "system", "content": "late"},
    ],
}  # fmt: skip
ROW = DIALECTS["generic"].with_capabilities(
    {
        "thinking_switch": "reasoning_effort", "effort_levels": ["low", "high", "xhigh"],
        "response_format": "json_schema", "late_system": True, "null_content": True, "system_role": "developer",
        "thinking_replay": "reasoning_content", "tool_ids": "any",
    }
)  # fmt: skip

WORDINGS = [
    (row["says"], row["habit"], row["value"])
    for row in yaml.safe_load(Path(__file__).with_name("refusals.yaml").read_text(encoding="utf-8"))
]
NAMES = [f"{habit}: {words[:50]}" for words, habit, _ in WORDINGS]

NOT_LEARNED = [
    "This model's maximum context length is 8192 tokens. However, you requested 70000 tokens.",
    "Invalid image data: could not decode base64",
    "Could not process image",
    "Incorrect API key provided",
    "The model `m` does not exist",
    "Your request was rejected by our content policy",
    "Something went wrong",
    "Rate limit reached for max_tokens per minute",
    "",
]


@pytest.mark.parametrize(("words", "habit", "value"), WORDINGS, ids=NAMES)
@pytest.mark.parametrize("shape", ["object", "detail", "text"])
def test_a_wording_names_its_change(words: str, habit: str, value: Any, shape: str) -> None:
    told = {
        "object": {"error": {"message": words, "type": "invalid_request_error"}},
        "detail": {"detail": words},
        "text": words,
    }
    assert read_refusal(400, told[shape], ROW, BODY) == Change(habit, value)


@pytest.mark.parametrize("words", NOT_LEARNED)
def test_other_words_change_nothing(words: str) -> None:
    assert read_refusal(400, {"error": {"message": words}}, ROW, BODY) is None


@pytest.mark.parametrize("status", [401, 403, 404, 413, 429, 500, 503])
def test_other_statuses_change_nothing(status: int) -> None:
    assert read_refusal(status, {"error": {"message": WORDINGS[0][0]}}, ROW, BODY) is None


@pytest.mark.parametrize(("words", "habit", "value"), WORDINGS, ids=NAMES)
def test_what_is_so_already_is_not_changed_again(words: str, habit: str, value: Any) -> None:
    change = read_refusal(400, words, ROW.with_capabilities({habit: value}), BODY)
    assert change != Change(habit, value)


@pytest.mark.parametrize(("words", "habit", "value"), WORDINGS, ids=NAMES)
def test_what_was_not_sent_is_not_changed(words: str, habit: str, value: Any) -> None:
    plain = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    assert read_refusal(400, words, ROW, plain) is None


@pytest.mark.parametrize(("words", "habit", "value"), WORDINGS)
def test_every_change_is_a_capability(words: str, habit: str, value: Any) -> None:
    ROW.with_capabilities({habit: value})
