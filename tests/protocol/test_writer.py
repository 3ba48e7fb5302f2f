"""The writer: any parts in any order give a legal answer that says what the parts said."""

from __future__ import annotations

import itertools

import anthropic
import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.errors import UpstreamFailed
from gatewayd.protocol import sse
from gatewayd.protocol.events import Event
from gatewayd.protocol.fold import Fold
from gatewayd.protocol.notes import Notes
from gatewayd.protocol.parts import Carried, Failure, Finish, Part, Text, Thinking, ToolCall, Usage
from gatewayd.protocol.seal import Seal
from gatewayd.protocol.writer import Writer
from gatewayd.relay.repair import repair_json
from tests.protocol.grammar import check_grammar

SEAL = Seal([b"key"])


def new_writer(**options) -> Writer:
    numbers = itertools.count(1)
    defaults = {
        "message_id": "msg_1",
        "model": "claude-x",
        "input_tokens": 9,
        "new_tool_id": lambda: f"toolu_new{next(numbers)}",
        "seal": SEAL,
        "notes": Notes(),
        "repair": repair_json,
    }
    return Writer(**(defaults | options))


def write(parts: list[Part], **options) -> list[Event]:
    writer = new_writer(**options)
    return [event for part in parts for event in writer.write(part)] + writer.finish()


def message(parts: list[Part], **options) -> dict:
    events = write(parts, **options)
    check_grammar(events)
    fold = Fold(repair_json)
    fold.add(events)
    return fold.message


def said(parts: list[Part], **options) -> list:
    """The content without what is random or secret."""
    out = []
    for block in message(parts, **options)["content"]:
        if block["type"] == "tool_use":
            out.append((block["name"], block["input"]))
        elif block["type"] == "redacted_thinking":
            out.append(("redacted", SEAL.unseal(block["data"])))
        else:
            out.append((block["type"], block[block["type"]]))
    return out


def test_text_thinking_and_a_call_become_blocks_in_order() -> None:
    parts = [
        Thinking("hm"),
        Thinking("m"),
        Text("Hi"),
        Text("!"),
        ToolCall(0, "call_1", "f", '{"a":1}'),
        Finish("tool_use"),
    ]
    assert said(parts) == [("thinking", "hmm"), ("text", "Hi!"), ("f", {"a": 1})]
    assert message(parts)["stop_reason"] == "tool_use"


def test_white_space_alone_opens_no_block_and_is_not_lost() -> None:
    assert said([Text("\n"), Thinking("t"), Text("\n"), Text("x"), Text("\n")]) == [
        ("thinking", "t"),
        ("text", "\n\nx\n"),
    ]
    assert said([Text(" \n")]) == []


def test_white_space_during_a_call_does_not_cut_it() -> None:
    parts = [ToolCall(0, "a", "f", '{"x":'), Text(" "), ToolCall(0, "", "", "1}"), Text("\n")]
    assert said(parts) == [("f", {"x": 1})]


def test_fragments_of_two_calls_in_turn_become_two_blocks() -> None:
    parts = [
        ToolCall(0, "a", "f"), ToolCall(1, "b", "g"), ToolCall(0, arguments='{"x"'), ToolCall(1, arguments='{"y":'),
        Text("said meanwhile"), ToolCall(0, arguments=":1}"), ToolCall(1, arguments="2}"), Finish("tool_use"),
    ]  # fmt: skip
    assert said(parts) == [("f", {"x": 1}), ("g", {"y": 2}), ("text", "said meanwhile")]


def test_what_was_held_comes_as_soon_as_the_call_is_whole() -> None:
    writer = new_writer()
    for part in (ToolCall(0, "a", "f", '{"x":'), Text("after")):
        writer.write(part)
    names = [event.payload.get("delta", {}).get("text") for event in writer.write(ToolCall(0, arguments="1}"))]
    assert "after" in names


def test_a_name_in_pieces_is_one_name() -> None:
    assert said([ToolCall(0, "a", "Re"), ToolCall(0, "a", "ad"), ToolCall(0, arguments="{}")]) == [("Read", {})]


@pytest.mark.parametrize("provider_id", ["", "functions.Read:0", "dup", "x" * 65])
def test_ids_are_well_formed_unique_and_never_used_before(provider_id: str) -> None:
    parts = [ToolCall(0, provider_id, "f", "{}"), ToolCall(1, provider_id, "g", "{}")]
    ids = [block["id"] for block in message(parts, used_tool_ids=frozenset(["dup"]))["content"]]
    assert len(set(ids)) == 2
    assert "dup" not in ids
    assert all(0 < len(i) <= 64 and i.replace("_", "").replace("-", "").isalnum() for i in ids)


def test_an_id_that_will_do_survives() -> None:
    assert message([ToolCall(0, "call_Ab-1", "f", "{}")])["content"][0]["id"] == "call_Ab-1"


