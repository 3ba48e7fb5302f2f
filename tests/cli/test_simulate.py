"""`gatewayd simulate`, as a person runs it."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from click.testing import CliRunner

from gatewayd.cli.simulate import simulate
from tests.servers import clean_env, end
from tests.tools import ROOT

START = "from gatewayd.cli.simulate import simulate; simulate()"


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", START, "--port", "0", "--delay", "0"]
    started = subprocess.Popen(command, cwd=ROOT, env=clean_env({}), stderr=subprocess.PIPE, text=True)
    try:
        yield started
    finally:
        end(started)


def test_serves_where_it_says_and_stops_on_sigterm(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    found = re.search(r"http://127\.0\.0\.1:\d+/v1", process.stderr.readline())
    assert found
    body = {"model": "sim-fast", "messages": [{"role": "user", "content": "hi"}]}
    with httpx.Client(trust_env=False, timeout=10) as client:
        assert client.get(f"{found[0]}/models").status_code == 200
        assert "hi" in client.post(f"{found[0]}/chat/completions", json=body).text
    process.terminate()
    assert process.wait(10) == 0


def test_a_taken_port_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(simulate, ["--port", str(port)])
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: cannot listen: Address already in use")
    assert str(port) in line
    assert line.endswith("try --port 0")


def test_help_starts_with_an_example() -> None:
    shown = CliRunner().invoke(simulate, ["--help"]).output
    assert shown.index("Example:") < shown.index("Options:")
