"""The style sheet and the script: one file each, put together at start from the vendored libraries and our own.

Served from this fixed table of names and nothing else. A name holds the hash of its content, so browsers keep it.
Vendored rules are in a layer of their own, which every rule of ours goes before.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class StaticFile:
    content: bytes
    packed: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Static:
    """files: by their name in the URL; css, js: those names."""

    files: Mapping[str, StaticFile]
    css: str
    js: str


def load_static(folder: Path) -> Static:
    """From `ui/static`. Raises OSError where a file is missing: an installation without it is broken."""
    vendor = folder / "vendor"
    styles = [_read(vendor / "pico.min.css"), _read(vendor / "uPlot.min.css")]
    css = b"@layer vendor{%b}\n%b" % (b"\n".join(map(_without_charset, styles)), _read(folder / "app.css"))
    js = _read(vendor / "uPlot.iife.min.js") + b"\n" + _read(folder / "app.js")
    files = {
        _name("app", css, "css"): _file(css, "text/css; charset=utf-8"),
        _name("app", js, "js"): _file(js, "text/javascript; charset=utf-8"),
    }
    names = list(files)
    return Static(files, names[0], names[1])


def _read(path: Path) -> bytes:
    return path.read_bytes()


def _without_charset(style: bytes) -> bytes:
    """It may stand at the beginning of a file alone; the content type says it too."""
    return style.removeprefix(b'@charset "UTF-8";')


def _name(stem: str, content: bytes, suffix: str) -> str:
    return f"{stem}-{sha256(content).hexdigest()[:16]}.{suffix}"


def _file(content: bytes, content_type: str) -> StaticFile:
    return StaticFile(content, gzip.compress(content, 9, mtime=0), content_type)
