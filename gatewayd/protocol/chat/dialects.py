"""How providers depart from the reference: one row of data per provider family, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Dialect:
    """One provider family's habits."""

    name: str
    hosts: tuple[str, ...] = ()
    think_tags: bool = True

    def with_capabilities(self, overrides: dict[str, Any]) -> Dialect:
        """This row with single habits replaced; ValueError names an unknown habit or a wrong value."""
        known = {f.name for f in fields(self)} - {"name", "hosts"}
        for name in overrides:
            if name not in known:
                raise ValueError(f"capabilities: {name!r} is unknown; one of {', '.join(sorted(known))}")
        return replace(self, **overrides) if overrides else self


DIALECTS: dict[str, Dialect] = {row.name: row for row in (Dialect(name="generic"),)}


def dialect_for(host: str) -> Dialect:
    """The row whose hosts include `host`, else generic."""
    return next((row for row in DIALECTS.values() if host in row.hosts), DIALECTS["generic"])
