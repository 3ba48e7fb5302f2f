"""Claude Code's tools work through the gateway: what the model calls is done, and the model is told what came of it."""

from __future__ import annotations

import base64
import itertools
import json
import struct
import sys
import zlib
from pathlib import Path

import pytest

from tests.clients import mcp_server
from tests.clients.claude_code import ClaudeCode, tool_names, tool_results
from tests.protocol.pdfs import make_pdf

pytestmark = pytest.mark.claude

SECRET = "the heron stands in the reeds at a quarter past nine"
MCP_NAME = f"mcp__nests__{mcp_server.TOOL}"
CALL_NESTS = 'call mcp__nests__find_the_nest {"river": "Spree"}'
NEST = mcp_server.NEST.format(river="Spree")


def put(claude: ClaudeCode, name: str, content: bytes | str) -> Path:
    path = claude.project / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def spell(name: str, **arguments: object) -> str:
    return f"call {name} {json.dumps(arguments)}"


def make_png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits, true colour
    rows = (b"\0" + b"\xff\x40\x00" * width) * height
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(kind, data) for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    )


def with_nests(claude: ClaudeCode) -> tuple[str, ...]:
    """The options that make a server with a long-named tool known."""
    servers = {"nests": {"command": sys.executable, "args": [mcp_server.__file__]}}
    path = put(claude, "mcp.json", json.dumps({"mcpServers": servers}))
    return ("--mcp-config", str(path), "--allowedTools", "mcp__nests", "ToolSearch")


def test_reads_a_file(claude: ClaudeCode) -> None:
    path = put(claude, "note.txt", SECRET)
    result, sent = claude.work(f"Read {path} and tell me what it says.", "--allowedTools", "Read", at_most=2)
    assert SECRET in result
    assert SECRET in tool_results(sent)[0]


def test_reads_an_image(claude: ClaudeCode) -> None:
    path = put(claude, "heron.png", make_png(40, 30))
    result, sent = claude.work(f"Read {path}.", "--allowedTools", "Read", at_most=2)
    assert "1 image" in result
    tool, user = sent[-1].body["messages"][-2:]
    assert (tool["role"], user["role"]) == ("tool", "user")
    (url,) = [part["image_url"]["url"] for part in user["content"] if part["type"] == "image_url"]
    kind, _, data = url.partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data).startswith(b"\x89PNG\r\n\x1a\n")


def test_reads_a_pdf(claude: ClaudeCode) -> None:
    path = put(claude, "heron.pdf", make_pdf([SECRET, "and waits"]))
    result, sent = claude.work(f"Read {path}.", "--allowedTools", "Read", at_most=2)
    assert SECRET in result
    tool, user = sent[-1].body["messages"][-2:]
    assert (tool["role"], user["role"]) == ("tool", "user")
    assert f"[Page 1]\n{SECRET}\n[Page 2]\nand waits" in user["content"]


def test_goes_on_without_a_pdf_that_holds_no_text(claude: ClaudeCode) -> None:
    path = put(claude, "scan.pdf", make_pdf([""]))
    result, _ = claude.work(f"Read {path}.", "--allowedTools", "Read", at_most=2)
    assert "it may be a scan" in result


def test_reads_two_files_at_once(claude: ClaudeCode) -> None:
    paths = [put(claude, f"{name}.txt", f"{name} heron") for name in ("alpha", "beta")]
    orders = " and ".join(spell("Read", file_path=str(path)) for path in paths)
    result, sent = claude.work(f"Please {orders}.", "--allowedTools", "Read", at_most=2)
    first, second = tool_results(sent)
    assert "alpha heron" in first
    assert "beta heron" in second
    assert "alpha heron" in result
    assert "beta heron" in result


def test_tells_the_model_that_a_tool_failed(claude: ClaudeCode) -> None:
    result, sent = claude.work(f"Read {claude.project / 'nowhere.txt'}.", "--allowedTools", "Read", at_most=2)
    (told,) = tool_results(sent)
    assert told.startswith(("Error: ", "<tool_use_error>"))
    assert "does not exist" in told
    assert told in result


def test_tells_the_model_that_a_tool_is_not_allowed(claude: ClaudeCode) -> None:
    path = claude.project / "made.txt"
    _, sent = claude.work(f'Write "{SECRET}" to {path}', at_most=2)
    (told,) = tool_results(sent)
    assert told.startswith("Error: ")
    assert not path.exists()


