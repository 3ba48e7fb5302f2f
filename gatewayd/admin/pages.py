"""Templates -> HTML. Everything is escaped, and a name that a page was not given is an error, not a blank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gatewayd import __version__
from gatewayd.admin.static import Static
from gatewayd.admin.wording import FILTERS

#: What was done before a page was asked for, by the `done` of its address: no text of a page comes from there.
DONE = {
    "saved": "Saved. Every process serves it within a second.",
    "created": "Created. It serves within a second.",
    "deleted": "Deleted. It can be restored for 30 days.",
    "restored": "Restored. It serves again within a second.",
    "paused": "Paused. Requests are refused until it is resumed.",
    "resumed": "Resumed.",
    "detached": "Detached: it belongs to the UI now, and its file is no longer applied.",
    "reverted": "Reverted to what the file says.",
    "revoked": "Revoked. It is refused within a second.",
    "recording": "The next requests will be recorded.",
    "applied": "The configuration files were applied.",
    "ended": "The login was ended.",
}


class NavigationEntry(NamedTuple):
    path: str
    title: str
    icon: str


NAVIGATION = (
    NavigationEntry("/dashboard", "Dashboard", "gauge"),
    NavigationEntry("/gateways", "Gateways", "route"),
    NavigationEntry("/logs", "Logs", "list"),
    NavigationEntry("/sessions", "Sessions", "chat"),
    NavigationEntry("/usage", "Usage", "chart"),
    NavigationEntry("/config", "Config", "file"),
    NavigationEntry("/system", "System", "chip"),
)


class Pages:
    """The templates of `folder`. paths: of all pages that there are; the navigation leads to those alone."""

    def __init__(self, folder: Path, static: Static, paths: Sequence[str]) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(folder),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters.update(FILTERS)
        self._environment.globals.update(
            css=f"/static/{static.css}",
            js=f"/static/{static.js}",
            version=__version__,
            navigation=[entry for entry in NAVIGATION if entry.path in paths],
            done_texts=DONE,
        )

    def render(self, template: str, context: Mapping[str, Any]) -> str:
        """May be called in a thread."""
        return self._environment.get_template(template).render(context)
