"""`python -m bench.load [streams N | soak N]`: what a served gateway holds.

streams N  N streams, opened at 250 a second, 20 tokens each at 2 a second: failures, first byte, memory per stream
soak N     N mixed requests, 30 % of them faults of the provider or clients that leave: memory, open files, connections
"""

from __future__ import annotations

import asyncio
import collections
import os
import random
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from bench.client import Caller, Result
from bench.provider import FAULTS, LoadProvider
from tests.servers import RunningServer, run_server

OPENED_PER_SECOND = 250
MODELS = '[{name: "*"}]'


def memory_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def caller(served: RunningServer) -> Caller:
    host, port = served.root.removeprefix("http://").split(":")
    return Caller(host, int(port), served.base_url.removeprefix(served.root) + "/v1/messages", served.token)


async def streams(served: RunningServer, count: int) -> dict[str, object]:
    client, pid, peak = caller(served), served.process.pid, 0
    await asyncio.gather(*(client.call("5x0", stream=True) for _ in range(50)))
    before = memory_kb(pid)
    calls = []
    for _ in range(count):
        calls.append(asyncio.ensure_future(client.call("20x500", stream=True, seconds=300)))
        await asyncio.sleep(1 / OPENED_PER_SECOND)
    while not all(call.done() for call in calls):
        await asyncio.sleep(0.5)
        peak = max(peak, memory_kb(pid))
    results: list[Result] = [call.result() for call in calls]
    firsts = sorted(result.first for result in results)
    return {
        "streams": count,
        "failed": sum(result.ended != "message_stop" for result in results),
        "first_byte_p50_s": round(firsts[count // 2], 2),
        "first_byte_p95_s": round(firsts[int(count * 0.95)], 2),
        "kb_per_stream": round((peak - before) / count, 1),
    }


async def soak(served: RunningServer, provider: LoadProvider, count: int) -> dict[str, object]:
    client, pid, dice = caller(served), served.process.pid, random.Random(7)
    ends: collections.Counter[str] = collections.Counter()

    async def one() -> None:
        stream, chance = dice.random() < 0.7, dice.random()
        if chance < 0.15:
            call = partial(client.call, dice.choice(FAULTS), stream=stream)
        elif chance < 0.3:
            call = partial(client.call, "20x50", stream=True, leave_after=dice.random() * 0.3 + 0.001)
        else:
            call = partial(client.call, "5x2", stream=stream)
        while (result := await call()).status == 529:  # the breaker is open: every client of the API comes again
            ends["529, come again"] += 1
            await asyncio.sleep(1)
        ends[f"{result.status} {result.ended}"] += 1

    async def worker(share: int) -> None:
        for _ in range(share):
            await one()

    async def run(total: int) -> None:
        await asyncio.gather(*(worker(total // 40) for _ in range(40)))
        await asyncio.sleep(3)

    await run(2000)  # what a busy process needs once: pools, caches, arenas
    before, files = memory_kb(pid), open_files(pid)
    ends.clear()
    await run(count)
    await asyncio.sleep(65)  # idle connections to the provider are kept for 30 s, and looked at as often
    return {
        "requests": sum(ends.values()),
        "ends": dict(ends.most_common()),
        "memory_mb": round((memory_kb(pid) - before) / 1024, 1),
        "open_files": open_files(pid) - files,
        "provider_connections": provider.open,
    }


async def measure(kind: str, count: int) -> dict[str, object]:
    provider = LoadProvider()
    port = await provider.start()
    with tempfile.TemporaryDirectory() as name:
        context = run_server(Path(name), "load", f"http://127.0.0.1:{port}/v1", MODELS)
        served = await asyncio.to_thread(context.__enter__)
        try:
            began = time.monotonic()
            result = await (streams(served, count) if kind == "streams" else soak(served, provider, count))
            return result | {"seconds": round(time.monotonic() - began, 1)}
        finally:
            await asyncio.to_thread(context.__exit__, None, None, None)


def main() -> None:
    kind, count = sys.argv[1], int(sys.argv[2])
    for name, value in asyncio.run(measure(kind, count)).items():
        print(f"{name:22} {value}")


if __name__ == "__main__":
    main()
