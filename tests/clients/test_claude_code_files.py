"""Claude Code with pictures, documents, failing tools, edits, subagents, web search, MCP and schemas."""

from __future__ import annotations

import json
import struct
import sys
import zlib
from pathlib import Path

import pytest

from gatewayd.simulator.usage import PromptCache
from tests.clients.claude_code import ClaudeCode
from tests.protocol.pdfs import make_pdf

pytestmark = pytest.mark.claude

SECRET = "the heron stands in the reeds"


def messages(claude: ClaudeCode) -> list[dict]:
    """All messages that the provider was sent, over all requests."""
    return [message for received in claude.gateway.simulator.requests for message in received.body["messages"]]


def parts(claude: ClaudeCode, kind: str) -> list[dict]:
    contents = [message["content"] for message in messages(claude) if isinstance(message.get("content"), list)]
    return [part for content in contents for part in content if part["type"] == kind]


def png(path: Path) -> Path:
    """A red square."""
    side = 32
    rows = b"".join(b"\0" + b"\xff\0\0" * side for _ in range(side))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )
    return path


def test_reads_a_picture(claude: ClaudeCode) -> None:
    path = png(claude.project / "red.png")
    answer = claude.ask(f"Read {path} and say what it shows.", "--allowedTools", "Read")
    assert answer["is_error"] is False, answer
    urls = [part["image_url"]["url"] for part in parts(claude, "image_url")]
    assert urls
    assert all(url.startswith("data:image/") for url in urls)
    assert answer["num_turns"] >= 2


def test_reads_a_pdf(claude: ClaudeCode) -> None:
    path = claude.project / "note.pdf"
    path.write_bytes(make_pdf([SECRET]))
    answer = claude.ask(f"Read {path} and tell me what it says.", "--allowedTools", "Read")
    assert answer["is_error"] is False, answer
    assert any(SECRET in json.dumps(message) for message in messages(claude)), "the provider never saw the text"


def test_a_failing_tool_is_told_and_the_run_ends_well(claude: ClaudeCode) -> None:
    answer = claude.ask(f"Read {claude.project}/missing.txt", "--allowedTools", "Read")
    assert answer["is_error"] is False, answer
    results = [message["content"] for message in messages(claude) if message["role"] == "tool"]
    assert results
    assert all("error" in result.lower() or "not exist" in result for result in results)


def test_answers_with_a_schema(claude: ClaudeCode) -> None:
    schema = {
        "type": "object",
        "properties": {"animal": {"type": "string"}, "count": {"type": "integer"}},
        "required": ["animal", "count"],
        "additionalProperties": False,
    }
    answer = claude.ask("Name an animal.", "--json-schema", json.dumps(schema))
    assert answer["is_error"] is False, answer
    made = answer["structured_output"]
    assert isinstance(made["animal"], str)
    assert isinstance(made["count"], int)


MCP_SERVER = """
import json, sys
NAME = "tell_the_reeds_where_the_heron_stands_at_a_quarter_past_nine"
for line in sys.stdin:
    request = json.loads(line)
    if "id" not in request:
        continue
    if request["method"] == "initialize":
        result = {"protocolVersion": request["params"]["protocolVersion"], "capabilities": {"tools": {}},
                  "serverInfo": {"name": "s", "version": "1"}}
    elif request["method"] == "tools/list":
        result = {"tools": [{"name": NAME, "description": "Tells the heron's secret.",
                             "inputSchema": {"type": "object", "properties": {}}}]}
    elif request["method"] == "tools/call":
        result = {"content": [{"type": "text", "text": "SECRET"}]}
    else:
        result = {}
    print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}), flush=True)
"""


def test_calls_a_tool_of_an_mcp_server_whose_name_is_too_long(claude: ClaudeCode) -> None:
    script = claude.project / "server.py"
    script.write_text(MCP_SERVER.replace("SECRET", SECRET))
    config = claude.project / "mcp.json"
    server = {"command": sys.executable, "args": [str(script)]}
    config.write_text(json.dumps({"mcpServers": {"heronry": server}}))
    tool = "mcp__heronry__tell_the_reeds_where_the_heron_stands_at_a_quarter_past_nine"
    assert len(tool) > 64
    answer = claude.ask(
        f"Call {tool} and tell me what it says.", "--mcp-config", str(config), "--allowedTools", tool,
        ENABLE_TOOL_SEARCH="false",
    )  # fmt: skip
    assert answer["is_error"] is False, answer
    names = {t["function"]["name"] for r in claude.gateway.simulator.requests for t in r.body.get("tools", [])}
    assert all(len(name) <= 64 for name in names)
    assert SECRET in answer["result"]


