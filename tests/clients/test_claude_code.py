"""Claude Code itself works through the gateway: tool loops, thinking, a conversation taken up again, errors."""

from __future__ import annotations

import pytest

from gatewayd.simulator.usage import PromptCache
from tests.clients.claude_code import ClaudeCode

pytestmark = pytest.mark.claude

SECRET = "the heron stands in the reeds at a quarter past nine"


def tool_results(claude: ClaudeCode) -> list[str]:
    """What the provider was sent as results of tools, over all requests."""
    bodies = [received.body for received in claude.gateway.simulator.requests]
    return [message["content"] for body in bodies for message in body["messages"] if message["role"] == "tool"]


def write_note(claude: ClaudeCode, name: str = "note.txt", text: str = SECRET) -> str:
    path = claude.project / name
    path.write_text(text + "\n", encoding="utf-8")
    return str(path)


def test_reads_a_file(claude: ClaudeCode) -> None:
    path = write_note(claude)
    answer = claude.ask(f"Read {path} and tell me what it says.", "--allowedTools", "Read")
    assert answer["is_error"] is False, answer
    assert SECRET in answer["result"]
    assert answer["num_turns"] >= 2
    assert any(SECRET in result for result in tool_results(claude))
    assert answer["usage"]["output_tokens"] > 0
    assert answer["usage"]["input_tokens"] + answer["usage"]["cache_read_input_tokens"] > 1000


def test_reads_two_files_at_once(claude: ClaudeCode) -> None:
    paths = [write_note(claude, "a.txt", "alpha heron"), write_note(claude, "b.txt", "beta heron")]
    answer = claude.ask(f"Read {paths[0]} and {paths[1]}.", "--allowedTools", "Read", model="sim-parallel")
    assert answer["is_error"] is False, answer
    assert "alpha heron" in answer["result"]
    assert "beta heron" in answer["result"]


def test_writes_a_file(claude: ClaudeCode) -> None:
    path = claude.project / "made.txt"
    answer = claude.ask(f'Write "{SECRET}" to {path}', "--allowedTools", "Write")
    assert answer["is_error"] is False, answer
    assert path.read_text(encoding="utf-8") == SECRET


def test_works_with_a_model_that_thinks(claude: ClaudeCode) -> None:
    path = write_note(claude)
    answer = claude.ask(f"Read {path}", "--allowedTools", "Read", model="sim-thinking")
    assert answer["is_error"] is False, answer
    assert SECRET in answer["result"]


def test_works_with_arguments_that_have_to_be_repaired(claude: ClaudeCode) -> None:
    path = write_note(claude)
    answer = claude.ask(f"Read {path}", "--allowedTools", "Read", model="sim-bad-json")
    assert answer["is_error"] is False, answer
    assert SECRET in answer["result"]


def test_goes_on_with_a_conversation(claude: ClaudeCode) -> None:
    path = write_note(claude)
    claude.ask(f"Read {path}", "--allowedTools", "Read")
    claude.gateway.simulator.forget()
    answer = claude.ask("Thank you, heron.", "--continue", "--allowedTools", "Read")
    assert answer["is_error"] is False, answer
    assert "Thank you, heron." in answer["result"]
    assert any(SECRET in result for result in tool_results(claude))


def test_says_that_the_rate_limit_is_reached(claude: ClaudeCode) -> None:
    answer = claude.ask("Hello", model="sim-error-429")
    assert answer["is_error"] is True
    assert answer["api_error_status"] == 429


def test_says_that_the_model_is_unknown(claude: ClaudeCode) -> None:
    answer = claude.ask("Hello", model="no-such-model")
    assert answer["is_error"] is True
    assert answer["api_error_status"] == 404


def test_never_takes_a_cut_answer_for_a_whole_one(claude: ClaudeCode) -> None:
    answer = claude.ask("Hello", model="sim-cut-stream")
    assert answer["is_error"] is True


def test_shortens_a_conversation_that_outgrows_the_window(claude: ClaudeCode) -> None:
    claude.ask("Hello, heron. " * 400)
    for number in range(3):
        claude.ask(f"Chapter {number}: " + "the heron waits. " * 400, "--continue")
    whole, _ = PromptCache().measure(claude.gateway.simulator.requests[-1].body)
    claude.gateway.simulator.forget()
    answer = claude.ask("What comes next?", "--continue", model=f"sim-overflow-{whole - 1_000}")
    assert answer["is_error"] is False, answer
    assert "What comes next?" in answer["result"]
    refused, *_, last = claude.gateway.simulator.requests
    assert (refused.ended, last.ended) == ("refused", "whole")
    assert "The user asked: Hello heron" in str(last.body["messages"]), "the summary was not used"
