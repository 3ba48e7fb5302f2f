"""Where the metrics of several workers meet: a folder of small memory-mapped files, one set for each worker.

`share_metrics` comes before the first metric is made. Files of the dead stay, as their counters still count;
`forget_gauges` removes what only the living have.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import values

_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # the library's
_MEMORY = "/dev/shm"  # noqa: S108 - no disk that fills up: writing to a mapped file would then kill the worker


@contextmanager
def share_metrics() -> Iterator[Path]:
    """The folder in which workers that are forked now meet; removed in the end."""
    memory = _MEMORY if os.access(_MEMORY, os.W_OK | os.X_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="gatewayd-metrics-", dir=memory))
    os.environ[_VARIABLE] = str(folder)
    alone, values.ValueClass = values.ValueClass, values.MultiProcessValue()
    try:
        yield folder
    finally:
        values.ValueClass = alone
        del os.environ[_VARIABLE]
        shutil.rmtree(folder, ignore_errors=True)


def shared_folder() -> Path | None:
    """None where one process serves, which keeps its metrics in its own memory."""
    return Path(os.environ[_VARIABLE]) if getattr(values.ValueClass, "_multiprocess", False) else None


def reserve_files(folder: Path, kinds: Mapping[str, int]) -> None:
    """Takes the room for a worker's files, in KiB, before anything relies on it. Raises OSError where there is none."""
    for kind, size in kinds.items():
        with (folder / f"{kind}_{os.getpid()}.db").open("ab") as file:
            file.write(bytes(size * 1024))


def forget_gauges(folder: Path, pid: int | None) -> None:
    """A worker has ended: what was in flight in it, and what it saw of the configuration, is no more."""
    for path in folder.glob(f"gauge_live*_{pid}.db"):
        path.unlink(missing_ok=True)
