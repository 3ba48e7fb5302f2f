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
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

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
        for number in _SIGNALS:
            signal.signal(number, self._pass_on)
        for _ in range(self._count):
            self._start()
        while any(process.is_alive() for process in self._processes):
            time.sleep(0.1)
            if not self._stopping:
                self._replace_dead()

    def _start(self) -> None:
        """No signal comes between a fork and its being noted: it would miss the worker, or run this parent's answer
        to it in the worker."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            if not self._stopping:
                process = self._context.Process(target=self._child)
                process.start()
                self._processes.append(process)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def _child(self) -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the worker's loop takes it
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        self._serve()

    def _replace_dead(self) -> None:
        for process in [process for process in self._processes if not process.is_alive()]:
            log.error("worker %s ended with %s; another one is started", process.pid, process.exitcode)
            self._ended(process.pid)
            time.sleep(_RESPAWN_SECONDS)
            self._start()
            self._processes.remove(process)

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        """Ctrl-C reaches the workers by itself; SIGTERM says the same and does no harm twice."""
        if number != signal.SIGHUP:
            self._stopping = True
            number = signal.SIGTERM
        for process in list(self._processes):
            if process.is_alive() and process.pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, number)
