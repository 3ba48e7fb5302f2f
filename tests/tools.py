"""The programs that tests need but that are no Python packages: where they are, or why they are not.

`scripts/setup-test-tools` puts them, or the reason why one cannot be had, into `.cache/test-tools/`. A test that needs
one is skipped with that reason, which is printed again at the end of the run; with `CI=true` it fails instead.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".cache" / "test-tools"
_MARK = "needs "


def need(tool: str) -> Path:
    """The folder of a tool that `scripts/setup-test-tools` set up."""
    reason_file = FOLDER / f"{tool}.unavailable"
    if reason_file.exists():
        cannot_be_had(tool, reason_file.read_text(encoding="utf-8").strip())
    if not (FOLDER / tool).is_dir():
        cannot_be_had(tool, "not set up; type: make tools")
    return FOLDER / tool


def cannot_be_had(tool: str, reason: str) -> NoReturn:
    """Ends the test: skipped on a developer's machine, failed where `CI=true` says that nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{_MARK}{tool}: {reason}", pytrace=False)
    pytest.skip(f"{_MARK}{tool}: {reason}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The last words of a run: what was not tested for want of a tool."""
    reports = terminalreporter.getreports("skipped")
    reasons = [
        str(report.longrepr[2]).removeprefix("Skipped: ") for report in reports if isinstance(report.longrepr, tuple)
    ]
    if missing := Counter(reason for reason in reasons if reason.startswith(_MARK)):
        terminalreporter.section("not tested, because a tool is missing")
        for reason, count in sorted(missing.items()):
            terminalreporter.line(f"{count} tests: {reason}")
