"""The commit that a directory is checked out at, read from Git's files: no program is run, none need be installed."""

from __future__ import annotations

import re
from pathlib import Path

_SHA = re.compile(r"[0-9a-f]{40}")
_MAXIMUM_BYTES = 4 * 1024 * 1024


def read_git_sha(directory: Path) -> str | None:
    """40 hexadecimal digits, or None where it is in no checkout, or in one that cannot be read."""
    try:
        git = _find(directory.resolve())
        return _resolve(git) if git else None
    except (OSError, ValueError, RuntimeError):
        return None


def _find(directory: Path) -> Path | None:
    for parent in (directory, *directory.parents):
        git = parent / ".git"
        if git.is_dir():
            return git
        if git.is_file():  # of a worktree or a submodule: the way to it
            return (parent / _read(git).removeprefix("gitdir:").strip()).resolve()
    return None


def _resolve(git: Path) -> str | None:
    head = _read(git / "HEAD").strip()
    if not head.startswith("ref:"):
        return _sha(head)
    ref = head.removeprefix("ref:").strip()
    common = git / "commondir"
    folders = [git, (git / _read(common).strip()).resolve()] if common.is_file() else [git]
    for folder in folders:
        if (folder / ref).is_file():
            return _sha(_read(folder / ref).strip())
    for folder in folders:
        if (folder / "packed-refs").is_file():
            for line in _read(folder / "packed-refs").splitlines():
                if line.endswith(f" {ref}"):
                    return _sha(line.split()[0])
    return None


def _read(file: Path) -> str:
    with file.open("rb") as stream:
        return stream.read(_MAXIMUM_BYTES).decode()


def _sha(text: str) -> str | None:
    return text if _SHA.fullmatch(text) else None
