"""Secret references -> secrets, when a snapshot is built. What may be read is decided here and in `SecretRef`.

A file is read only under /run/secrets, $CREDENTIALS_DIRECTORY or the configuration directory, links followed first, and
never one that holds a secret of gatewayd itself: otherwise whoever may edit a record could send it to a server of their
own. What cannot be read is a name, never an exception: that one gateway answers 503, the others serve.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gatewayd.gateways import SecretRef

_MAXIMUM_BYTES = 64 * 1024
_SQLITE = b"SQLite format 3\0"
_OWN_SECRETS = ("ADMIN_", "DATABASE_", "GATEWAYD_")


@dataclass(frozen=True, slots=True)
class Resolved:
    """Exactly one of the two is set. missing: the reference's name, and why where it is not simply unset."""

    value: str | None = field(default=None, repr=False)
    missing: str | None = None


class SecretReader:
    """Reads secrets of one process: its environment, and the directories that secrets may lie in."""

    def __init__(self, environ: Mapping[str, str], config_directory: Path) -> None:
        self._environ = environ
        self._config_directory = config_directory
        credentials = environ.get("CREDENTIALS_DIRECTORY")
        self._directories = [Path("/run/secrets"), *([Path(credentials)] if credentials else []), config_directory]
        self._own = [
            Path(value)
            for name, value in environ.items()
            if name.startswith(_OWN_SECRETS) and name.endswith("_FILE") and value
        ]

    def refusal(self, file: str) -> str | None:
        """Why this file may not be read, or None."""
        path = self.locate(file)
        if not any(_is_below(path, directory) for directory in self._directories):
            return f"only files below {', '.join(map(str, self._directories))} can be read; move it there"
        if _is_database_key(path) or any(_is_same(path, own) for own in self._own):
            return f"{file} belongs to gatewayd itself and cannot be sent to a provider"
        return None

    def locate(self, file: str) -> Path:
        """A relative path starts at the configuration directory."""
        return self._config_directory / file

    def resolve(self, ref: SecretRef) -> Resolved:
        """Of the environment or a file."""
        if ref.env is not None:
            return _usable(self._environ.get(ref.env, ""), ref.env)
        file = ref.file or ""
        if self.refusal(file):
            return Resolved(missing=f"{file} (not one of the files that may be read)")
        try:
            with self.locate(file).open("rb") as stream:
                text = stream.read(_MAXIMUM_BYTES).decode()
        except (OSError, ValueError):
            return Resolved(missing=file)
        return _usable(text, file)


def _usable(text: str, name: str) -> Resolved:
    text = text.strip()
    if not text:
        return Resolved(missing=name)
    if not (text.isascii() and text.isprintable()):
        return Resolved(missing=f"{name} (it holds characters that a header cannot carry)")
    return Resolved(value=text)


def _is_below(path: Path, directory: Path) -> bool:
    try:
        return path.resolve().is_relative_to(directory.resolve())
    except (OSError, RuntimeError, ValueError):  # a loop of links, or a NUL in the path
        return False


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path.resolve() == other.resolve() or path.samefile(other)
    except (OSError, RuntimeError, ValueError):  # one of them is not there
        return False


def _is_database_key(path: Path) -> bool:
    """The key file that SQLite has beside it where GATEWAYD_SECRET_KEY is not set."""
    path = path.resolve()
    if path.suffix != ".key":
        return False
    try:
        with path.with_suffix("").open("rb") as stream:
            return stream.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False
