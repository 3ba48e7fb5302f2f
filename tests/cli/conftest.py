"""The command line with an environment and a directory of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from gatewayd.cli import main

CONFIG = """version: 1
gateways:
  demo:
    upstream: {base_url: https://api.example.com}
    models: [{name: "*", upstream_model: "it's-a-model", context_window: 131072, max_output_tokens: 8192}]
    tokens: [{name: declared, sha256: "1111111111111111111111111111111111111111111111111111111111111111"}]
"""


@dataclass(frozen=True)
class Result:
    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """run("verb", "argument", VARIABLE="value"): in an empty directory, with nothing set but what is given.

    input: what is typed
    """
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, input: str | None = None, **environ: str) -> Result:  # noqa: A002 - as of `subprocess`
        with monkeypatch.context() as patch:
            for name in [name for name in os.environ if name != "PATH"]:
                patch.delenv(name)
            for name, value in environ.items():
                patch.setenv(name, value)
            done = CliRunner().invoke(main, arguments, input=input, prog_name="gatewayd")
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Result(done.exit_code, done.stdout, done.stderr)

    return run
