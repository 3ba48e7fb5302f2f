"""A record as it is live -> the text of its file that says so: what the UI proposes and `export --patch` prints. Pure.

Only the nodes that differ are replaced. What comes out is loaded again before it is given away: it means exactly the
live record, and all others of the file mean what they meant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import unified_diff

import yaml

from gatewayd.config.emit import canonical_spec
from gatewayd.config.load import load_text
from gatewayd.config.nodes import compose_exactly
from gatewayd.config.splice import splice
from gatewayd.errors import ConfigurationError
from gatewayd.gateways import Gateway
from gatewayd.store.gateways import Spec


def propose_patch(text: str, gateway_id: str, live: Spec | None, name: str = "the file") -> str:
    """The text of a file with one record changed, added, or, with None, removed.

    live: the spec, its tokens included (`export.read_record`); name: of the file, for errors.
    InvalidConfiguration when the text is not in order, ConfigurationError when the change cannot be written into it.
    """
    return propose_patches(text, {gateway_id: live}, name)


def propose_patches(text: str, live: Mapping[str, Spec | None], name: str = "the file") -> str:
    """The same for several records at once."""
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    body = text.removeprefix(mark)
    before = _specs(name, body)
    after = {id_: spec for id_, spec in before.items() if id_ not in live}
    for id_, spec in live.items():
        if spec is not None:
            after[id_] = canonical_spec(Gateway.model_validate(spec).spec())
    if before == after:
        return text
    root, _ = compose_exactly(body)
    assert isinstance(root, yaml.MappingNode)
    try:
        patched = splice(body, root, {"gateways": before}, {"gateways": after})
    except ConfigurationError as error:
        raise ConfigurationError(f"{name}: {error}") from None
    if not _says(patched, after):
        changed = ", ".join(id_ for id_ in live if before.get(id_) != after.get(id_))
        raise ConfigurationError(f"{name}: the change of {changed} cannot be written into this file by itself")
    return mark + patched


def write_diff(name: str, old: str, new: str) -> str:
    """A unified diff that `git apply` and `patch -p1` take; empty when nothing differs. name: a relative path, best."""
    lines = unified_diff(_lines(old), _lines(new), f"a/{name}", f"b/{name}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _lines(text: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _specs(name: str, text: str) -> dict[str, Spec]:
    return {id_: canonical_spec(gateway.spec()) for id_, gateway in load_text(name, text).gateways.items()}


def _says(text: str, specs: Mapping[str, Spec]) -> bool:
    try:
        return _specs("", text) == specs
    except ConfigurationError:
        return False
