"""The real clients: where they are installed, and fresh homes for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.claude_code import ClaudeCode
from tests.servers import RunningGateway, RunningSimulator, run_gateway
from tests.tools import need


@pytest.fixture(scope="session")
def claude_gateway(
    tmp_path_factory: pytest.TempPathFactory, shared_simulator: RunningSimulator
) -> Iterator[RunningGateway]:
    """On SQLite alone: what the database is, a client cannot see, and these tests take long."""
    with run_gateway(tmp_path_factory.mktemp("claude"), shared_simulator) as running:
        yield running


@pytest.fixture(params=["claude-2.1.197", "claude-newest"])
def claude(request: pytest.FixtureRequest, tmp_path: Path, claude_gateway: RunningGateway) -> ClaudeCode:
    """Claude Code, once in the version that was studied in full and once in the newest."""
    program = need(request.param) / "node_modules" / ".bin" / "claude"
    for name in ("home", "project"):
        (tmp_path / name).mkdir()
    claude_gateway.simulator.forget()
    return ClaudeCode(program, tmp_path / "home", tmp_path / "project", claude_gateway)