def test_a_mapped_name_is_mapped_back() -> None:
    assert said([ToolCall(0, "a", "short", "{}")], tool_names={"short": "mcp__long"}) == [("mcp__long", {})]


def test_only_the_first_call_is_kept_where_one_was_asked_for() -> None:
    notes = Notes()
    parts = [ToolCall(0, "a", "f", "{}"), ToolCall(1, "b", "g", '{"a":'), ToolCall(1, arguments="1}"), Text("x")]
    assert said(parts, single_call=True, notes=notes) == [("f", {}), ("text", "x")]
    assert notes.codes() == ["parallel_tool_calls.dropped"]


@pytest.mark.parametrize(
    ("finish", "calls", "stop_reason"),
    [
        ("end_turn", 0, "end_turn"), ("end_turn", 1, "tool_use"),
        ("tool_use", 0, "end_turn"), ("tool_use", 1, "tool_use"),
        ("max_tokens", 0, "max_tokens"), ("max_tokens", 1, "max_tokens"), ("refusal", 0, "refusal"),
    ],
)  # fmt: skip
def test_the_stop_reason_fits_the_blocks(finish: str, calls: int, stop_reason: str) -> None:
    parts: list[Part] = [Text("x"), *[ToolCall(n, f"id{n}", "f", "{}") for n in range(calls)], Finish(finish)]
    assert message(parts)["stop_reason"] == stop_reason


def test_a_call_cut_by_the_length_limit_keeps_its_text_in_the_stream() -> None:
    events = write([ToolCall(0, "a", "f", '{"x": "ha'), Finish("max_tokens")])
    check_grammar(events)
    sent = "".join(e.payload["delta"].get("partial_json", "") for e in events if e.name == "content_block_delta")
    assert sent == '{"x": "ha'
    assert message([ToolCall(0, "a", "f", '{"x": "ha'), Finish("max_tokens")])["content"][0]["input"] == {"x": "ha"}


def test_broken_arguments_are_repaired_and_noted() -> None:
    notes = Notes()
    assert said([ToolCall(0, "a", "f", "{'x': 1}")], notes=notes) == [("f", {"x": 1})]
    assert notes.codes() == ["tool_arguments.repaired"]


def test_a_call_without_a_name_is_a_failure_of_the_provider() -> None:
    events = write([Text("x"), ToolCall(0, "a", "", "{}")])
    check_grammar(events)
    assert events[-1].payload["error"]["type"] == "api_error"


def test_provider_data_travels_in_the_thinking_signature() -> None:
    details = {"reasoning_details": [{"type": "reasoning.encrypted", "data": "AAAA"}]}
    content = message([Thinking("t"), Carried(details), Text("x")])["content"]
    assert SEAL.unseal(content[0]["signature"]) == details


def test_provider_data_without_thinking_travels_in_a_block_of_its_own() -> None:
    details = {"reasoning_details": [{"type": "reasoning.encrypted", "data": "AAAA"}]}
    assert said([Carried(details), Text("x")]) == [("redacted", details), ("text", "x")]
    assert said([Text("x"), Carried(details)]) == [("text", "x"), ("redacted", details)]


def test_a_thought_signature_names_the_call_as_the_client_knows_it() -> None:
    parts = [ToolCall(0, "", "f", "{}", "SIG")]
    content = message(parts)["content"]
    assert SEAL.unseal(content[0]["data"]) == {"thought_signatures": {content[1]["id"]: "SIG"}}
    signed = message([Thinking("t"), *parts])["content"]
    assert SEAL.unseal(signed[0]["signature"]) == {"thought_signatures": {signed[1]["id"]: "SIG"}}


def test_a_failure_ends_the_answer_and_nothing_follows() -> None:
    writer = new_writer()
    events = writer.write(Text("x")) + writer.write(Failure(UpstreamFailed("cut")))
    assert [event.name for event in events] == ["message_start", "content_block_start", "content_block_delta", "error"]
    assert writer.write(Text("y")) == writer.finish() == writer.fail(UpstreamFailed("z")) == []


def test_without_usage_the_estimate_stands() -> None:
    usage = message([Text("x")])["usage"]
    assert usage == {
        "input_tokens": 9,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 0,
    }


def test_the_last_usage_counts() -> None:
    usage = message([Usage(1, 0, 0, 1), Text("x"), Usage(10, 5, 2, 7)])["usage"]
    assert usage == {
        "input_tokens": 10,
        "cache_read_input_tokens": 5,
        "cache_creation_input_tokens": 2,
        "output_tokens": 7,
    }


