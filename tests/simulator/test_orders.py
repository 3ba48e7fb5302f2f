"""Calls that a prompt spells out."""

from __future__ import annotations

import json
from typing import Any

from gatewayd.simulator.behaviours import behaviour_for
from gatewayd.simulator.checks import check_request
from gatewayd.simulator.script import plan
from tests.simulator.requests import BASH_TOOL, READ_TOOL, WEATHER_TOOL, call, request, result, tool, user

TOOLS = [BASH_TOOL, READ_TOOL, WEATHER_TOOL]
NESTED = 'Call Bash {"command": "call Read {}, then call Read {}"}.'


def called(
    *messages: dict[str, Any], tools: list[dict[str, Any]] | None = TOOLS, **fields: Any
) -> list[tuple[str, Any]]:
    planned = plan(check_request(request(*messages, tools=tools, **fields)), behaviour_for("sim-fast"))
    return [(one.name, json.loads(one.arguments)) for one in planned.calls]


def test_calls_what_is_spelled_out() -> None:
    assert called(user('Please call Read {"file_path": "/x", "limit": 3}.')) == [
        ("Read", {"file_path": "/x", "limit": 3})
    ]


def test_several_calls_go_out_together() -> None:
    prompt = user('call Bash {"command": "ls"} and call Read {"file_path": "/x"}')
    assert [name for name, _ in called(prompt)] == ["Bash", "Read"]


def test_then_waits_for_the_results() -> None:
    prompt = user('Call Bash {"command": "ls"}, then call Read {"file_path": "/x"}, then call Bash {"command": "id"}')
    done: list[dict[str, Any]] = [prompt]
    for expected in ({"command": "ls"}, {"file_path": "/x"}, {"command": "id"}):
        ((_, arguments),) = called(*done)
        assert arguments == expected
        done += [call(f"c{len(done)}"), result(f"c{len(done)}")]
    assert called(*done) == []


def test_a_call_inside_the_arguments_is_none() -> None:
    assert called(user(NESTED)) == [("Bash", {"command": "call Read {}, then call Read {}"})]
    assert called(user(NESTED), call("x"), result("x")) == []


def test_words_behind_the_results_do_not_cancel_what_is_left() -> None:
    prompt = user('Call Bash {"command": "ls"}, then call Read {"file_path": "/x"}')
    attached = user("Here is what came with it.")
    assert called(prompt, call("x"), result("x"), attached) == [("Read", {"file_path": "/x"})]


def test_a_new_prompt_cancels_what_is_left() -> None:
    prompt = user('Call Bash {"command": "ls"}, then call Read {"file_path": "/x"}')
    answered = [call("x"), result("x"), {"role": "assistant", "content": "One moment."}]
    assert called(prompt, *answered, user("No, thank you.")) == []


def test_a_tool_may_be_named_by_the_beginning_of_its_name() -> None:
    long = tool("mcp__nests__find_the_nest_of_the_grey_he_0EsaEnV7qm", {"type": "object", "properties": {}})
    assert called(user("call mcp__nests__find {}"), tools=[BASH_TOOL, long]) == [(long["function"]["name"], {})]


def test_a_tool_that_is_not_offered_is_called_all_the_same() -> None:
    assert called(user("call Nothing {}")) == [("Nothing", {})]


def test_calls_nothing_where_no_tool_may_be_called() -> None:
    assert called(user('call Read {"file_path": "/x"}'), tools=None) == []
    assert called(user('call Read {"file_path": "/x"}'), tool_choice="none") == []


def test_arguments_may_be_left_to_the_schema() -> None:
    ((name, arguments),) = called(user("You MUST call the get_weather tool. Call this tool now."))
    assert name == "get_weather"
    assert arguments["unit"] == "celsius"


def test_what_is_no_json_is_no_call() -> None:
    assert called(user("Who would call Read {nothing}?")) == called(user("?"))
