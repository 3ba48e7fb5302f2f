"""Claude Code itself and the gateway: what it is told when things go wrong, the models it finds, the end of a run."""

from __future__ import annotations

import json
import signal

import pytest

from tests.clients.claude_code import ClaudeCode
from tests.servers import RunningGateway

pytestmark = pytest.mark.claude

DISCOVER = {"CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": ""}


def test_counts_what_it_uses(claude: ClaudeCode) -> None:
    answer = claude.ask("Hello, heron.", "--tools", "")
    usage = answer["usage"]
    assert usage["output_tokens"] > 0
    assert usage["input_tokens"] + usage["cache_read_input_tokens"] > 1000


def test_says_that_the_rate_limit_is_reached(claude: ClaudeCode) -> None:
    answer = claude.ask("Hello", model="sim-error-429", CLAUDE_CODE_MAX_RETRIES="1")
    assert answer["is_error"] is True
    assert answer["api_error_status"] == 429


def test_says_that_the_model_is_unknown(claude: ClaudeCode) -> None:
    answer = claude.ask("Hello", model="no-such-model")
    assert answer["is_error"] is True
    assert answer["api_error_status"] == 404


def test_never_takes_a_cut_answer_for_a_whole_one(claude: ClaudeCode) -> None:
    answer = claude.ask("Hello", model="sim-cut-stream")
    assert answer["is_error"] is True


def test_finds_the_models_of_the_gateway(claude: ClaudeCode) -> None:
    found = claude.home / ".claude" / "cache" / "gateway-models.json"
    wait = f"Run `until grep -q heron {found}; do sleep 0.05; done`"  # it looks for them while it works
    claude.work(wait, "--allowedTools", "Bash", at_most=3, **DISCOVER)
    models = json.loads(found.read_text(encoding="utf-8"))["models"]
    assert models == [{"id": "claude-heron", "display_name": "claude-heron"}]


def test_an_interrupt_reaches_the_provider_within_a_second(claude: ClaudeCode, sqlite_gateway: RunningGateway) -> None:
    events = ("--output-format", "stream-json", "--verbose", "--include-partial-messages")
    with claude.running("Hello, heron. " * 50, "--tools", "", *events, model="sim-slow") as process:
        assert process.stdout is not None
        assert any('"text_delta"' in line for line in process.stdout), "no answer began"
        process.send_signal(signal.SIGINT)
        (received,) = claude.requests
        assert sqlite_gateway.simulator.outcome(received, 1) == "client_gone"


def test_escape_at_a_terminal_reaches_the_provider_within_a_second(
    claude: ClaudeCode, sqlite_gateway: RunningGateway
) -> None:
    small = {"ANTHROPIC_DEFAULT_HAIKU_MODEL": "kimi-k2", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": ""}
    with claude.at_terminal("--tools", "", model="sim-slow", **small) as terminal:
        terminal.type("Of herons,\nplease tell me what you know")
        terminal.wait_for("what you know")
        terminal.type("\r")
        terminal.wait_for("You wrote “Of herons,")  # it paints whole lines
        terminal.type("\x1b")
        title, answer = sorted(claude.requests, key=lambda received: len(received.body["messages"][0]["content"]))
        assert sqlite_gateway.simulator.outcome(answer, 1) == "client_gone"
    assert answer.body["model"] == "sim-slow"
    assert "title" in title.body["messages"][0]["content"]
    assert title.ended == "whole"
