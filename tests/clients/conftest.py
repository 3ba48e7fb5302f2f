"""The real clients: where they are installed, and fresh homes for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.claude_code import ClaudeCode
from tests.servers import RunningGateway
from tests.tools import need


@pytest.fixture(params=["claude-2.1.197", "claude-newest"])
def claude(request: pytest.FixtureRequest, tmp_path: Path, gateway: RunningGateway) -> ClaudeCode:
    """Claude Code, once in the version that was studied in full and once in the newest."""
    program = need(request.param) / "node_modules" / ".bin" / "claude"
    for name in ("home", "project"):
        (tmp_path / name).mkdir()
    return ClaudeCode(program, tmp_path / "home", tmp_path / "project", gateway)
