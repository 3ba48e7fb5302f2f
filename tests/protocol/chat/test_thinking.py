"""The switch for thinking, and the way of earlier thinking back to the provider."""

from __future__ import annotations

from typing import Any

import pytest

from gatewayd.protocol.chat.dialects import DIALECTS
from tests.protocol.chat.building import Built, assistant, build, call, result, thought, user

ON = {"type": "adaptive"}
OFF = {"type": "disabled"}
FIELDS = ("thinking", "enable_thinking", "chat_template_kwargs", "reasoning", "reasoning_effort")


def switch(dialect: str, thinking: dict[str, Any] | None, effort: str | None = None, **fields: Any) -> Built:
    fields = {"stream": True, **fields}
    if effort:
        fields["output_config"] = {"effort": effort}
    return build("hi", dialect=dialect, thinking=thinking, **fields)


def budget(tokens: int) -> dict[str, Any]:
    return {"type": "enabled", "budget_tokens": tokens}


@pytest.mark.parametrize(
    ("dialect", "thinking", "effort", "sent", "notes"),
    [
        ("generic", None, None, {}, []),
        ("generic", ON, "high", {}, ["effort.dropped", "thinking.dropped"]),
        ("generic", OFF, None, {}, ["thinking.dropped"]),
        ("deepseek", None, None, {}, []),
        ("deepseek", ON, None, {"thinking": {"type": "enabled"}}, []),
        ("deepseek", ON, "max", {"thinking": {"type": "enabled"}, "reasoning_effort": "max"}, []),
        ("deepseek", ON, "medium", {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}, ["effort.mapped"]),
        ("deepseek", ON, "xhigh", {"thinking": {"type": "enabled"}, "reasoning_effort": "max"}, ["effort.mapped"]),
        ("deepseek", OFF, "high", {"thinking": {"type": "disabled"}}, []),
        ("zai", ON, "high", {"thinking": {"type": "enabled"}}, ["effort.dropped"]),
        ("qwen", ON, None, {"enable_thinking": True}, []),
        ("qwen", OFF, None, {"enable_thinking": False}, []),
        ("vllm", ON, None, {"chat_template_kwargs": {"enable_thinking": True, "thinking": True}}, []),
        ("vllm", OFF, None, {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}, []),
        ("openai-reasoning", None, None, {}, []),
        ("openai-reasoning", None, "low", {"reasoning_effort": "low"}, []),
        ("openai-reasoning", ON, "max", {"reasoning_effort": "high"}, ["effort.mapped"]),
        ("openai-reasoning", budget(2000), None, {"reasoning_effort": "low"}, []),
        ("openai-reasoning", budget(4096), None, {"reasoning_effort": "medium"}, []),
        ("openai-reasoning", budget(16384), None, {"reasoning_effort": "high"}, []),
        ("openai-reasoning", OFF, None, {"reasoning_effort": "low"}, ["thinking.lowered"]),
        ("openrouter", None, "high", {}, []),
        ("openrouter", ON, None, {"reasoning": {"enabled": True}}, []),
        ("openrouter", ON, "max", {"reasoning": {"effort": "xhigh"}}, ["effort.mapped"]),
        ("openrouter", OFF, None, {"reasoning": {"enabled": False}}, []),
        ("openrouter", {"type": "unheard-of"}, None, {"reasoning": {"enabled": True}}, []),
    ],
)
def test_the_switch_of_the_dialect(
    dialect: str, thinking: dict[str, Any] | None, effort: str | None, sent: dict[str, Any], notes: list[str]
) -> None:
    built = switch(dialect, thinking, effort)
    assert {name: built.body[name] for name in FIELDS if name in built.body} == sent
    assert built.codes == notes


def test_a_budget_is_passed_on_where_it_fits_into_the_output_limit() -> None:
    fits = switch("openrouter", budget(2000), max_tokens=4000)
    assert fits.body["reasoning"] == {"max_tokens": 2000}
    clamped = switch("openrouter", budget(31999), max_tokens=32000, options={"max_output_tokens": 8192})
    assert clamped.body["reasoning"] == {"effort": "high"}


def test_a_switch_without_an_off_position_is_left_alone() -> None:
    row = DIALECTS["moonshot"].with_capabilities({"thinking_off": False})
    built = build("hi", dialect=row, thinking=OFF)
    assert "thinking" not in built.body
    assert built.codes == ["thinking.dropped"]


def test_mandatory_reasoning_is_lowered_instead_of_disabled() -> None:
    row = DIALECTS["openrouter"].with_capabilities({"thinking_off": False})
    assert build("hi", dialect=row, thinking=OFF).body["reasoning"] == {"effort": "low"}


def test_without_efforts_mandatory_reasoning_is_left_alone() -> None:
    row = DIALECTS["openai-reasoning"].with_capabilities({"effort_levels": []})
    built = build("hi", dialect=row, thinking=OFF)
    assert "reasoning_effort" not in built.body
    assert built.codes == ["thinking.dropped"]


