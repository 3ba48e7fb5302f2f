"""The top level of the body, and what the answer side is told."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gatewayd.protocol.chat.dialects import DIALECTS
from tests.protocol.chat.building import build, system, text, user

SCHEMA = {"type": "object", "properties": {"title": {"type": "string"}}, "additionalProperties": False}


def test_the_smallest_request() -> None:
    built = build("hi")
    assert built.body == {
        "model": "up",
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 100,
        "stream": False,
    }
    assert built.codes == []


@pytest.mark.parametrize("dialect", ["openai", "openai-reasoning", "azure"])
def test_the_output_limit_has_the_name_that_the_dialect_knows(dialect: str) -> None:
    body = build("hi", dialect=dialect).body
    assert body["max_completion_tokens"] == 100
    assert "max_tokens" not in body


def test_the_output_limit_is_clamped_with_a_note() -> None:
    built = build("hi", max_tokens=64000, options={"max_output_tokens": 8192})
    assert built.body["max_tokens"] == 8192
    assert [(note.code, note.text) for note in built.notes] == [("max_tokens.clamped", "64000 -> 8192")]


def test_sampling_is_passed_on_or_dropped_with_a_note() -> None:
    fields = {"temperature": 0.5, "top_p": 0.9, "top_k": 40}
    kept = build("hi", dialect="openrouter", **fields)
    assert {name: kept.body[name] for name in fields} == fields
    some = build("hi", **fields)
    assert ("top_k" in some.body, some.codes) == (False, ["top_k.dropped"])
    none = build("hi", dialect="openai-reasoning", **fields)
    assert set(fields).isdisjoint(none.body)
    assert none.codes == ["temperature.dropped", "top_p.dropped", "top_k.dropped"]


@pytest.mark.parametrize(
    ("dialect", "sent", "local"),
    [
        ("generic", ["1", "2", "3", "4"], ("5",)),
        ("zai", ["1"], ("2", "3", "4", "5")),
        ("minimax", None, tuple("12345")),
    ],
)
def test_stop_sequences_that_the_provider_does_not_take_are_left_to_the_gateway(
    dialect: str, sent: list[str] | None, local: tuple[str, ...]
) -> None:
    built = build("hi", dialect=dialect, stop_sequences=list("12345"))
    assert (built.body.get("stop"), built.chat.local_stops, built.chat.stops) == (sent, local, tuple("12345"))
    assert built.codes == ["stop_sequences.enforced_locally"]


def test_stop_sequences_that_fit_leave_no_note() -> None:
    built = build("hi", stop_sequences=["END"])
    assert (built.body["stop"], built.chat.local_stops, built.codes) == (["END"], (), [])


def test_a_stream_asks_for_usage_unless_the_dialect_refuses_that() -> None:
    assert build("hi", stream=True).body["stream_options"] == {"include_usage": True}
    silent = DIALECTS["generic"].with_capabilities({"stream_options": False})
    assert "stream_options" not in build("hi", dialect=silent, stream=True).body


def test_a_schema_for_the_answer_is_enforced_by_the_provider_where_it_can() -> None:
    built = build("hi", dialect="openai", output_config={"format": {"type": "json_schema", "schema": SCHEMA}})
    assert built.body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": SCHEMA},
    }
    assert built.codes == []


@pytest.mark.parametrize(("dialect", "sent"), [("deepseek", {"type": "json_object"}), ("generic", None)])
def test_elsewhere_the_schema_is_an_instruction_with_a_note(dialect: str, sent: dict[str, str] | None) -> None:
    built = build(
        "hi", dialect=dialect, system="You are X.", output_config={"format": {"type": "json_schema", "schema": SCHEMA}}
    )
    assert built.body.get("response_format") == sent
    assert built.messages[0]["content"].startswith("You are X.\n\nAnswer with one JSON object")
    assert built.messages[0]["content"].endswith(orjson.dumps(SCHEMA).decode())
    assert built.codes == ["output_format.instructed"]


def test_fields_of_the_record_are_added_to_every_body() -> None:
    assert build("hi", dialect="minimax").body["reasoning_split"] is True


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ({"metadata": {"user_id": "u" * 150}, "cache_control": {"type": "ephemeral"}, "betas": ["x"]}, []),
        ({"context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}}, []),
        ({"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}}, ["context_management.dropped"]),
        ({"context_management": 5}, ["context_management.dropped"]),
        ({"service_tier": "auto", "speed": "fast"}, ["service_tier.dropped", "speed.dropped"]),
        ({"safeguards": [{"type": "dangerous_tool_use"}]}, ["safeguards.dropped"]),
        ({"unheard_of": None}, []),
    ],
    ids=lambda value: ",".join(value),
)  # fmt: skip
def test_what_is_not_forwarded_leaves_a_note_where_the_client_could_notice(
    fields: dict[str, Any], codes: list[str]
) -> None:
    built = build("hi", **fields)
    assert set(fields).isdisjoint(built.body)
    assert built.codes == codes


def test_a_client_cannot_choose_an_upstream_or_a_key() -> None:
    fields = {
        "api_base": "http://evil",
        "api_key": "k",
        "base_url": "x",
        "extra_headers": {},
        "extra_body": {},
        "user": "u",
    }
    built = build("hi", **fields)
    assert built.body == build("hi").body
    assert [(note.code, note.text) for note in built.notes] == [("fields.dropped", ", ".join(fields))]


def test_a_conversation_of_claude_code_keeps_its_prefix_while_volatile_parts_change() -> None:
    """The billing block changes with every call, reminders come late, effort sits on messages, markers wander."""

    def turn(number: int) -> bytes:
        mark = {"cache_control": {"type": "ephemeral"}}
        messages: list[dict[str, Any]] = [user("<system-reminder>ctx</system-reminder>", "fix the bug")]
        messages.append({**system("Be careful."), "output_config": {"effort": "high"}})
        for index in range(number):
            call = {"type": "tool_use", "id": f"toolu_{index}", "name": "Read", "input": {"path": f"/{index}"}}
            messages.append({"role": "assistant", "content": [text(f"step {index}"), call]})
            messages.append(user({"type": "tool_result", "tool_use_id": f"toolu_{index}", "content": "ok"}))
            messages.append(system(text(f"note {index}")))
        last = messages[-1]["content"]
        if isinstance(last, list):
            last[-1] = {**last[-1], **mark}
        billing = text(f"x-anthropic-billing-header: cc_version=2.1.330.{number}; cc_entrypoint=cli;")
        tools = [{"name": "Read", "description": "Reads.", "input_schema": {"type": "object"}}]
        built = build(
            messages, system=[billing, {**text("You are X."), **mark}], tools=tools, metadata={"user_id": str(number)}
        )
        body = {name: built.body[name] for name in ("model", "messages")}
        return orjson.dumps(body)

    for number in range(8):
        settled = turn(number).removesuffix(b'"}]}')
        assert turn(number + 1).startswith(settled)