def test_edits_a_file(claude: ClaudeCode) -> None:
    path = claude.project / "poem.txt"
    path.write_text("the heron sleeps\n")
    answer = claude.ask(f'Edit {path}: replace "sleeps" with "wakes"', "--allowedTools", "Read", "Edit")
    assert answer["is_error"] is False, answer
    assert path.read_text() == "the heron wakes\n"


def test_runs_a_subagent(claude: ClaudeCode) -> None:
    answer = claude.ask("Let an agent count the herons.", "--allowedTools", "Agent", "Task", "Bash", "Glob")
    assert answer["is_error"] is False, answer
    called = {call["function"]["name"] for message in messages(claude) for call in message.get("tool_calls") or ()}
    assert called & {"Agent", "Task"}
    assert len({str(r.body["messages"][0]) for r in claude.gateway.simulator.requests}) >= 2, "no agent of its own"


def test_searches_the_web_in_text(claude: ClaudeCode) -> None:
    answer = claude.ask("Search the web for herons.", "--allowedTools", "WebSearch", ENABLE_TOOL_SEARCH="false")
    assert answer["is_error"] is False, answer
    called = {call["function"]["name"] for message in messages(claude) for call in message.get("tool_calls") or ()}
    assert "WebSearch" in called
    names = {t["function"]["name"] for r in claude.gateway.simulator.requests for t in r.body.get("tools", [])}
    assert "web_search" not in names


def test_compacts_when_asked(claude: ClaudeCode) -> None:
    claude.ask("Hello, heron.")
    claude.gateway.simulator.forget()
    answer = claude.ask("/compact", "--continue")
    assert answer["is_error"] is False, answer
    claude.gateway.simulator.forget()
    answer = claude.ask("What now?", "--continue")
    assert answer["is_error"] is False, answer
    assert "The user asked: Hello heron" in str(messages(claude))


@pytest.mark.parametrize("provider", ["openai", "deepseek", "openrouter", "llamacpp", "ollama", "perplexity"])
def test_compacts_by_itself_whatever_words_say_that_the_context_is_full(claude: ClaudeCode, provider: str) -> None:
    claude.ask("Hello, heron. " * 400)
    for number in range(3):
        claude.ask(f"Chapter {number}: " + "the heron waits. " * 400, "--continue")
    whole, _ = PromptCache().measure(claude.gateway.simulator.requests[-1].body)
    claude.gateway.simulator.forget()
    answer = claude.ask("What comes next?", "--continue", model=f"sim-overflow-{provider}-{whole - 1_000}")
    assert answer["is_error"] is False, answer
    assert "What comes next?" in answer["result"]
    refused, *_, last = claude.gateway.simulator.requests
    assert (refused.ended, last.ended) == ("refused", "whole")


def test_asks_for_less_where_prompt_and_answer_together_do_not_fit(claude: ClaudeCode) -> None:
    claude.ask("Hello, heron.")
    tokens, _ = PromptCache().measure(claude.gateway.simulator.requests[-1].body)
    claude.gateway.simulator.forget()
    answer = claude.ask("Hello, heron.", model=f"sim-total-{tokens + 9_000}")
    assert answer["is_error"] is False, answer
    first, *_, last = claude.gateway.simulator.requests
    assert (first.ended, last.ended) == ("refused", "whole")
    assert last.body["max_tokens"] < 9_000 < first.body["max_tokens"]


def test_a_provider_that_nobody_described_answers_the_first_turn(claude: ClaudeCode) -> None:
    path = png(claude.project / "red.png")
    model = "sim-refuses-max_tokens+stream_options+list_content"
    answer = claude.ask(f"Read {path}", "--allowedTools", "Read", model=model)
    assert answer["is_error"] is False, answer
    claude.gateway.simulator.forget()
    answer = claude.ask("Thank you, heron.", "--continue", model=model)
    assert answer["is_error"] is False, answer
    assert [received.ended for received in claude.gateway.simulator.requests] == ["whole"]
