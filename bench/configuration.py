"""Measures the configuration: plan and apply of many gateways, and what a request costs among them.

python -m bench.configuration [GATEWAYS]      default 1000; requests are measured with 1 and with ten times as many
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import httpx

from bench.processes import cpu_seconds
from gatewayd.config.apply import apply, read_plan
from gatewayd.config.load import Desired, load_files, read_files
from gatewayd.config.secrets import SecretReader
from gatewayd.store import Store
from gatewayd.store.migrations import upgrade
from tests.servers import PROVIDER_KEY, RunningServer, clean_env, run_server, run_simulator
from tests.tools import ROOT

TOKEN = "gwd_bench"
REQUESTS, ROUNDS = 300, 30


def write(folder: Path, count: int, base_url: str = "https://api{}.example.com/v1") -> None:
    """Files of a thousand records each, which is below their limit of 1 MiB."""
    folder.mkdir(exist_ok=True)
    for first in range(0, count, 1000):
        records = "".join(_record(n, base_url) for n in range(first, min(first + 1000, count)))
        (folder / f"{first:06}.yaml").write_text(f"version: 1\ngateways:\n{records}")


def _record(number: int, base_url: str) -> str:
    digest = sha256((TOKEN if number == 0 else f"{TOKEN}{number}").encode()).hexdigest()
    return f"""\
  g{number}:
    name: Gateway {number}
    upstream:
      base_url: {base_url.format(number)}
      api_key: {{env: UPSTREAM_API_KEY}}
      headers: {{X-Title: number {number}}}
    models:
      - {{name: "claude-*opus*", upstream_model: sim-fast, context_window: 131072, max_output_tokens: 65536}}
      - {{name: "*", upstream_model: sim-fast, price: {{input: 0.28, output: 0.42}}}}
    limits: {{requests_per_minute: 1000000}}
    tokens: [{{name: laptop, sha256: "{digest}"}}]
"""


def load(folder: Path) -> Desired:
    return load_files(read_files([folder]), SecretReader({}, folder))


def timed(what: str, action: Callable[[], object]) -> None:
    began, cpu = time.perf_counter(), time.process_time()
    action()
    print(f"{what:<34} {time.perf_counter() - began:6.2f} s, processor {time.process_time() - cpu:6.2f} s")


async def measure_functions(folder: Path, url: str) -> None:
    desired = load(folder)
    async with Store(url) as store:
        await upgrade(store)
        for what in ("apply, all new", "apply, nothing to do", "plan", "apply, all changed"):
            if what == "apply, all changed":
                wanted = {
                    id_: replace(record, gateway=record.gateway.model_copy(update={"name": "changed"}))
                    for id_, record in desired.gateways.items()
                }
                desired = replace(desired, gateways=wanted)
            began, cpu = time.perf_counter(), time.process_time()
            if what == "plan":
                await read_plan(store, desired)
            else:
                await apply(store, desired, mode="sync", generate_tokens=False)
            took, used = time.perf_counter() - began, time.process_time() - cpu
            print(f"{what:<34} {took:6.2f} s, processor {used:6.2f} s")


def measure_verbs(folder: Path, database: Path) -> None:
    env = clean_env({"DATABASE_URL": f"sqlite:///{database}", "PYTHONPATH": str(ROOT)})
    for verb in (["plan"], ["apply", "--yes"], ["plan"], ["apply", "--yes"]):
        began, before = time.perf_counter(), os.times()
        command = [sys.executable, "-m", "gatewayd", *verb, str(folder)]
        subprocess.run(command, env=env, check=True, capture_output=True, cwd=ROOT)
        after = os.times()
        used = after.children_user + after.children_system - before.children_user - before.children_system
        took = time.perf_counter() - began
        print(f"gatewayd {' '.join(verb):<25} {took:6.2f} s, processor {used:6.2f} s")


def ask(server: RunningServer, client: httpx.Client) -> float:
    """Milliseconds of processor time for one request, of many."""
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    before = cpu_seconds(server.process.pid)
    for _ in range(REQUESTS):
        answer = client.post(f"{server.root}/gateway/g0/v1/messages", json=body, headers={"x-api-key": TOKEN})
        assert answer.status_code == 200, answer.text
    return (cpu_seconds(server.process.pid) - before) / REQUESTS * 1000


def measure_requests(folder: Path, count: int) -> None:
    with run_simulator(api_key=PROVIDER_KEY) as simulator:
        servers = []
        try:
            for number in (1, count):
                place = folder / f"served-{number}"
                place.mkdir()
                write(place / "records", number, simulator.base_url)
                url = f"sqlite:///{place}/gatewayd.db"
                asyncio.run(_fill(place / "records", url))
                env = {"DATABASE_URL": url, "GATEWAYD_CONFIG_MODE": "off", "GATEWAYD_LOG_LEVEL": "error"}
                serving = run_server(place, "unused", simulator.base_url, "[]", PROVIDER_KEY, env)
                servers.append((number, serving, serving.__enter__(), []))
            with httpx.Client(trust_env=False, timeout=30) as client:
                for turn in range(ROUNDS + 1):
                    for _, _, server, costs in servers:
                        cost = ask(server, client)
                        if turn:  # the first one warms up
                            costs.append(cost)
        finally:
            for _, serving, *_ in servers:
                serving.__exit__(None, None, None)
    for number, _, _, costs in servers:
        middle = statistics.median(costs)
        between = f"{min(costs):.3f} to {max(costs):.3f}"
        print(f"a request among {number:>6} gateways {middle:.3f} ms of processor time ({between})")
    one, many = (costs for *_, costs in servers)
    ratios = [other / first for first, other in zip(one, many, strict=True)]
    print(f"of the pairs in turn, the middle: {statistics.median(ratios):.3f} times")


async def _fill(folder: Path, url: str) -> None:
    async with Store(url) as store:
        await upgrade(store)
        await apply(store, load(folder), mode="sync", generate_tokens=False)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(f"{count} gateways; load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "configs", count)
        timed("load", lambda: load(folder / "configs"))
        asyncio.run(measure_functions(folder / "configs", f"sqlite:///{folder}/functions.db"))
        measure_verbs(folder / "configs", folder / "verbs.db")
        measure_requests(folder, 10 * count)
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
