"""A real Redis server for tests: on a free port of 127.0.0.1, with a random password, in a temporary folder."""

from __future__ import annotations

import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.tools import need

START_SECONDS = 10


@dataclass
class RedisServer:
    """Can be killed and started again on the same port; keeps nothing on disk."""

    program: Path
    folder: Path
    port: int
    password: str = field(default_factory=lambda: secrets.token_hex(16))
    process: subprocess.Popen[bytes] | None = None

    def url(self, scheme: str = "redis") -> str:
        return f"{scheme}://:{self.password}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self.folder, "save": "", "requirepass": self.password}
        configuration = "".join(f'{name} "{value}"\n' for name, value in options.items())
        (self.folder / "redis.conf").write_text(configuration, encoding="utf-8")
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen([self.program, self.folder / "redis.conf"], stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.02)  # nothing tells when another process begins to listen
        raise AssertionError((self.folder / "redis.log").read_text(errors="replace")[-2000:])

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    program = need("redis") / "redis-server"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisServer(program, folder, port)
    server.start()
    try:
        yield server
    finally:
        server.kill()
