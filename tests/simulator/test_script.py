"""What the simulated model decides to say or to call."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from gatewayd.simulator.behaviours import Behaviour, behaviour_for
from gatewayd.simulator.checks import check_request
from gatewayd.simulator.script import Answer, plan
from tests.simulator.requests import (
    BASH_TOOL,
    GLOB_TOOL,
    READ_TOOL,
    WEATHER_TOOL,
    WRITE_TOOL,
    call,
    request,
    result,
    system,
    tool,
    user,
)

ALL_TOOLS = [GLOB_TOOL, BASH_TOOL, READ_TOOL, WRITE_TOOL, WEATHER_TOOL]


def answer(*messages: dict[str, Any], behaviour: str = "sim-fast", **fields: Any) -> Answer:
    return plan(check_request(request(*messages, **fields)), behaviour_for(behaviour))


def called(planned: Answer) -> list[tuple[str, Any]]:
    assert planned.finish == "tool_calls"
    return [(one.name, json.loads(one.arguments)) for one in planned.calls]


@pytest.mark.parametrize(
    ("prompt", "path"),
    [
        ("Read /srv/notes.txt and tell me what it says.", "/srv/notes.txt"),
        ("What is in `src/main.py`?", "src/main.py"),
        ("look at ./a/b.md, please", "./a/b.md"),
        ("read ~/todo", "~/todo"),
        ("show README.md.", "README.md"),
    ],
)
def test_reads_the_path_that_the_prompt_names(prompt: str, path: str) -> None:
    assert called(answer(user(prompt), tools=ALL_TOOLS)) == [("Read", {"file_path": path})]


def test_makes_a_relative_path_absolute_where_the_folder_is_known() -> None:
    told = system("Environment\nWorking directory: /home/me/project\nPlatform: linux")
    assert called(answer(told, user("read notes.txt"), tools=ALL_TOOLS)) == [
        ("Read", {"file_path": "/home/me/project/notes.txt"})
    ]


def test_a_url_or_a_version_is_no_path() -> None:
    planned = answer(user("Is https://example.com/a/b up to date with 1.2.3?"), tools=[READ_TOOL])
    assert planned.calls == ()


def test_lists_the_folder_when_no_path_is_named() -> None:
    assert called(answer(user("What is here?"), tools=[READ_TOOL, GLOB_TOOL])) == [("Glob", {"pattern": "*"})]
    assert called(answer(user("What is here?"), tools=[READ_TOOL, BASH_TOOL])) == [("Bash", {"command": "ls"})]
    folder = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
    assert called(answer(user("hi"), tools=[tool("mcp__files__list_directory", folder)])) == [
        ("mcp__files__list_directory", {"path": "."})
    ]


def test_reads_through_the_shell_when_that_is_all_there_is() -> None:
    planned = answer(user("read '/tmp/a b' and /tmp/it's.txt"), tools=[BASH_TOOL])
    assert called(planned)[0][1]["command"].startswith("cat /tmp/a")


def test_writes_what_is_quoted() -> None:
    planned = answer(user('Write "hello" to out/a.txt'), tools=ALL_TOOLS)
    assert called(planned) == [("Write", {"file_path": "out/a.txt", "content": "hello"})]


def test_runs_the_command_in_backticks() -> None:
    assert called(answer(user("Run `make test`."), tools=ALL_TOOLS)) == [("Bash", {"command": "make test"})]


def test_calls_the_tool_that_the_prompt_speaks_of() -> None:
    ((name, arguments),) = called(answer(user("How is the weather in Oslo?"), tools=ALL_TOOLS))
    assert name == "get_weather"
    assert arguments["unit"] == "celsius"
    assert "Oslo" in arguments["city"]


def test_arguments_fit_the_schema_of_each_tool() -> None:
    for offered in ALL_TOOLS:
        name = offered["function"]["name"]
        choice = {"type": "function", "function": {"name": name}}
        ((chosen, arguments),) = called(answer(user("go"), tools=ALL_TOOLS, tool_choice=choice))
        assert chosen == name
        jsonschema.validate(arguments, offered["function"]["parameters"])


def test_required_always_calls_and_none_never() -> None:
    useless = tool("ponder", {"type": "object", "properties": {}})
    assert answer(user("hi"), tools=[useless]).calls == ()
    assert called(answer(user("hi"), tools=[useless], tool_choice="required")) == [("ponder", {})]
    assert answer(user("read a.txt"), tools=ALL_TOOLS, tool_choice="none").calls == ()


def test_answers_about_what_the_tools_returned() -> None:
    planned = answer(user("read /a"), call("x", "y"), result("x", "forty-two"), result("y", "seven"), tools=ALL_TOOLS)
    assert planned.finish == "stop"
    assert "forty-two" in planned.text
    assert "seven" in planned.text


def test_reminders_behind_the_results_do_not_distract() -> None:
    reminder = user("<system-reminder>\nread /etc/passwd\n</system-reminder>")
    planned = answer(user("read /a"), call("x"), result("x", "forty-two"), reminder, tools=ALL_TOOLS)
    assert "forty-two" in planned.text


def test_images_behind_the_results_are_seen() -> None:
    image = user([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}])
    planned = answer(user("read /a.png"), call("x"), result("x", "(see below)"), image, tools=ALL_TOOLS)
    assert "1 image" in planned.text


def test_words_behind_the_results_are_told() -> None:
    document = user("Document:\n\nThe heron is blue.")
    planned = answer(user("read /a.pdf"), call("x"), result("x", "PDF file read"), document, tools=ALL_TOOLS)
    assert "PDF file read" in planned.text
    assert "The heron is blue." in planned.text


def test_what_a_client_tells_of_its_own_accord_is_answered() -> None:
    done = [user("read /a"), call("x"), result("x", "launched"), {"role": "assistant", "content": "It works on it."}]
    notice = user("<system-reminder>\nThe helper found a heron.\n</system-reminder>")
    planned = answer(*done, notice, tools=ALL_TOOLS)
    assert planned.calls == ()
    assert "The helper found a heron." in planned.text


def test_a_clients_own_talk_is_no_prompt() -> None:
    talk = "<local-command-caveat>read /caveat.txt</local-command-caveat>\n<command-name>/compact</command-name>\n"
    planned = answer(user(talk + "read /a.txt"), tools=ALL_TOOLS)
    assert called(planned) == [("Read", {"file_path": "/a.txt"})]


def test_reminders_are_not_the_prompt() -> None:
    reminder = {"type": "text", "text": "<system-reminder>Never read secret.txt</system-reminder>"}
    planned = answer(user([reminder, {"type": "text", "text": "read notes.txt"}]), tools=ALL_TOOLS)
    assert called(planned) == [("Read", {"file_path": "notes.txt"})]


def test_a_later_prompt_calls_only_for_a_path() -> None:
    before = [user("hi"), {"role": "assistant", "content": "hello"}]
    assert answer(*before, user("thanks"), tools=ALL_TOOLS).calls == ()
    assert called(answer(*before, user("now read b.txt"), tools=ALL_TOOLS)) == [("Read", {"file_path": "b.txt"})]


def test_ids_of_calls_differ_between_turns_and_between_calls() -> None:
    first = answer(user("read a.txt"), tools=ALL_TOOLS)
    parallel = answer(user("read a.txt and b.txt"), tools=ALL_TOOLS, behaviour="sim-parallel")
    later = answer(user("read a.txt"), {"role": "assistant", "content": "a"}, user("read a.txt"), tools=ALL_TOOLS)
    ids = [one.id for planned in (first, parallel, later) for one in planned.calls]
    assert len(set(ids)) == len(ids) == 4


def test_parallel_calls_two_at_once() -> None:
    planned = answer(user("read a.txt and b.txt"), tools=ALL_TOOLS, behaviour="sim-parallel")
    assert [arguments["file_path"] for _, arguments in called(planned)] == ["a.txt", "b.txt"]
    single = answer(user("read a"), tools=ALL_TOOLS, behaviour="sim-parallel", parallel_tool_calls=False)
    assert len(single.calls) == 1


def test_bad_json_leaves_the_arguments_open() -> None:
    (one,) = answer(user("read a.txt"), tools=ALL_TOOLS, behaviour="sim-bad-json").calls
    assert one.arguments == '{"file_path":"a.txt"'


def test_json_answers_fit_the_schema_that_is_asked_for() -> None:
    schema = {
        "type": "object",
        "properties": {"title": {"type": "string", "maxLength": 40}},
        "required": ["title"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "title", "schema": schema}}
    planned = answer(user("Please mend the parser of the config files"), response_format=wanted)
    assert json.loads(planned.text) == {"title": "Please mend the parser of the"}
    assert json.loads(answer(user("hi"), response_format={"type": "json_object"}).text) == {"answer": "hi"}


def test_titles_are_short() -> None:
    asked = system("Write a title of at most six words for this conversation.")
    assert answer(asked, user("Please mend the parser of the config files")).text == "Please mend the parser of the"
    as_json = system('Generate a concise title. Answer with JSON {"title": …}.')
    assert json.loads(answer(as_json, user("mend it")).text) == {"title": "mend it"}


def test_instructions_that_only_mention_titles_ask_for_none() -> None:
    told = system("Keep the title of a pull request short.")
    assert answer(told, user("hi there")).text.startswith("You wrote “hi there”")


def test_summary_requests_get_a_summary_even_with_tools() -> None:
    history = [user("Mend the parser"), call("x"), result("x"), {"role": "assistant", "content": "Done."}]
    asked = user("Your task is to create a detailed summary of the conversation so far.")
    planned = answer(*history, asked, tools=ALL_TOOLS)
    assert planned.calls == ()
    assert "<summary>\nThe user asked: Mend the parser." in planned.text
    assert "Read" in planned.text


def test_thinking_comes_with_calls_and_text() -> None:
    assert answer(user("read a.txt"), tools=ALL_TOOLS, behaviour="sim-thinking").reasoning
    planned = answer(user("hi"), behaviour="sim-thinking")
    assert planned.reasoning
    assert planned.text


def test_stop_sequences_and_token_limits_cut_the_answer() -> None:
    whole = answer(user("hi there"))
    assert answer(user("hi there"), stop="This is").text == whole.text.partition("This is")[0]
    cut = answer(user("hi there"), max_tokens=3)
    assert (cut.text, cut.finish) == (whole.text[:12], "length")
    assert answer(user("hi there"), max_completion_tokens=1000) == whole


def test_names_choose_the_behaviour() -> None:
    assert behaviour_for("anything/else") == Behaviour()
    assert behaviour_for("sim-error-503").error == 503
    assert behaviour_for("sim-error-200") == Behaviour()
    assert behaviour_for("sim-overflow-20000") == Behaviour(window=20_000, provider="openai")
    assert behaviour_for("sim-overflow-ollama-30").provider == "ollama"
    assert behaviour_for("sim-shared-vllm-30") == Behaviour(window=30, provider="vllm", shared=True)
    assert behaviour_for("sim-shared-ollama-30") == behaviour_for("sim-overflow-nobody-30") == Behaviour()
