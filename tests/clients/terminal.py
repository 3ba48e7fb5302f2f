"""A program at a pseudo-terminal: keys go in, and what it has painted so far is searched without its control codes."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROWS, COLUMNS = 40, 120
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|\s")


class Terminal:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._painted = b""

    def type(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())

    def wait_for(self, words: str, seconds: float = 20) -> None:
        """Reads until the words have been painted. Blanks do not count: programs move the cursor instead."""
        wanted = "".join(words.split())
        deadline = time.monotonic() + seconds
        while wanted not in (painted := _CONTROL.sub("", self._painted.decode(errors="replace"))):
            assert time.monotonic() < deadline, f"{words!r} was not painted within {seconds} s:\n{painted[-2000:]}"
            if select.select([self._descriptor], [], [], 0.1)[0]:
                self._painted += self._read(painted)

    def _read(self, painted: str) -> bytes:
        try:
            return os.read(self._descriptor, 65_536)
        except OSError:  # nobody has the other side open any more
            raise AssertionError(f"the program ended:\n{painted[-2000:]}") from None


@contextmanager
def at_terminal(command: Sequence[Path | str], folder: Path, env: Mapping[str, str]) -> Iterator[Terminal]:
    """The command at a terminal of its own, killed on the way out."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = subprocess.Popen(
        command, cwd=folder, env=dict(env), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    try:
        yield Terminal(ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
