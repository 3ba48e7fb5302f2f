"""What is taken elsewhere: the bundle without people and secrets, the command that sends a request again."""

from __future__ import annotations

import shlex
from typing import Any

import orjson

from gatewayd.admin.bundle import build_bundle, build_curl, without_texts
from gatewayd.admin.compare import Note
from tests.store.rows import log_row
from tests.store.sessions import agent_session

ROW = log_row(
    session="s-1", agent="a-1", token="laptop-of-ann", client_ip="10.1.2.3", model="claude-opus-4-5", error="no"
)


def test_a_bundle_holds_the_request_and_not_who_sent_it() -> None:
    bundle = build_bundle(ROW, [Note("a.b", "c")], {"request": {"model": "m"}, "told": {"text": "x"}})
    text = orjson.dumps(bundle).decode()
    assert (bundle["request"], bundle["upstream_answer"], bundle["answer"]) == ({"model": "m"}, {"text": "x"}, None)
    assert bundle["notes"] == [{"code": "a.b", "text": "c"}]
    for secret in ("s-1", "a-1", "laptop-of-ann", "10.1.2.3"):
        assert secret not in text


def test_without_texts_the_shape_stays_and_nothing_that_was_said() -> None:
    (request, upstream, answer), *_ = agent_session(3)
    said = {
        "role": "user",
        "content": [{"type": "tool_use", "name": "Bash", "input": {"command": "rm -rf secret-plan"}}],
    }
    request["messages"].append(said)
    bundle = build_bundle(ROW, [], {"request": request, "upstream": upstream, "answer": answer})
    bare = without_texts(bundle)
    text = orjson.dumps(bare).decode()
    for words in ("secret-plan", request["system"][0]["text"][:30], request["messages"][0]["content"][0]["text"][:30]):
        assert words not in text
    assert bare["log"]["model"] == "claude-opus-4-5"
    assert bare["log"]["error"] == "no"
    assert bare["request"]["messages"][-1]["content"][0]["input"] == {"command": "[18 characters]"}
    assert [tool["name"] for tool in bare["request"]["tools"]] == [tool["name"] for tool in request["tools"]]
    assert bare["request"]["max_tokens"] == 32000


def arguments(command: str) -> list[str]:
    return shlex.split(command.replace("\\\n", " "))


def test_the_command_sends_the_same_body_with_a_token_of_the_reader() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": 'it\'s $HOME `id` "x" \n\\ end'}]}
    command, inline = build_curl("https://a.example", ROW, body, 10_000)
    words = arguments(command)
    assert inline
    assert words[:2] == ["curl", "https://a.example/gateway/g/v1/messages"]
    assert orjson.loads(words[words.index("--data") + 1]) == body
    assert "authorization: Bearer $ANTHROPIC_AUTH_TOKEN" in words


def test_a_long_body_comes_from_a_file_and_none_gives_no_command() -> None:
    command, inline = build_curl("https://a.example", ROW, {"model": "m" * 100}, 50)
    assert (arguments(command)[-1], inline) == ("@request.json", False)
    nothing: Any = None
    assert build_curl("https://a.example", ROW, nothing, 50) == ("", False)
