"""The programs that tests need but that are no Python packages: where they are, or why they are not.

`scripts/setup-test-tools` puts them, or the reason why one cannot be had, into `.cache/test-tools/`. A test that needs
one is skipped with that reason, which is printed again at the end of the run; with `CI=true` it fails instead.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.servers import ROOT

FOLDER = ROOT / ".cache" / "test-tools"
REASONS = pytest.StashKey[dict[str, set[str]]]()


def need(request: pytest.FixtureRequest, tool: str) -> Path:
    """The folder of a tool; skips the test (with `CI=true`: fails it) if the tool cannot be had."""
    folder = FOLDER / tool
    reason_file = FOLDER / f"{tool}.unavailable"
    if reason_file.exists():
        reason = reason_file.read_text(encoding="utf-8").strip()
    elif not folder.is_dir():
        reason = "not set up: run scripts/setup-test-tools"
    else:
        return folder
    missing = request.config.stash[REASONS]
    missing.setdefault(f"{tool}: {reason}", set()).add(request.node.nodeid)
    if os.environ.get("CI") == "true":
        pytest.fail(f"needs {tool}: {reason}", pytrace=False)
    pytest.skip(f"needs {tool}: {reason}")
