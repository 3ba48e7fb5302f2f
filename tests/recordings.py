"""`make recordings`: replays recorded provider answers through a running gateway and prints the share that passes.

The recordings are no part of this repository: they are looked for in `../shared/recordings`, or where RECORDINGS says.
Exit status: 0 all passed, 1 some failed, 2 there are none here.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.servers import ROOT, free_port, run_server

SPLITS = (["whole"], ["bytes"], ["wire"], ["wire", "--think-tags", "split"])


def folder() -> Path | None:
    path = Path(os.environ.get("RECORDINGS", ROOT.parent / "shared" / "recordings"))
    return path if (path / "replay.py").exists() else None


def replay(recordings: Path, split: list[str]) -> tuple[str, bool]:
    """-> the summary line, and whether all passed."""
    port = free_port()
    upstream = {"base_url": f"http://127.0.0.1:{port}/v1", "models": '[{name: "rec:*"}]'}
    with tempfile.TemporaryDirectory() as name, run_server(Path(name), "rec", **upstream) as served:
        command = [sys.executable, "replay.py", "--gateway", served.base_url, "--token", served.token, "-v"]
        command += ["--port", str(port), "--split", *split]
        done = subprocess.run(command, cwd=recordings, capture_output=True, text=True, timeout=300, check=False)
    failures = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    summary = re.findall(r"^passed .*$", done.stdout, re.MULTILINE) or [done.stderr.strip()[-300:]]
    return "\n".join([*failures, f"{' '.join(split)}: {summary[-1]}"]), done.returncode == 0


def main() -> int:
    recordings = folder()
    if recordings is None:
        print("no recordings here: put them into ../shared/recordings, or set RECORDINGS to their folder")
        return 2
    passed = True
    for split in SPLITS:
        summary, good = replay(recordings, split)
        print(summary, flush=True)
        passed &= good
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
