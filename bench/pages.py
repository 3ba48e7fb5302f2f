"""Measures the UI on a long log: `python -m bench.pages [--rows N] [--gateways N] [sqlite|postgresql]`.

Fills a database, serves it, and asks each page for its time, its size and how many requests a browser makes for it;
then follows the log live with five watchers, quiet and while rows come, and tells what that takes of a core.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import statistics
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx

from bench.processes import cpu_seconds
from bench.store import NOW, fill, some_row
from gatewayd.store import Store
from gatewayd.store.log_writer import LogWriter
from gatewayd.store.migrations import upgrade
from gatewayd.store.request_log import LogFilter, list_rows
from gatewayd.store.usage import DAY
from tests.admin.conftest import USERNAME
from tests.databases import postgresql
from tests.servers import run_server

PASSWORD = "a-password-for-measuring"


async def prepare(url: str, rows: int) -> dict[str, str]:
    """Fills the database; what the pages are about."""
    async with Store(url) as store:
        await upgrade(store)
        await fill(store, rows)
        async with store.read() as session:
            middle = (await list_rows(session, LogFilter(until=NOW - 40 * DAY), limit=1)).rows[0]
        return {"id": middle.id, "session": middle.session or "", "after": f"{middle.ended_at}~{middle.id}"}


def pages(known: dict[str, str]) -> dict[str, str]:
    return {
        "dashboard": "/dashboard",
        "logs": "/logs",
        "logs, far back": f"/logs?after={known['after']}",
        "logs of a gateway": "/logs?gateway=gateway-9",
        "logs of gateway, model, token": "/logs?gateway=gateway-1&model=claude-opus-4-5&token=laptop-1-0",
        "logs: errors of a quiet gateway": "/logs?outcome=error&gateway=gateway-9",
        "logs: text that is nowhere": "/logs?error=nowhere",
        "logs: slower than an hour": "/logs?seconds=3600",
        "logs.json, 1000": "/logs.json?limit=1000",
        "a request": f"/logs/{known['id']}",
        "sessions": "/sessions",
        "sessions of a gateway": "/sessions?gateway=gateway-9",
        "sessions with a failure": "/sessions?failed=yes",
        "a session": f"/sessions/{known['session']}",
        "usage of a week": "/usage",
        "usage of a quarter by token": "/usage?range=quarter&by=token",
        "usage of a year by model": "/usage?range=year&by=model",
    }


def measure(client: httpx.Client, name: str, path: str) -> None:
    client.get(path)
    took, answer = [], httpx.Response(200)
    for _ in range(9):
        began = time.perf_counter()
        answer = client.get(path)
        took.append((time.perf_counter() - began) * 1000)
    loaded = 1 + len(re.findall(r'<link rel="stylesheet"|<script |<img ', answer.text))
    print(
        f"  {name:<34} {answer.status_code} median {statistics.median(took):6.1f} ms, worst {max(took):6.1f} ms, "
        f"{len(answer.content) / 1000:6.1f} kB, {loaded} requests"
    )


def measure_tail(client: httpx.Client, url: str, pid: int, watchers: int, rate: int, seconds: float = 20) -> None:
    """rate: rows in a second, which another process writes."""

    def watch() -> None:
        with suppress(httpx.HTTPError), client.stream("GET", "/logs/live") as response:
            assert response.status_code == 200
            for _ in response.iter_raw():
                if time.monotonic() > end:
                    return

    end = time.monotonic() + seconds + 1
    for _ in range(watchers):
        threading.Thread(target=watch, daemon=True).start()
    time.sleep(1)  # for the watchers to have come: their first rows are not what is measured
    before = cpu_seconds(pid)
    if rate:
        asyncio.run(write(url, rate, seconds))
    else:
        time.sleep(seconds)  # what is measured: nothing happens
    share = 100 * (cpu_seconds(pid) - before) / seconds
    print(f"  {watchers} watchers, {rate} new rows a second: {share:.2f} % of a core")


async def write(url: str, rate: int, seconds: float) -> None:
    dice = random.Random(3)
    async with Store(url) as store:
        writer = LogWriter(store)
        for _ in range(int(seconds)):
            for _ in range(rate):
                writer.put(some_row(dice, 1, 1)._replace(ended_at=int(time.time() * 1000)))
            await writer.flush()
            await asyncio.sleep(1)  # the rate is rows in a second


def run(url: str, rows: int, gateways: int) -> None:
    print(f"{url.split(':')[0]}, {rows} rows, {gateways} gateways")
    known = asyncio.run(prepare(url, rows))
    many = "".join(
        f'  gateway-{number}:\n    upstream: {{base_url: "http://127.0.0.1:9/v1"}}\n' for number in range(gateways)
    )
    env = {"DATABASE_URL": url, "ADMIN_PASSWORD": PASSWORD}
    files = {"many.yaml": f"version: 1\nsource: many\ngateways:\n{many}"}
    with (
        tempfile.TemporaryDirectory() as folder,
        run_server(Path(folder), "bench", "http://127.0.0.1:9/v1", '[{name: "*"}]', env=env, files=files) as served,
        httpx.Client(
            base_url=served.root, trust_env=False, timeout=60, headers={"sec-fetch-site": "same-origin"}
        ) as client,
    ):
        answer = client.post("/login", data={"username": USERNAME, "password": PASSWORD})
        assert answer.status_code == 303, answer.text
        for name, path in pages(known).items():
            measure(client, name, path)
        for watchers, rate in ((0, 0), (5, 0), (0, 50), (5, 50)):
            measure_tail(client, url, served.process.pid, watchers, rate)
            time.sleep(3)  # for the watchers to leave: they look at the clock when something comes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engines", nargs="*", default=["sqlite", "postgresql"])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--gateways", type=int, default=500)
    arguments = parser.parse_args()
    for engine in arguments.engines:
        if engine == "sqlite":
            with tempfile.TemporaryDirectory() as folder:
                run(f"sqlite:///{folder}/bench.db", arguments.rows, arguments.gateways)
        else:
            clusters = postgresql.__wrapped__()
            cluster = next(clusters)
            try:
                run(cluster.create_database(), arguments.rows, arguments.gateways)
            finally:
                next(clusters, None)


if __name__ == "__main__":
    main()
