"""Refusals as real providers sent them: each leads to one change that alters the request, others to none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.protocol.chat.dialect import Dialect
from gatewayd.protocol.chat.dialects import DIALECTS
from gatewayd.protocol.chat.refusals import ROWS, read_refusal
from gatewayd.protocol.chat.request import build_request
from gatewayd.protocol.notes import Notes

CASES = yaml.safe_load(Path(__file__).with_name("refusals_told.yaml").read_text(encoding="utf-8"))
CASE_IDS = [f"{next(iter(case['change']))}: {case['from']}" for case in CASES["learned"]]
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
SCHEMA = {
    "type": "object",
    "properties": {"url": {"type": "string", "format": "uri", "minLength": 1}},
    "additionalProperties": False,
    "anyOf": [{"required": ["url"]}],
}
FULL: dict[str, Any] = {
    "model": "m",
    "max_tokens": 64000,
    "temperature": 0.5,
    "top_p": 0.9,
    "stop_sequences": ["a", "b", "c"],
    "stream": True,
    "system": "s",
    "tools": [{"name": "f", "input_schema": SCHEMA}, {"name": "g", "input_schema": {"type": "object"}}],
    "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "look"}, IMAGE]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "call_1", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "r"}]},
    ],
}
_ON = {"thinking": {"type": "enabled", "budget_tokens": 20000}, "output_config": {"effort": "xhigh"}}
_EFFORT = {"thinking_switch": "reasoning_effort", "effort_levels": ["low", "high", "xhigh"]}
# name -> what differs in the request, and in the dialect that it is built for
REQUESTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "": ({}, {}),
    "named": ({"tool_choice": {"type": "tool", "name": "f"}}, {}),
    "not streamed": ({"stream": False}, {}),
    "prefill": ({"messages": [*FULL["messages"], {"role": "assistant", "content": "{"}]}, {}),
    "late system": ({"messages": [*FULL["messages"], {"role": "system", "content": "now"}]}, {"late_system": True}),
    "developer": ({}, {"system_role": "developer"}),
    "thinking": (_ON, {"thinking_switch": "thinking"}),
    "effort": (_ON, _EFFORT),
    "no effort": ({"thinking": {"type": "disabled"}}, _EFFORT),
    "replayed": ({}, {"thinking_replay": "reasoning_content", "thinking_placeholder": ""}),
}


def build(name: str, dialect: Dialect) -> dict[str, Any]:
    request = FULL | REQUESTS[name][0]
    return build_request(request, upstream_model="m", dialect=dialect, notes=Notes()).body


def dialect_of(name: str) -> Dialect:
    return DIALECTS["generic"].with_capabilities(REQUESTS[name][1])


@pytest.mark.parametrize("case", CASES["learned"], ids=CASE_IDS)
def test_a_refusal_leads_to_the_change_that_alters_its_request(case: dict[str, Any]) -> None:
    name = case.get("request", "")
    dialect = dialect_of(name)
    body = build(name, dialect)
    change = read_refusal(400, case["told"], dialect, body)
    assert change is not None
    assert {change.habit: change.value} == case["change"]
    changed = dialect.with_capabilities(case["change"])
    assert build(name, changed) != body
    again = read_refusal(400, case["told"], changed, build(name, changed))
    assert again is None or (again.habit, again.value) != (change.habit, change.value)


@pytest.mark.parametrize("told", CASES["not_learned"], ids=str)
@pytest.mark.parametrize("name", REQUESTS)
def test_what_is_not_ours_to_cure_changes_nothing(told: Any, name: str) -> None:
    dialect = dialect_of(name)
    assert read_refusal(400, told, dialect, build(name, dialect)) is None


def test_an_error_inside_an_answer_counts_by_its_own_status() -> None:
    dialect = dialect_of("")
    error = {"error": {"code": 400, "message": "Unrecognized request argument supplied: stream_options"}}
    assert read_refusal(200, error, dialect, build("", dialect)) is not None
    error["error"]["code"] = 503
    assert read_refusal(200, error, dialect, build("", dialect)) is None


def test_the_change_tells_what_the_provider_said() -> None:
    told = {"error": {"message": "Unsupported parameter: 'temperature' " + "x" * 500}}
    change = read_refusal(400, told, dialect_of(""), build("", dialect_of("")))
    assert change is not None
    assert change.reason.startswith("Unsupported parameter: 'temperature'")
    assert len(change.reason) == 200


WORDS = st.sampled_from(
    sorted({row.habit for row in ROWS})
    + "unsupported unknown is_not not supported must be at most range of <= 4096 8192, [1, max_tokens image_url 'stop' "
    "content string system first tool_choice thinking reasoning_effort none temperature . : , ' ` \" \n".split(" ")
)


@given(st.lists(WORDS, max_size=30).map(" ".join), st.sampled_from(sorted(REQUESTS)))
def test_any_words_give_nothing_or_a_capability_that_differs(words: str, name: str) -> None:
    dialect = dialect_of(name)
    change = read_refusal(400, {"error": {"message": words}}, dialect, build(name, dialect))
    if change is not None:
        changed = dialect.with_capabilities({change.habit: change.value})
        assert getattr(changed, change.habit) != getattr(dialect, change.habit)
