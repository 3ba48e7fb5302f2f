"""Measures the request log: `python -m bench.store [--rows N] [sqlite|postgresql]`.

Fills an empty database through the log writer, then times pages, searches, usage, a retention run beside writes, and
the storage of bodies. PostgreSQL is a cluster of its own, made for the run.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from gatewayd.store import Store
from gatewayd.store.bodies import Bodies, Packer, add_packed
from gatewayd.store.log_writer import LogWriter
from gatewayd.store.migrations import upgrade
from gatewayd.store.request_log import Cursor, LogFilter, LogRow, list_rows, read_row
from gatewayd.store.retention import Retention
from gatewayd.store.usage import DAY, list_usage
from tests.databases import postgresql
from tests.store.rows import log_row
from tests.store.sessions import agent_session

DAYS = 90
NOW = int(time.time() * 1000)


def some_row(dice: random.Random, number: int, total: int) -> LogRow:
    """Ten gateways of four tokens and three models each; 1 in 50 fails; sessions of forty requests."""
    gateway = int(dice.paretovariate(1)) % 10
    failed = dice.random() < 0.02
    return log_row(
        id=f"req_{dice.getrandbits(96):024x}", ended_at=NOW - (total - number) * (DAYS * DAY // total),
        gateway=f"gateway-{gateway}", token=f"laptop-{gateway}-{dice.randrange(4)}",
        model=("claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5")[dice.randrange(3)],
        upstream_model=f"provider/model-{gateway}", session=f"{number // 40:08x}-0000-4000-8000-000000000000",
        outcome="error" if failed else "ok", status=502 if failed else 200,
        error=f"the provider answered {dice.randrange(10**6)}: upstream connect error" if failed else None,
        user_agent="claude-cli/2.1.197 (external, cli)", input_tokens=dice.randrange(100_000),
    )  # fmt: skip


async def fill(store: Store, total: int) -> None:
    dice, writer = random.Random(1), LogWriter(store)
    began = time.perf_counter()
    for number in range(total):
        writer.put(some_row(dice, number, total))
        if len(writer) >= 5000:
            await writer.flush()
    await writer.flush()
    seconds = time.perf_counter() - began
    print(f"  {total} rows written in {seconds:.1f} s: {total / seconds:.0f} rows/s, making them included")


async def measure(name: str, call: Callable[[], Awaitable[Any]], times: int = 7) -> None:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        await call()
        took.append((time.perf_counter() - began) * 1000)
    print(f"  {name:<44} median {statistics.median(took):7.1f} ms, worst {max(took):7.1f} ms")


async def measure_reads(store: Store, total: int) -> None:
    async with store.session() as session:
        middle = (await list_rows(session, LogFilter(until=NOW - DAYS * DAY // 2), limit=1)).rows[0]
    after = Cursor(middle.ended_at, middle.id)
    filters = {
        "no filter": LogFilter(),
        "a busy gateway": LogFilter(gateway="gateway-1"),
        "a quiet gateway": LogFilter(gateway="gateway-9"),
        "gateway, model and token": LogFilter(gateway="gateway-1", model="claude-opus-4-5", token="laptop-1-0"),
        "gateway and a token of another": LogFilter(gateway="gateway-1", token="laptop-2-0"),
        "errors": LogFilter(outcome="error"),
        "errors of a quiet gateway": LogFilter(outcome="error", gateway="gateway-9"),
        "ok only": LogFilter(outcome="ok"),
        "a session": LogFilter(session=middle.session),
        "text in the error": LogFilter(error_text="answered 12345"),
        "text that is nowhere": LogFilter(error_text="%_nowhere"),
        "a day": LogFilter(since=NOW - 50 * DAY, until=NOW - 49 * DAY, outcome="ok"),
    }
    for name, wanted in filters.items():
        for where, start in (("first page", None), ("middle", after)):

            async def page(wanted: LogFilter = wanted, start: Cursor | None = start) -> None:
                async with store.read() as session:
                    await list_rows(session, wanted, start, 50)

            await measure(f"page: {name}, {where}", page)

    async def one() -> None:
        async with store.read() as session:
            assert await read_row(session, middle.id)

    await measure("one request by its id", one)
    for step, by in (
        ("hour", ()),
        ("day", ("gateway", "model")),
        ("day", ("gateway", "model", "token")),
        ("all", ("token",)),
    ):

        async def usage(step: Any = step, by: Any = by) -> None:
            async with store.read() as session:
                await list_usage(session, NOW - 31 * DAY, NOW, step=step, by=by)

        await measure(f"usage of a month by {step}, {', '.join(by) or 'total'}", usage)


async def measure_retention(store: Store) -> None:
    """Writes of 100 rows, alone and beside a retention run."""
    dice, writer = random.Random(2), LogWriter(store)

    async def write() -> float:
        for _ in range(100):
            writer.put(some_row(dice, 1, 1)._replace(ended_at=NOW))
        began = time.perf_counter()
        await writer.flush()
        return (time.perf_counter() - began) * 1000

    async def slowest_pause(until: asyncio.Event) -> float:
        worst = 0.0
        while not until.is_set():
            began = time.perf_counter()
            await asyncio.sleep(0.005)
            worst = max(worst, (time.perf_counter() - began) * 1000 - 5)
        return worst

    alone = [await write() for _ in range(30)]
    done = asyncio.Event()
    pauses = asyncio.create_task(slowest_pause(done))
    run = asyncio.create_task(Retention(store, 60, 14, seconds=20).run())
    beside = []
    while not run.done():
        beside.append(await write())
        await asyncio.sleep(0.05)
    done.set()
    print(f"  100 rows alone: {statistics.median(alone):.1f} ms")
    print(f"  100 rows beside retention: median {statistics.median(beside):.1f} ms, worst {max(beside):.1f} ms")
    print(f"  event loop held up at most {await pauses:.1f} ms")
    print(f"  retention: {run.result()}")


async def measure_bodies(store: Store) -> None:
    packer, raw, took = Packer(), 0, []
    size_before = await used_bytes(store, "blob") + await used_bytes(store, "body")
    for turn, (request, upstream, answer) in enumerate(agent_session(60)):
        chat = orjson.dumps(upstream)
        raw += len(orjson.dumps(request)) + len(chat) + len(orjson.dumps(answer))
        began = time.perf_counter()
        packed = packer.pack(f"req_body_{turn}", NOW, Bodies(request, chat, answer))
        took.append((time.perf_counter() - began) * 1000)
        async with store.write() as session:
            await add_packed(session, [packed])
    kept = await used_bytes(store, "blob") + await used_bytes(store, "body") - size_before
    print(f"  bodies of a session of 60 turns: {raw / 1e6:.1f} MB raw, {kept / 1e6:.2f} MB stored,"
          f" {100 * kept / raw:.1f} %; packing {statistics.median(took):.1f} ms per request")  # fmt: skip


async def used_bytes(store: Store, table: str) -> int:
    """What the values of a table take."""
    columns = {"blob": ("sha256", "data"), "body": ("parts", "request_id", "kind")}[table]
    total = " + ".join(f"length({column})" for column in columns)
    async with store.session() as session:
        row = await session.fetch_one(f"SELECT COALESCE(SUM({total}), 0) AS n FROM {table}")
    return int(row["n"]) if row else 0


async def size_per_row(store: Store, total: int) -> None:
    async with store.session() as session:
        if store.address.engine == "sqlite":
            await session.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            size = os.stat(store.address.path).st_size
        else:
            row = await session.fetch_one("SELECT pg_database_size(current_database()) AS n")
            size = int(row["n"]) if row else 0
    print(f"  {size / 1e6:.0f} MB: {size / total:.0f} bytes per row, all indexes and usage included")


async def run(url: str, total: int) -> None:
    async with Store(url) as store:
        print(f"{store.address.engine}, load average {os.getloadavg()[0]:.1f}")
        await upgrade(store)
        await fill(store, total)
        await size_per_row(store, total)
        if store.address.engine == "postgresql":
            async with store.session() as session:
                await session.execute("ANALYZE")  # autovacuum does it in a database that lives longer
        await measure_reads(store, total)
        await measure_bodies(store)
        await measure_retention(store)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engines", nargs="*", default=["sqlite", "postgresql"])
    parser.add_argument("--rows", type=int, default=1_000_000)
    arguments = parser.parse_args()
    for engine in arguments.engines:
        if engine == "sqlite":
            with tempfile.TemporaryDirectory() as folder:
                asyncio.run(run(f"sqlite:///{folder}/bench.db", arguments.rows))
        else:
            clusters = postgresql.__wrapped__()
            cluster = next(clusters)
            try:
                asyncio.run(run(cluster.create_database(), arguments.rows))
            finally:
                next(clusters, None)


if __name__ == "__main__":
    main()
