"""Stored records -> YAML files that say the same: canonical, so that the same records are the same bytes. Pure.

A record is exported as it is live, a client token by its hash. What a file cannot hold is told in a warning: a stored
provider key becomes a reference to a variable that is still to be set, and tokens that were made for a record of a file
stay in the database, or applying the export would change what the file declares.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gatewayd.config.emit import canonical_spec, write_document
from gatewayd.config.load import DEFAULT_SOURCE
from gatewayd.config.planned import UI
from gatewayd.errors import ConfigurationError
from gatewayd.gateways import Gateway
from gatewayd.store.gateways import GatewayRow, Spec
from gatewayd.store.tokens import TokenRow

ALL = "all"


@dataclass(frozen=True, slots=True)
class Record:
    """spec: as `write_document` takes it, tokens included."""

    id: str
    owner: str
    spec: Spec
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Export:
    """By id. warnings: one line each."""

    records: tuple[Record, ...] = ()
    warnings: tuple[str, ...] = field(default=())

    @property
    def owners(self) -> list[str]:
        return sorted({record.owner for record in self.records})


def build_export(rows: Iterable[GatewayRow], tokens: Iterable[TokenRow], owner: str = ALL) -> Export:
    """The records that are not deleted, of one owner (`ui`, `file:SOURCE`) or of all.

    One that is not valid is left out, with a warning. ConfigurationError when that owner has none.
    """
    active = [row for row in rows if row.state == "active"]
    chosen = sorted((row for row in active if owner in (ALL, row.managed_by)), key=lambda row: row.id)
    if owner != ALL and not chosen:
        known = ", ".join(sorted({row.managed_by for row in active})) or "nobody has any"
        raise ConfigurationError(f"{owner} has no gateway; owners of gateways: {known}")
    of_gateway: dict[str, list[TokenRow]] = {}
    for token in tokens:
        of_gateway.setdefault(token.gateway_id, []).append(token)
    records, warnings = [], []
    for row in chosen:
        try:
            record = read_record(row, of_gateway.get(row.id, []))
        except ValueError:
            warnings.append(f"gateway {row.id} is left out: its record is not valid; correct it in the UI or its file")
            continue
        records.append(record)
        warnings += record.warnings
    return Export(tuple(records), (*warnings, *_dangling(records)))


def read_record(row: GatewayRow, tokens: Sequence[TokenRow]) -> Record:
    """What a file of this record would say. tokens: those of this gateway. ValueError: the stored spec is not valid."""
    warnings = []
    declared = [token["name"] for spec in (row.declared, row.applied) if spec for token in spec.get("tokens", ())]
    own = row.managed_by == UI
    exported = [token for token in tokens if own or token.managed_by != UI or token.name in declared]
    left = [token.name for token in tokens if token not in exported]
    if left:
        warnings.append(f"gateway {row.id}: tokens that are not the file's are not exported: {', '.join(left)}")
    place = {name: index for index, name in reversed(list(enumerate(declared)))}
    exported.sort(key=lambda token: (place.get(token.name, len(place)), token.name))
    spec = {**row.spec, "tokens": [{"name": token.name, "sha256": token.sha256} for token in exported]}
    upstream = spec.get("upstream")
    if isinstance(upstream, dict) and "stored" in (upstream.get("api_key") or {}):
        variable = f"TODO_{row.id.upper().replace('-', '_')}_API_KEY"
        spec["upstream"] = {**upstream, "api_key": {"env": variable}}
        warnings.append(
            f"gateway {row.id}: its provider key is stored and not exported; set {variable}, or name another"
        )
    return Record(row.id, row.managed_by, canonical_spec(Gateway.model_validate(spec).spec()), tuple(warnings))


def _dangling(records: Sequence[Record]) -> list[str]:
    known = {record.id for record in records}
    return [
        f"gateway {record.id}: its fallback {name} is not part of this export"
        for record in records
        for name in record.spec.get("fallback", ())
        if name not in known
    ]


def write_all(export: Export) -> str:
    """One file with all records. It names the source where they have one and the same."""
    sources = {_source(record.owner) for record in export.records}
    return write_records(export.records, sources.pop() if len(sources) == 1 else None)


def write_files(export: Export) -> Mapping[str, str]:
    """Relative path -> text: one file for each owner, named for it.

    One directory is one source: where records of several are exported, each owner has a directory of its own.
    """
    sources = [owner for owner in export.owners if owner != UI]
    files = {}
    for owner in export.owners:
        name = _source(owner) or UI
        # records of the UI join the directory's source when they are applied
        source = _source(owner) or (_source(sources[0]) if len(sources) == 1 else None)
        text = write_records([record for record in export.records if record.owner == owner], source)
        files[f"{name}/{name}.yaml" if len(sources) > 1 else f"{name}.yaml"] = text
    return files


def write_records(records: Iterable[Record], source: str | None) -> str:
    """A whole file."""
    envelope = {"source": source} if source not in (None, DEFAULT_SOURCE) else {}
    return write_document({"version": 1, **envelope, "gateways": {record.id: record.spec for record in records}})


def _source(owner: str) -> str | None:
    """`file:team` -> `team`."""
    return None if owner == UI else owner.removeprefix("file:")