@pytest.mark.parametrize(("thinking", "notes"), [(ON, ["thinking.dropped"]), (OFF, []), (None, [])])
def test_qwen_thinks_in_streams_only(thinking: dict[str, Any] | None, notes: list[str]) -> None:
    built = build("hi", dialect="qwen", thinking=thinking)
    assert built.body["enable_thinking"] is False
    assert built.codes == notes


@pytest.mark.parametrize(("thinking", "allowed"), [(None, True), (ON, True), (budget(1024), True), (OFF, False)])
def test_whether_the_answer_may_hold_thinking(thinking: dict[str, Any] | None, allowed: bool) -> None:
    assert switch("generic", thinking).chat.thinking is allowed


# --- the way back ----------------------------------------------------------------------------------------------------


def replay(dialect: str, *blocks: dict[str, Any], packed: dict[str, dict[str, Any]] | None = None) -> dict[str, Any]:
    """The assistant message that a turn with these thinking blocks and one call becomes."""
    built = build(
        [user("a"), assistant(*blocks, call("t1")), user(result("t1"))],
        dialect=dialect,
        options={"unseal": (packed or {}).get},
    )
    return built.messages[1]


@pytest.mark.parametrize(
    ("dialect", "field"),
    [
        ("deepseek", "reasoning_content"),
        ("moonshot", "reasoning_content"),
        ("ollama", "reasoning"),
        ("openrouter", "reasoning"),
    ],
)
def test_thinking_goes_back_in_the_field_of_the_dialect(dialect: str, field: str) -> None:
    assert replay(dialect, thought("one, "), thought("two"))[field] == "one, two"


@pytest.mark.parametrize("dialect", ["groq", "cerebras", "openai", "generic", "mistral"])
def test_thinking_is_dropped_where_it_is_refused(dialect: str) -> None:
    built = build([user("a"), assistant(thought("x"), "b"), user("c")], dialect=dialect)
    assert built.messages[1] == {"role": "assistant", "content": "b"}
    assert built.codes == ["thinking.not_replayed"]


@pytest.mark.parametrize(("dialect", "stand_in"), [("deepseek", ""), ("moonshot", ".")])
@pytest.mark.parametrize("blocks", [(), (thought(""),), ({"type": "redacted_thinking", "data": "x"},)])
def test_lost_thinking_has_a_stand_in_where_the_field_is_required(
    dialect: str, stand_in: str, blocks: tuple[dict[str, Any], ...]
) -> None:
    assert replay(dialect, *blocks)["reasoning_content"] == stand_in


def test_details_go_back_verbatim_and_in_order() -> None:
    first = [{"type": "reasoning.text", "text": "t", "signature": "s"}, {"type": "reasoning.encrypted", "data": "e"}]
    second = [{"type": "reasoning.summary", "summary": "u", "index": 2}]
    message = replay(
        "openrouter",
        thought("t", "sealed-1"),
        {"type": "redacted_thinking", "data": "sealed-2"},
        packed={"sealed-1": {"reasoning_details": first}, "sealed-2": {"reasoning_details": second}},
    )
    assert message["reasoning_details"] == first + second
    assert "reasoning" not in message


@pytest.mark.parametrize("payload", [None, {}, {"reasoning_details": []}, {"reasoning_details": "x"}, {"other": 1}])
def test_a_foreign_or_odd_signature_is_ignored(payload: dict[str, Any] | None) -> None:
    message = replay("openrouter", thought("t", "sig"), packed={"sig": payload} if payload else {})
    assert message["reasoning"] == "t"
    assert "reasoning_details" not in message


@pytest.mark.parametrize("key", ["t1", "functions.Read:0"])
def test_thought_signatures_go_back_on_their_calls(key: str) -> None:
    from gatewayd.protocol.names import encode_id

    client_id = encode_id(key)
    built = build(
        [
            user("a"),
            assistant(thought("", "sealed"), call(client_id), call("t2")),
            user(result(client_id), result("t2")),
        ],
        dialect="gemini",
        options={"unseal": {"sealed": {"thought_signatures": {key: "sig", "t3": "other"}}}.get},
    )
    first, second = built.messages[1]["tool_calls"]
    assert first["extra_content"] == {"google": {"thought_signature": "sig"}}
    assert "extra_content" not in second
    assert built.codes == []


@pytest.mark.parametrize("blocks", [(), (thought("t", "foreign"),)])
def test_calls_whose_signature_is_lost_carry_googles_stand_in_on_the_first(blocks: tuple[dict[str, Any], ...]) -> None:
    built = build([user("a"), assistant(*blocks, call("t1"), call("t2"))], dialect="gemini")
    first, second = built.messages[1]["tool_calls"]
    assert first["extra_content"] == {"google": {"thought_signature": "skip_thought_signature_validator"}}
    assert "extra_content" not in second


def test_nothing_is_unsealed_for_a_dialect_that_has_no_use_for_it() -> None:
    def refuse(_signature: str) -> None:
        raise AssertionError("unsealed")

    build([user("a"), assistant(thought("x", "sig"), "b")], dialect="deepseek", options={"unseal": refuse})