def test_silence_is_broken_by_a_ping_and_a_delta_of_the_open_block() -> None:
    writer = new_writer()
    assert writer.keep_alive() == []
    writer.start()
    assert [event.name for event in writer.keep_alive()] == ["ping"]
    for part, delta in (
        (Thinking("t"), "thinking_delta"),
        (Text("x"), "text_delta"),
        (ToolCall(0, "a", "f", '{"a"'), "input_json_delta"),
    ):
        writer.write(part)
        if isinstance(part, ToolCall):
            writer.write(ToolCall(0, arguments=":1,"))
        _, empty = writer.keep_alive()
        assert empty.payload["delta"]["type"] == delta
        assert "" in empty.payload["delta"].values()


def test_a_thinking_block_can_hold_the_line() -> None:
    writer = new_writer()
    events = writer.start() + writer.keep_alive(open_thinking=True) + writer.keep_alive(open_thinking=True)
    events += writer.write(Text("x")) + writer.finish()
    check_grammar(events)
    assert sum(event.name == "content_block_start" for event in events) == 2


_arguments = st.sampled_from(["", "{", "}", '{"a":1}', '"x', "null", '{"a":', "1}"])
_parts = st.one_of(
    st.builds(Text, st.sampled_from(["a", " ", "\n", "b c", ""])),
    st.builds(Thinking, st.sampled_from(["t", ""])),
    st.builds(
        ToolCall,
        st.integers(0, 2),
        st.sampled_from(["", "i", "f:1"]),
        st.sampled_from(["", "f"]),
        _arguments,
        st.sampled_from(["", "S"]),
    ),
    st.builds(Carried, st.just({"reasoning_details": [{"data": "A"}]})),
    st.builds(Usage, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
    st.builds(Finish, st.sampled_from(["end_turn", "tool_use", "max_tokens", "refusal"])),
)


@settings(max_examples=500)
@given(
    parts=st.lists(_parts, max_size=15), quiet=st.sets(st.integers(0, 15)), fails=st.booleans(), single=st.booleans()
)
def test_any_parts_in_any_order_are_legal(parts: list[Part], quiet: set[int], fails: bool, single: bool) -> None:
    writer = new_writer(single_call=single)
    events = []
    for n, part in enumerate(parts):
        if n in quiet:
            events += writer.keep_alive(open_thinking=n % 2 == 0)
        events += writer.write(part)
    events += writer.fail(UpstreamFailed("x")) if fails else writer.finish()
    check_grammar(events)
    text = "".join(part.text for part in parts if isinstance(part, Text))
    shown = "".join(event.payload["delta"].get("text", "") for event in events if event.name == "content_block_delta")
    if events[-1].name == "message_stop":
        assert "".join(shown.split()) == "".join(text.split())


@settings(max_examples=50, deadline=None)
@given(parts=st.lists(_parts, max_size=10))
def test_the_sdk_accumulates_what_the_fold_says(parts: list[Part]) -> None:
    events = write(parts)
    if events[-1].name == "error":
        return
    fold = Fold(repair_json)
    fold.add(events)
    body = b"".join(sse.encode(name, payload) for name, payload in events)
    transport = httpx2.MockTransport(
        lambda _: httpx2.Response(200, content=body, headers={"content-type": "text/event-stream"})
    )
    client = anthropic.Anthropic(api_key="k", http_client=httpx2.Client(transport=transport))
    with client.messages.stream(model="m", max_tokens=1, messages=[]) as stream:
        content = stream.get_final_message().to_dict()["content"]
    if fold.message["stop_reason"] != "max_tokens":
        assert [_said(block) for block in content] == [_said(block) for block in fold.message["content"]]


def _said(block: dict) -> object:
    return next(block[key] for key in ("input", "text", "thinking", "data") if key in block)


def test_provider_data_that_comes_in_parts_is_joined() -> None:
    first, second = {"reasoning_details": [{"data": "A"}]}, {"reasoning_details": [{"data": "B"}]}
    both = {"reasoning_details": [{"data": "A"}, {"data": "B"}]}
    assert said([Carried(first), Text("\n"), Carried(second), Text("x")]) == [("redacted", both), ("text", "\nx")]


def test_a_thought_signature_may_come_late() -> None:
    content = message([ToolCall(0, "a", "f", '{"n":'), ToolCall(0, arguments="1}", thought_signature="S")])["content"]
    assert content[0]["input"] == {"n": 1}
    assert SEAL.unseal(content[1]["data"]) == {"thought_signatures": {"a": "S"}}


def test_white_space_alone_opens_no_thinking_block_and_closes_no_text() -> None:
    assert said([Thinking("\n\n"), Text("x"), Thinking(" "), Text("y")]) == [("text", "xy")]
    assert said([Thinking("\n"), Thinking("t"), Thinking("\n"), Text("x")]) == [("thinking", "\nt\n"), ("text", "x")]


def test_the_writer_tells_what_it_failed_with() -> None:
    writer, cut = new_writer(), UpstreamFailed("cut")
    assert writer.error is None
    writer.write(Failure(cut))
    assert writer.error is cut
