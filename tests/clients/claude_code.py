"""The real Claude Code client against a gateway: a scrubbed environment, a fresh HOME, loopback only, bounded.

A fault in the protocol can make the client loop without end, so it is stopped when it has sent too many requests.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers import RunningGateway

MAX_SECONDS = 60
MAX_REQUESTS = 30


@dataclass(frozen=True, slots=True)
class ClaudeCode:
    """One installed version of the client with a home and a project folder of its own."""

    program: Path
    home: Path
    project: Path
    gateway: RunningGateway

    def ask(self, prompt: str, *options: str, model: str = "kimi-k2", **env: str) -> dict[str, Any]:
        """Runs `claude -p PROMPT` to its end; returns the one JSON object that it prints."""
        command = [self.program, "-p", prompt, *options, "--output-format", "json"]
        process = subprocess.Popen(
            command,
            cwd=self.project,
            env=self._env(model) | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            output, errors = self._await_end(process)
        finally:
            process.kill()
            process.wait()
        try:
            answer: dict[str, Any] = json.loads(output)
        except ValueError:
            raise AssertionError(f"exit {process.returncode}\n{output}\n{errors}\n{self._gateway_log()}") from None
        return answer

    def _env(self, model: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "TERM": "xterm",
            "ANTHROPIC_BASE_URL": self.gateway.base_url,
            "ANTHROPIC_AUTH_TOKEN": self.gateway.token,
            "ANTHROPIC_MODEL": model,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_MAX_RETRIES": "2",
            "DISABLE_AUTOUPDATER": "1",
            "DISABLE_ERROR_REPORTING": "1",
            "DISABLE_TELEMETRY": "1",
            "http_proxy": "http://127.0.0.1:9",
            "https_proxy": "http://127.0.0.1:9",
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def _await_end(self, process: subprocess.Popen[str]) -> tuple[str, str]:
        deadline = time.monotonic() + MAX_SECONDS
        while time.monotonic() < deadline:
            with suppress(subprocess.TimeoutExpired):
                return process.communicate(timeout=0.2)
            sent = len(self.gateway.simulator.requests)
            assert sent <= MAX_REQUESTS, f"the client went on and on: {sent} requests\n{self._gateway_log()}"
        raise AssertionError(f"not done after {MAX_SECONDS} s\n{self._gateway_log()}")

    def _gateway_log(self) -> str:
        return self.gateway.log.read_text(encoding="utf-8", errors="replace")[-4000:]
