"""Several serving processes on one listening socket, and the parent that keeps them.

Sanic's own manager kills its whole process group when a start goes wrong, and dies of SIGHUP while its workers live on.
This parent only forks, passes signals on, replaces a worker that died, and ends when all have ended.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.process import BaseProcess
from types import FrameType

_RESPAWN_SECONDS = 1.0  # a worker that dies at once is not started in a tight loop

log = logging.getLogger(__name__)


class Workers:
    """serve: runs one worker, from its first line to its end, in a process of its own.

    ended: is called with the process id of a worker that died and is replaced
    """

    def __init__(self, count: int, serve: Callable[[], None], ended: Callable[[int | None], None]) -> None:
        self._context = multiprocessing.get_context("fork")  # shares the memory of what is imported already
        self._serve = serve
        self._ended = ended
        self._count = count
        self._processes: list[BaseProcess] = []
        self._stopping = False

    def run(self) -> None:
        """Returns when all workers have ended after SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._pass_on)
        self._processes = [self._start() for _ in range(self._count)]
        while any(process.is_alive() for process in self._processes):
            time.sleep(0.1)
            if not self._stopping:
                self._processes = [self._replaced(process) for process in self._processes]

    def _start(self) -> BaseProcess:
        process = self._context.Process(target=self._child)
        process.start()
        return process

    def _child(self) -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the worker's loop takes it
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        self._serve()

    def _replaced(self, process: BaseProcess) -> BaseProcess:
        if process.is_alive():
            return process
        log.error("worker %s ended with %s; another one is started", process.pid, process.exitcode)
        self._ended(process.pid)
        time.sleep(_RESPAWN_SECONDS)
        return process if self._stopping else self._start()

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        """Ctrl-C reaches the workers by itself; SIGTERM says the same and does no harm twice."""
        if number != signal.SIGHUP:
            self._stopping = True
            number = signal.SIGTERM
        for process in self._processes:
            if process.is_alive() and process.pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, number)
