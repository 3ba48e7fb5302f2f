"""The conversation: roles, order, pairing of calls and results, late system messages."""

from __future__ import annotations

import pytest

from gatewayd.errors import InvalidRequest
from gatewayd.protocol.chat.messages import OPENING
from gatewayd.protocol.chat.results import NO_RESULT
from gatewayd.protocol.names import encode_id
from tests.protocol.chat.building import assistant, build, call, image, result, system, text, thought, user

BILLING = "x-anthropic-billing-header: cc_version=2.1.330.a1b; cc_entrypoint=cli;"


def test_system_blocks_become_one_first_message() -> None:
    assert build("hi", system=[text("You are X."), text(""), text("Be brief.")]).messages == [
        {"role": "system", "content": "You are X.\n\nBe brief."},
        {"role": "user", "content": "hi"},
    ]


@pytest.mark.parametrize("empty", [None, "", "  \n", [], [text("")], [text(BILLING)], BILLING])
def test_an_empty_system_prompt_is_no_message(empty: object) -> None:
    assert [message["role"] for message in build("hi", system=empty).messages] == ["user"]


def test_the_billing_line_is_removed_with_a_note() -> None:
    built = build("hi", system=[text(BILLING), text("You are X.")])
    assert built.messages[0]["content"] == "You are X."
    assert built.codes == ["system.billing_header_removed"]


def test_of_a_system_text_only_the_billing_line_is_removed() -> None:
    assert build("hi", system=f"{BILLING}\nYou are X.").messages[0]["content"] == "You are X."


def test_a_leading_system_message_joins_the_system_prompt() -> None:
    built = build([system("Be brief."), user("hi")], system="You are X.")
    assert built.messages[0] == {"role": "system", "content": "You are X.\n\nBe brief."}


def test_a_late_system_message_is_folded_in_place() -> None:
    built = build([user("a"), system("S"), assistant("b"), system(text("T")), user("c")])
    assert built.messages == [
        {"role": "user", "content": "a\n\n<system-reminder>\nS\n</system-reminder>"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "<system-reminder>\nT\n</system-reminder>\n\nc"},
    ]
    assert built.codes == ["system.late_folded"]


def test_a_late_system_message_behind_results_stays_behind_them() -> None:
    built = build([user("a"), assistant(call()), user(result()), system("S")])
    assert [message["role"] for message in built.messages] == ["user", "assistant", "tool", "user"]
    assert built.messages[-1]["content"] == "<system-reminder>\nS\n</system-reminder>"


def test_an_empty_late_system_message_vanishes() -> None:
    built = build([user("a"), {**system(), "output_config": {"effort": "low"}}, user("b")])
    assert built.messages == [{"role": "user", "content": "a\n\nb"}]
    assert built.codes == []


def test_a_text_that_is_a_reminder_already_is_not_wrapped_again() -> None:
    reminder = "<system-reminder>x</system-reminder>"
    assert build([user("a"), system(reminder)]).messages[0]["content"] == f"a\n\n{reminder}"


def test_a_dialect_that_takes_late_system_messages_gets_them() -> None:
    built = build([user("a"), assistant(call()), user(result(), "b"), system("S"), user("c")], dialect="deepseek")
    assert [(message["role"], message["content"]) for message in built.messages[2:]] == [
        ("tool", "done"),
        ("user", "b"),
        ("system", "S"),
        ("user", "c"),
    ]


def test_tool_changes_in_mid_conversation_are_told() -> None:
    blocks = [
        {"type": "tool_addition", "tool": {"type": "tool_reference", "name": "mcp__x"}},
        {"type": "tool_removal", "tool": {"type": "tool_reference", "name": "Bash"}},
        {"type": "tool_removal", "tool": "odd"},
    ]
    assert build([user("a"), system(*blocks)]).messages[0]["content"].splitlines()[2:-1] == [
        "<system-reminder>",
        "Tool mcp__x is available now.",
        "",
        "Tool Bash is no longer available.",
        "",
        "Tool unknown is no longer available.",
    ]


def test_consecutive_messages_of_one_role_become_one() -> None:
    built = build([user("a"), user("b"), assistant("c"), assistant(text("d"), call()), user(result())])
    assert [message["content"] for message in built.messages] == ["a\n\nb", "c\n\nd", "done"]


def test_the_blocks_of_an_assistant_text_join_without_a_seam() -> None:
    assert build([user("a"), assistant("one ", "two"), user("b")]).messages[1]["content"] == "one two"


def test_messages_that_say_nothing_vanish_and_their_neighbours_join() -> None:
    built = build([user("a"), assistant(thought("hm")), assistant("", " "), user(""), user("b")])
    assert built.messages == [{"role": "user", "content": "a\n\nb"}]


def test_a_conversation_that_says_nothing_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="messages: at least one message must have content"):
        build([user(" "), assistant("")])


def test_a_conversation_that_begins_with_the_assistant_gets_an_opening() -> None:
    built = build([assistant("a"), user("b")])
    assert built.messages[0] == {"role": "user", "content": OPENING}
    assert built.codes == ["messages.opened"]


