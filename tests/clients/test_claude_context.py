"""Claude Code keeps a long conversation going through the gateway: taken up again, compacted, too long for a model."""

from __future__ import annotations

import pytest

from gatewayd.simulator.app import Received
from gatewayd.simulator.overflows import PROVIDERS, SHARING
from tests.clients.claude_code import ClaudeCode, tool_results
from tests.clients.conftest import Conversation

pytestmark = pytest.mark.claude

SUMMARY = "The user asked: Hello heron"
NEXT = "What comes next?"


def said_in(received: Received) -> str:
    return str(received.body["messages"])


def ends(sent: list[Received]) -> list[str]:
    return [received.ended for received in sent]


def test_goes_on_with_a_conversation(claude: ClaudeCode) -> None:
    path = claude.project / "note.txt"
    path.write_text("a grey heron", encoding="utf-8")
    claude.work(f"Read {path}", "--allowedTools", "Read", at_most=2)
    result, sent = claude.work("Thank you, heron.", "--continue", "--allowedTools", "Read", at_most=1)
    assert "Thank you, heron." in result
    assert "a grey heron" in tool_results(sent)[0]


def test_compacts_a_conversation_when_it_is_told_to(conversation: Conversation) -> None:
    claude = conversation.claude
    claude.work("/compact", "--continue", at_most=1)
    result, (last,) = claude.work(NEXT, "--continue", at_most=1)
    assert NEXT in result
    assert SUMMARY in said_in(last)
    assert "the heron waits. " * 400 not in said_in(last)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_compacts_a_conversation_that_outgrows_the_window(conversation: Conversation, provider: str) -> None:
    model = f"sim-overflow-{provider}-{conversation.tokens - 1_000}"
    # Where a provider tells no numbers, the client has to try how much it must leave out.
    result, sent = conversation.claude.work(NEXT, "--continue", model=model, at_most=6)
    assert NEXT in result
    assert (sent[0].ended, sent[-1].ended) == ("refused", "whole")
    assert SUMMARY in said_in(sent[-1])


def test_compacts_a_conversation_that_a_tool_result_made_too_long(conversation: Conversation) -> None:
    claude = conversation.claude
    path = claude.home / "long.txt"
    path.write_text("The heron stood still.\n" * 300, encoding="utf-8")
    model = f"sim-overflow-{conversation.tokens + 1_500}"
    result, sent = claude.work(f"Read {path}.", "--continue", "--allowedTools", "Read", model=model, at_most=7)
    assert "The heron stood still." in result
    assert ends(sent)[:2] == ["whole", "refused"]
    assert SUMMARY in said_in(sent[-1])
    assert "The heron stood still." in tool_results(sent)[-1]


@pytest.mark.parametrize("provider", SHARING)
def test_asks_for_less_where_prompt_and_answer_share_the_window(conversation: Conversation, provider: str) -> None:
    model = f"sim-shared-{provider}-{conversation.tokens + 10_000}"
    result, (refused, smaller) = conversation.claude.work(NEXT, "--continue", model=model, at_most=2)
    assert NEXT in result
    assert ends([refused, smaller]) == ["refused", "whole"]
    assert 3_000 <= smaller.body["max_tokens"] < 10_000 < refused.body["max_tokens"]
    assert smaller.body["messages"] == refused.body["messages"]
