"""Serves a gateway pinned to one core and runs the comparison of `../shared/bench` (or BENCH) against it and nginx."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.servers import ROOT, run_server

UPSTREAM = "http://127.0.0.1:9100/v1"


def main() -> int:
    folder = Path(os.environ.get("BENCH", ROOT.parent / "shared" / "bench"))
    if not (folder / "compare.py").exists():
        print("no bench here: put it into ../shared/bench, or set BENCH to its folder")
        return 2
    with (
        tempfile.TemporaryDirectory() as name,
        run_server(Path(name), "bench", UPSTREAM, '[{name: "bench-*"}]') as served,
    ):
        subprocess.run(["taskset", "-cp", "0", str(served.process.pid)], check=True, capture_output=True)
        command = [sys.executable, "compare.py", "--gateway", served.base_url, "--token", served.token]
        command += ["--pid", str(served.process.pid), *sys.argv[1:]]
        return subprocess.run(command, cwd=folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
