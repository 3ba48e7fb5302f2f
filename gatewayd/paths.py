"""Where the files that ship beside the code are: inside the installed package, or beside it in a checkout.

Found by path, since package resources do not see them in an editable install or a bare checkout.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def ui_folder() -> Path:
    """The folder with `templates/` and `static/`."""
    return _folder("ui")


def configs_folder() -> Path:
    """The folder with the example gateways and the JSON Schema."""
    return _folder("configs")


def _folder(name: str) -> Path:
    installed = _PACKAGE / name
    return installed if installed.is_dir() else _PACKAGE.parent / name
