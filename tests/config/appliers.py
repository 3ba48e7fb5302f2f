"""Programs for tests of `apply`: one that applies directories when told to, and one that kills who applies.

python -m tests.config.appliers apply DATABASE_URL             reads directories from stdin, answers each with JSON
python -m tests.config.appliers kill DATABASE_URL FOLDER COUNT
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from gatewayd.config.apply import Applied, apply
from gatewayd.config.load import load_files, read_files
from gatewayd.config.secrets import SecretReader
from gatewayd.store import Store
from gatewayd.store.audit import list_events
from gatewayd.store.gateways import list_gateways
from gatewayd.store.state import read_revision
from gatewayd.store.tokens import list_tokens


async def apply_directory(store: Store, directory: Path) -> Applied:
    desired = load_files(read_files([directory]), SecretReader({}, directory))
    return await apply(store, desired, mode="sync", generate_tokens=False)


async def apply_when_told(url: str) -> None:
    async with Store(url) as store:
        print("ready", flush=True)
        for line in iter(sys.stdin.readline, ""):
            applied = await apply_directory(store, Path(line.strip()))
            print(json.dumps([applied.revision, applied.written]), flush=True)


def kill_appliers(url: str, folder: Path, count: int) -> None:
    """Applies `one` and `two` in turn, and kills it after any time; prints how often what was there afterwards."""
    took = max(_time_to_apply(url, folder / name) for name in ("one", "two", "one", "two"))
    found: Counter[str] = Counter()
    state = asyncio.run(_read_state(url))
    for _ in range(count):
        wanted = "one" if state["content"] == "two" else "two"
        child = os.fork()
        if child == 0:
            asyncio.run(_apply_once(url, folder / wanted))
            os._exit(0)
        time.sleep(random.uniform(0, 1.5 * took))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        after = asyncio.run(_read_state(url))
        if after == state:
            found["old"] += 1
        elif after == {"revision": state["revision"] + 1, "events": state["events"] + after["rows"], **_whole(wanted)}:
            found["new"] += 1
        else:
            found["half"] += 1
            print(state, after, file=sys.stderr)
        state = after
    print(json.dumps(found))


def _whole(content: str) -> dict[str, object]:
    return {"content": content, "rows": 100, "tokens": content}


def _time_to_apply(url: str, directory: Path) -> float:
    began = time.monotonic()
    asyncio.run(_apply_once(url, directory))
    return time.monotonic() - began


async def _apply_once(url: str, directory: Path) -> None:
    async with Store(url) as store:
        await apply_directory(store, directory)


async def _read_state(url: str) -> dict[str, object]:
    """content, tokens: the name, and the first digit of the hash as a name, that all records have; else all of them.

    As a writer: a database may still be at work on what a client sent before it died.
    """
    async with Store(url) as store, store.write_lock() as session:
        rows, tokens = await list_gateways(session), await list_tokens(session)
        names = {str(row.spec["name"]) for row in rows}
        hashes = {{"1": "one", "2": "two"}[token.sha256[0]] for token in tokens}
        return {
            "revision": await read_revision(session),
            "events": len(await list_events(session, limit=1_000_000)),
            "content": "+".join(sorted(names)),
            "tokens": "+".join(sorted(hashes)),
            "rows": len(rows),
        }


if __name__ == "__main__":
    verb, url, *rest = sys.argv[1:]
    if verb == "apply":
        asyncio.run(apply_when_told(url))
    else:
        kill_appliers(url, Path(rest[0]), int(rest[1]))
