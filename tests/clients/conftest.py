"""The real clients: where they are installed, and fresh homes for them. Claude Code runs against SQLite alone, for what
it does to a gateway does not depend on the database."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from gatewayd.simulator.usage import PromptCache
from tests.clients.claude_code import ClaudeCode, settle
from tests.clients.served import Before, run_before
from tests.servers import RunningGateway
from tests.tools import need


@pytest.fixture(scope="session", params=["claude-2.1.197", "claude-newest"])
def program(request: pytest.FixtureRequest) -> Path:
    """Claude Code, once in the version that was studied in full and once in the newest."""
    return need(request.param) / "node_modules" / ".bin" / "claude"


@pytest.fixture
def claude(program: Path, tmp_path: Path, sqlite_gateway: RunningGateway) -> ClaudeCode:
    return _at_home(program, tmp_path, sqlite_gateway)


@pytest.fixture
def before(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Before:
    """`async with before(script, timing=…, token=…, **upstream) as run`"""
    return partial(run_before, program=program, folder=tmp_path, monkeypatch=monkeypatch)


@dataclass(frozen=True, slots=True)
class Conversation:
    """tokens: of the last prompt, as the provider counts; it holds three long turns, the first about a heron."""

    claude: ClaudeCode
    tokens: int


@pytest.fixture(scope="session")
def told_conversation(
    program: Path, tmp_path_factory: pytest.TempPathFactory, sqlite_gateway: RunningGateway
) -> Conversation:
    claude = _at_home(program, tmp_path_factory.mktemp("conversation"), sqlite_gateway)
    claude.work("Hello, heron. " * 400, at_most=2)
    for number in range(2):
        _, sent = claude.work(f"Chapter {number}: " + "the heron waits. " * 400, "--continue", at_most=1)
    tokens, _ = PromptCache().measure(sent[-1].body)
    return Conversation(claude, tokens)


@pytest.fixture
def conversation(told_conversation: Conversation, tmp_path: Path, sqlite_gateway: RunningGateway) -> Conversation:
    """A long conversation that `--continue` takes up again; what is done to it touches no other test."""
    sqlite_gateway.simulator.forget()
    home = tmp_path / "home"
    shutil.copytree(told_conversation.claude.home, home)
    return replace(told_conversation, claude=replace(told_conversation.claude, home=home))


def _at_home(program: Path, folder: Path, gateway: RunningGateway) -> ClaudeCode:
    gateway.simulator.forget()
    return settle(program, folder, gateway)
