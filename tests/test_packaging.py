"""What is published: complete, installable from its own sdist, and locked to what setup.cfg asks for."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from setuptools import find_packages

from tests.tools import ROOT

SHIPPED = ("gatewayd", "ui", "configs", "setup.cfg", "pyproject.toml", "MANIFEST.in", "LICENSE", "README.md")
BUILD = "from setuptools import build_meta as b; import sys; print(getattr(b, 'build_' + sys.argv[1])(sys.argv[2]))"


def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def lines(section: str, option: str) -> list[str]:
    return [line for line in setup_cfg()[section][option].splitlines() if line]


def run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files_below(folder: Path) -> set[str]:
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix() for path in files}


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, unpacked; built from a copy, so that the checkout stays as it is."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("sdist")
    for name in (*SHIPPED, "requirements.lock", "requirements-dev.lock"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, source / name)
    name = run(sys.executable, "-c", BUILD, "sdist", out, cwd=source).splitlines()[-1]
    with tarfile.open(out / name) as archive:
        archive.extractall(out, filter="data")
    return out / name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def installed(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that the sdist builds, unpacked as an installation of it is."""
    out = tmp_path_factory.mktemp("wheel")
    name = run(sys.executable, "-c", BUILD, "wheel", out, cwd=sdist).splitlines()[-1]
    with zipfile.ZipFile(out / name) as archive:
        archive.extractall(out / "installed")
    return out / "installed"


def test_sdist_has_all_sources(sdist: Path) -> None:
    for folder in ("gatewayd", "ui", "configs"):
        assert files_below(sdist / folder) == files_below(ROOT / folder)
    for name in ("LICENSE", "README.md", "requirements.lock", "requirements-dev.lock"):
        assert (sdist / name).is_file()


def test_wheel_has_the_package_and_the_files_beside_it(installed: Path) -> None:
    inside = files_below(installed / "gatewayd")
    beside = {f"{folder}/{name}" for folder in ("ui", "configs") for name in files_below(ROOT / folder)}
    assert inside == files_below(ROOT / "gatewayd") | beside
    assert not any(path.name in ("tests", "bench", "ui", "configs") for path in installed.iterdir())


def test_installed_package_finds_the_files_beside_it(installed: Path, tmp_path: Path) -> None:
    code = "from gatewayd.paths import *; print(ui_folder()); print(configs_folder())"
    shown = run(sys.executable, "-c", code, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(installed)})
    assert shown.split() == [str(installed / "gatewayd" / name) for name in ("ui", "configs")]


def test_entry_point_of_the_wheel_starts(installed: Path, tmp_path: Path) -> None:
    (entry_points,) = installed.glob("*.dist-info/entry_points.txt")
    assert "gatewayd = gatewayd.cli:main" in entry_points.read_text(encoding="utf-8")
    code = "import sys, gatewayd.cli; sys.argv = ['gatewayd', '--help']; gatewayd.cli.main()"
    shown = run(sys.executable, "-c", code, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(installed)})
    assert "serve" in shown


def test_setup_cfg_names_every_package() -> None:
    found = find_packages(str(ROOT), include=["gatewayd", "gatewayd.*"])
    assert sorted(lines("options", "packages")) == sorted({*found, "gatewayd.ui", "gatewayd.configs"})


def locked(name: str) -> dict[str, set[str]]:
    """Package name -> the versions that a lock file pins (more than one where they differ by Python version)."""
    versions: dict[str, set[str]] = {}
    text = (ROOT / name).read_text(encoding="utf-8")
    for package, version in re.findall(r"^([A-Za-z0-9_.-]+)==([^ ;\\]+)", text, re.MULTILINE):
        versions.setdefault(canonicalize_name(package), set()).add(version)
    return versions


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_lock_fits_setup_cfg(name: str) -> None:
    """If this fails: `make lock`."""
    wanted = lines("options", "install_requires")
    if name == "requirements-dev.lock":
        wanted += lines("options.extras_require", "dev")
    pins = locked(name)
    for requirement in map(Requirement, wanted):
        versions = pins.get(canonicalize_name(requirement.name), set())
        assert versions, f"{requirement.name} is not locked"
        assert all(version in requirement.specifier for version in versions), f"{requirement} is locked to {versions}"


def test_what_is_optional_is_there_in_tests() -> None:
    extras = setup_cfg()["options.extras_require"]
    optional = {line for name in extras if name != "dev" for line in lines("options.extras_require", name)}
    assert optional <= set(lines("options.extras_require", "dev"))


def test_locks_agree_and_name_no_index() -> None:
    runtime, dev = locked("requirements.lock"), locked("requirements-dev.lock")
    assert runtime.items() <= dev.items()
    assert "setuptools" in runtime, "installing without build isolation needs it"
    for name in ("requirements.lock", "requirements-dev.lock"):
        assert "://" not in (ROOT / name).read_text(encoding="utf-8")
