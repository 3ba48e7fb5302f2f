"""Measures requests beside a retention run: `python -m bench.retention [sqlite|postgresql] [--rows N] [--rate N]`.

Fills a database with rows of 90 days, serves on it, and has the server remove what is older than 30 days by itself
while small requests come at a steady rate. The provider answers within a millisecond: what is measured is the gateway.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from pathlib import Path

from bench.store import fill
from gatewayd.store import Store
from gatewayd.store.migrations import upgrade
from tests.databases import postgresql
from tests.servers import RunningServer, run_server, run_simulator
from tests.store.load import Load, load

BEFORE_SECONDS = 30
_SERVE = """
import sys
from gatewayd.store import retention
retention._EVERY_SECONDS = float(sys.argv.pop(1))
from gatewayd.cli import main
main(["serve", *sys.argv[1:]])
"""


def report(name: str, calls: Load) -> None:
    print(
        f"  {name:<8} {len(calls.answered)} requests, {len(calls.failed)} failed: "
        f"p50 {calls.percentile(0.5) * 1000:.1f} ms, p99 {calls.percentile(0.99) * 1000:.1f} ms"
    )


def measure(url: str, rows: int, rate: float) -> None:
    async def prepare() -> None:
        async with Store(url) as store:
            await upgrade(store)
            await fill(store, rows)

    asyncio.run(prepare())
    with tempfile.TemporaryDirectory() as folder, run_simulator() as simulator:
        environment = {"DATABASE_URL": url, "GATEWAYD_LOG_RETENTION_DAYS": "30"}
        program = ("-c", _SERVE, str(BEFORE_SECONDS + 7))
        models = '[{name: "*", upstream_model: sim-fast}]'
        with run_server(Path(folder), "g", simulator.base_url, models, env=environment, program=program) as served:
            with load(served, rate):
                time.sleep(5)  # what a process does once, at its first requests, is not measured
            with load(served, rate) as before:
                time.sleep(BEFORE_SECONDS)  # how long the load goes on
            with load(served, rate) as beside:
                seconds = _await_end(served)
            with load(served, rate) as after:
                time.sleep(BEFORE_SECONDS)  # how long the load goes on
    for name, calls in (("before", before), ("beside", beside), ("after", after)):
        report(name, calls)
    print(f"  retention was over after {seconds:.0f} s")


def _await_end(served: RunningServer) -> float:
    """-> seconds from now; the run itself begins a little later."""
    began = time.monotonic()
    while "old log rows removed" not in served.log.read_text() and time.monotonic() - began < 240:
        time.sleep(0.2)  # the log file tells when it is over; nothing else does
    return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engines", nargs="*", default=["sqlite", "postgresql"])
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--rate", type=float, default=50)
    arguments = parser.parse_args()
    for engine in arguments.engines:
        print(f"{engine}, {arguments.rate:g} requests/s, load average {os.getloadavg()[0]:.1f}")
        if engine == "sqlite":
            with tempfile.TemporaryDirectory() as folder:
                measure(f"sqlite:///{folder}/bench.db", arguments.rows, arguments.rate)
        else:
            clusters = postgresql.__wrapped__()
            cluster = next(clusters)
            try:
                measure(cluster.create_database(), arguments.rows, arguments.rate)
            finally:
                next(clusters, None)


if __name__ == "__main__":
    main()