def test_writes_a_file(claude: ClaudeCode) -> None:
    path = claude.project / "made.txt"
    claude.work(f'Write "{SECRET}" to {path}', "--allowedTools", "Write", at_most=2)
    assert path.read_text(encoding="utf-8") == SECRET


def test_edits_a_file_that_it_has_read(claude: ClaudeCode) -> None:
    path = put(claude, "note.txt", "a grey heron\n")
    edit = spell("Edit", file_path=str(path), old_string="grey", new_string="blue")
    prompt = f"First {spell('Read', file_path=str(path))}, then {edit}."
    _, sent = claude.work(prompt, "--allowedTools", "Read", "Edit", at_most=3)
    assert path.read_text(encoding="utf-8") == "a blue heron\n"
    for earlier, later in itertools.pairwise(sent):
        said = earlier.body["messages"]
        assert later.body["messages"][: len(said)] == said, "the provider's prefix cache is defeated"
        assert later.body["tools"] == earlier.body["tools"]


def test_works_with_a_model_that_thinks(claude: ClaudeCode) -> None:
    path = put(claude, "note.txt", SECRET)
    result, _ = claude.work(f"Read {path}", "--allowedTools", "Read", model="sim-thinking", at_most=2)
    assert SECRET in result


def test_works_with_arguments_that_have_to_be_repaired(claude: ClaudeCode) -> None:
    path = put(claude, "note.txt", SECRET)
    result, _ = claude.work(f"Read {path}", "--allowedTools", "Read", model="sim-bad-json", at_most=2)
    assert SECRET in result


def test_a_subagent_reports_what_it_has_read(claude: ClaudeCode) -> None:
    path = put(claude, "note.txt", SECRET)
    order = spell("Agent", description="read", prompt=f"Read {path}.", subagent_type="general-purpose")
    result, sent = claude.work(f"Please {order}.", "--allowedTools", "Agent", "Read", at_most=6)
    assert SECRET in result
    systems = {received.body["messages"][0]["content"] for received in sent}
    assert len(systems) == 2, "there was no subagent"
    assert {received.ended for received in sent} == {"whole"}


def test_searches_the_web_in_a_call_of_its_own(claude: ClaudeCode) -> None:
    result, sent = claude.work(
        f"Please {spell('WebSearch', query='herons')}.", "--allowedTools", "WebSearch", at_most=3
    )
    _, search, last = sent
    assert tool_names(search) == []
    assert "herons" in search.body["messages"][-1]["content"]
    (told,) = tool_results([last])
    assert "herons" in told
    assert "herons" in result


def test_calls_an_mcp_tool_whose_name_is_too_long_for_providers(claude: ClaudeCode) -> None:
    assert len(MCP_NAME) > mcp_server.WIRE_LIMIT
    options = with_nests(claude)
    result, sent = claude.work(f"Please {CALL_NESTS}.", *options, at_most=2, ENABLE_TOOL_SEARCH="false")
    assert tool_results(sent) == [NEST]
    assert NEST in result


def test_loads_a_deferred_tool_and_calls_it(claude: ClaudeCode) -> None:
    search = spell("ToolSearch", query=f"select:{MCP_NAME}")
    options = with_nests(claude)
    result, sent = claude.work(f"First {search}, then {CALL_NESTS}.", *options, at_most=3, ENABLE_TOOL_SEARCH="true")
    first, loaded, last = sent
    (wire_name,) = set(tool_names(loaded)) - set(tool_names(first))
    assert wire_name.startswith("mcp__nests__find_the_nest")
    assert tool_results([last]) == [f"Tool {wire_name} is available now.", NEST]
    assert NEST in result


def test_answers_in_json_of_a_schema(claude: ClaudeCode) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "height": {"type": "integer", "minimum": 90}},
        "required": ["name", "height"],
    }
    answer = claude.ask("How tall is a heron?", "--json-schema", json.dumps(schema), "--tools", "")
    assert answer["is_error"] is False, answer
    assert answer["structured_output"]["height"] == 90
    assert len(claude.requests) <= 3


def test_a_provider_that_nobody_described_answers_the_first_turn(claude: ClaudeCode) -> None:
    model = "sim-refuses-max_tokens+stream_options+list_content"
    path = put(claude, "heron.png", make_png(40, 30))
    _, first = claude.work(f"Read {path}.", "--allowedTools", "Read", model=model, at_most=5)
    assert [received.ended for received in first][-1] == "whole"
    result, second = claude.work("Thank you, heron.", "--continue", model=model, at_most=1)
    assert [received.ended for received in second] == ["whole"]
    assert "Thank you, heron." in result