def test_calls_become_tool_calls_with_compact_arguments() -> None:
    built = build([user("a"), assistant(text("look"), call("t1", "Read", path="/x", n=[1, None])), user(result("t1"))])
    assert built.messages[1] == {
        "role": "assistant",
        "content": "look",
        "tool_calls": [
            {"id": "t1", "type": "function", "function": {"name": "Read", "arguments": '{"path":"/x","n":[1,null]}'}}
        ],
    }


@pytest.mark.parametrize(("dialect", "empty"), [("openai", None), ("generic", "")])
def test_content_beside_calls_is_empty_as_the_dialect_wants(dialect: str, empty: str | None) -> None:
    assert build([user("a"), assistant(call()), user(result())], dialect=dialect).messages[1]["content"] == empty


def test_results_follow_in_the_order_of_the_calls_and_before_all_else() -> None:
    built = build(
        [
            user("a"),
            assistant(call("t1"), call("t2"), call("t3")),
            user("first", result("t3", "3"), "then", result("t1", "1")),
            user(result("t2", "2"), "last"),
        ]
    )
    assert [(m["role"], m.get("tool_call_id"), m["content"]) for m in built.messages[2:]] == [
        ("tool", "t1", "1"),
        ("tool", "t2", "2"),
        ("tool", "t3", "3"),
        ("user", None, "first\n\nthen\n\nlast"),
    ]


def test_a_call_without_a_result_gets_one() -> None:
    built = build([user("a"), assistant(call("t1"), call("t2")), user(result("t2"), "go on")])
    assert [message["content"] for message in built.messages[2:]] == [NO_RESULT, "done", "go on"]
    assert built.codes == ["tool_results.synthetic"]


def test_a_call_at_the_end_gets_a_result_too() -> None:
    assert build([user("a"), assistant(call())]).messages[-1]["role"] == "tool"


def test_a_result_without_a_call_becomes_user_text() -> None:
    built = build([user("a"), assistant("b"), user(result("gone", "42"), "c")])
    assert built.messages[-1]["content"] == "[Result of a call that is not shown (gone):]\n42\n\nc"
    assert built.codes == ["tool_results.orphan"]


def test_of_two_results_of_one_call_the_second_becomes_user_text() -> None:
    built = build([user("a"), assistant(call("t1")), user(result("t1", "1"), result("t1", "2"))])
    assert [message["content"].splitlines()[-1] for message in built.messages[2:]] == ["1", "2"]


def test_a_result_in_a_later_turn_is_not_moved_back() -> None:
    built = build([user("a"), assistant(call("t1")), user("wait"), assistant("ok"), user(result("t1"))])
    assert [message["role"] for message in built.messages] == ["user", "assistant", "tool", "user", "assistant", "user"]
    assert built.codes == ["tool_results.synthetic", "tool_results.orphan"]


def test_two_calls_with_one_id_are_refused_as_anthropic_does() -> None:
    with pytest.raises(InvalidRequest, match=r"messages\.1\.content\.1\.id: `tool_use` ids must be unique"):
        build([user("a"), assistant(call("t1"), call("t1"))])


@pytest.mark.parametrize(
    ("dialect", "client", "sent"),
    [
        ("generic", "toolu_1", "toolu_1"),
        ("moonshot", encode_id("functions.Read:0"), "functions.Read:0"),
        ("mistral", "VvvODy9mT", "VvvODy9mT"),
        ("mistral", "toolu_1", "VmMmRyKdU"),
        ("openai", "t" * 40, "t" * 40),
        ("openai", "t" * 41, "call_iVjFn6twWOTTW1MfTZ788vbS"),
    ],
)
def test_ids_take_the_providers_form_in_call_and_result(dialect: str, client: str, sent: str) -> None:
    messages = build([user("a"), assistant(call(client)), user(result(client))], dialect=dialect).messages
    assert messages[1]["tool_calls"][0]["id"] == messages[2]["tool_call_id"] == sent


@pytest.mark.parametrize(
    ("dialect", "flag"), [("mistral", {"prefix": True}), ("moonshot", {"partial": True}), ("openai", {})]
)
def test_a_last_assistant_message_is_marked_as_the_dialect_wants(dialect: str, flag: dict[str, bool]) -> None:
    built = build([user("a"), assistant("The answer is")], dialect=dialect)
    last = {key: value for key, value in built.messages[-1].items() if key != "reasoning_content"}
    assert last == {"role": "assistant", "content": "The answer is", **flag}
    assert "messages.prefill" in built.codes


def test_blocks_of_anthropics_servers_are_left_out_with_a_note() -> None:
    search = [
        {"type": "server_tool_use", "id": "s", "name": "web_search"},
        {"type": "web_search_tool_result", "content": []},
    ]
    built = build([user("a"), assistant(*search, "found"), user({"type": "unheard_of"}, "b")])
    assert [message["content"] for message in built.messages] == ["a", "found", "b"]
    assert built.codes == ["server_tools.history_dropped", "content.unknown_dropped"]


def test_an_image_beside_text_makes_a_list_of_parts() -> None:
    assert build([user("look", image())]).messages[0]["content"] == [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]


def test_the_ids_of_the_history_are_told_as_the_client_knows_them() -> None:
    odd = encode_id("functions.Read:0")
    built = build([user("a"), assistant(call(odd), call("t2")), user(result("t2"), result(odd))], dialect="mistral")
    assert built.chat.tool_ids == {odd, "t2"}
