"""The real Claude Code client against a gateway: a scrubbed environment, a fresh HOME, loopback only, bounded.

A fault in the protocol can make the client loop without end, so it is stopped when it has sent too many requests.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gatewayd.simulator.app import Received
from tests.clients.terminal import Terminal, at_terminal

MAX_SECONDS = 60
MAX_REQUESTS = 30


class ServedGateway(Protocol):
    """base_url: without /v1; requests: what reached the provider, in order."""

    @property
    def base_url(self) -> str: ...
    @property
    def token(self) -> str: ...
    @property
    def requests(self) -> list[Any]: ...
    def last_words(self) -> str:
        """What explains a failure."""


@dataclass(frozen=True, slots=True)
class ClaudeCode:
    """One installed version of the client with a home and a project folder of its own. seconds: how long it may run."""

    program: Path
    home: Path
    project: Path
    gateway: ServedGateway
    seconds: float = MAX_SECONDS

    @property
    def requests(self) -> list[Any]:
        """What reached the provider."""
        return self.gateway.requests

    def ask(self, prompt: str, *options: str, model: str = "kimi-k2", **env: str) -> dict[str, Any]:
        """Runs `claude -p PROMPT` to its end; returns the one JSON object that it prints."""
        with self.running(prompt, *options, "--output-format", "json", model=model, **env) as process:
            output, errors = self._await_end(process)
        try:
            answer: dict[str, Any] = json.loads(output)
        except ValueError:
            raise AssertionError(
                f"exit {process.returncode}\n{output}\n{errors}\n{self.gateway.last_words()}"
            ) from None
        return answer

    def work(
        self, prompt: str, *options: str, at_most: int, model: str = "kimi-k2", **env: str
    ) -> tuple[str, list[Received]]:
        """What came of a prompt that has to end well, and the requests that it took at the provider."""
        before = len(self.requests)
        answer = self.ask(prompt, *options, model=model, **env)
        sent = self.requests[before:]
        assert (answer["is_error"], answer.get("api_error_status")) == (False, None), answer
        assert 1 <= len(sent) <= at_most, [received.body["messages"][-1] for received in sent]
        return answer["result"], sent

    @contextmanager
    def running(
        self, prompt: str, *options: str, model: str = "kimi-k2", **env: str
    ) -> Iterator[subprocess.Popen[str]]:
        """`claude -p PROMPT`, killed on the way out, or when its time is up, if it has not ended."""
        process = subprocess.Popen(
            [self.program, "-p", prompt, *options],
            cwd=self.project,
            env=self._env(model) | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        limit = threading.Timer(self.seconds, process.kill)
        limit.start()
        try:
            yield process
        finally:
            limit.cancel()
            process.kill()
            process.communicate()

    @contextmanager
    def at_terminal(self, *options: str, model: str = "kimi-k2", **env: str) -> Iterator[Terminal]:
        """`claude` as a person uses it, ready for a prompt."""
        known = {"hasCompletedOnboarding": True, "theme": "dark"}
        projects = {str(self.project): {"hasTrustDialogAccepted": True}}
        (self.home / ".claude.json").write_text(json.dumps({**known, "projects": projects}), encoding="utf-8")
        with at_terminal([self.program, *options], self.project, self._env(model) | env) as terminal:
            terminal.wait_for("❯")
            yield terminal

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
        deadline = time.monotonic() + self.seconds
        while time.monotonic() < deadline:
            with suppress(subprocess.TimeoutExpired):
                return process.communicate(timeout=0.2)
            sent = len(self.requests)
            assert sent <= MAX_REQUESTS, f"the client went on and on: {sent} requests\n{self.gateway.last_words()}"
        raise AssertionError(f"not done after {self.seconds} s\n{self.gateway.last_words()}")


def settle(program: Path, folder: Path, gateway: ServedGateway) -> ClaudeCode:
    """The program with an empty home and project of its own."""
    for name in ("home", "project"):
        (folder / name).mkdir()
    return ClaudeCode(program, folder / "home", folder / "project", gateway)


def tool_results(sent: list[Received]) -> list[str]:
    """The results of tools in the last request."""
    return [message["content"] for message in sent[-1].body["messages"] if message["role"] == "tool"]


def tool_names(received: Received) -> list[str]:
    """The tools that a request offers."""
    return [tool["function"]["name"] for tool in received.body.get("tools", ())]
