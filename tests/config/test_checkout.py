"""The commit of a checkout, held to what Git itself says."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from gatewayd.config.checkout import read_git_sha

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "configs").mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "configs" / "a.yaml").write_text("version: 1\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message=one")
    return folder


def test_a_branch_a_packed_one_and_a_commit_alone(checkout: Path) -> None:
    head = git(checkout, "rev-parse", "HEAD")
    assert read_git_sha(checkout / "configs") == head
    git(checkout, "pack-refs", "--all")
    assert read_git_sha(checkout / "configs") == head
    git(checkout, "checkout", "--quiet", "--detach")
    assert read_git_sha(checkout / "configs") == head


def test_a_worktree_has_a_commit_of_its_own(checkout: Path, tmp_path: Path) -> None:
    git(checkout, "worktree", "add", "--quiet", "-b", "other", str(tmp_path / "other"))
    git(tmp_path / "other", "commit", "--quiet", "--allow-empty", "--message=two")
    assert read_git_sha(tmp_path / "other" / "configs") == git(tmp_path / "other", "rev-parse", "HEAD")
    assert read_git_sha(checkout) != read_git_sha(tmp_path / "other")


def test_elsewhere_there_is_none(tmp_path: Path) -> None:
    """The directory above all of this is no checkout, or the test says nothing."""
    assert read_git_sha(tmp_path) is None
    (tmp_path / ".git").mkdir()
    assert read_git_sha(tmp_path) is None
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/none\n")
    assert read_git_sha(tmp_path) is None
    (tmp_path / ".git" / "HEAD").write_text("not a commit\n")
    assert read_git_sha(tmp_path / "none") is None
