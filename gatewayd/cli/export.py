"""`gatewayd export`: records as YAML, or as patches of the files that they came from."""

from __future__ import annotations

import os
from pathlib import Path

import click

from gatewayd.cli.runtime import read_settings, run_with_store, say, write_json
from gatewayd.config.export import ALL, Export, build_export, read_record, write_all, write_files
from gatewayd.config.load import load_text
from gatewayd.config.patch import propose_patches, write_diff
from gatewayd.config.planned import UI
from gatewayd.errors import ConfigurationError
from gatewayd.store import Store
from gatewayd.store.gateways import GatewayRow, Spec, list_gateways
from gatewayd.store.tokens import TokenRow, list_tokens

Rows = tuple[list[GatewayRow], list[TokenRow]]


def _owner(_ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    if value not in (UI, ALL) and not value.startswith("file:"):
        raise click.BadParameter("write ui, file:SOURCE or all")
    return value


@click.command(short_help="Write records as YAML.")
@click.option(
    "--managed-by", "owner", default=ALL, callback=_owner, metavar="ui|file:SOURCE|all", help="Whose records."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False), help="A directory, for one file per owner."
)
@click.option(
    "--patch",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Print what a YAML file must change to say what is live, as a diff.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def export(owner: str, output: Path | None, patch: Path | None, as_json: bool) -> None:
    """Example: gatewayd export --managed-by ui > configs/from-ui.yaml

    Writes the records of the database as YAML, always in the same form. Tokens are written by their hash. A provider
    key that is stored cannot be written: a reference takes its place, and a warning on stderr says so.

    With --patch FILE: what was changed elsewhere since FILE was applied, as a diff of FILE that keeps its comments.
    Apply it with: gatewayd export --patch FILE | patch -p1
    """
    if (output is not None) + (patch is not None) + as_json > 1:
        raise click.UsageError("--output, --patch and --json exclude each other")
    rows, tokens = run_with_store(read_settings(), _read)
    if patch is not None:
        _print_patch(patch, rows, tokens)
        return
    exported = build_export(rows, tokens, owner)
    if as_json:
        write_json({record.id: {"managed_by": record.owner, **record.spec} for record in exported.records})
    elif output is None:
        click.echo(write_all(exported), nl=False)
        if len(exported.owners) > 1:
            say(f"warning: one file now holds records of {', '.join(exported.owners)}; choose with --managed-by")
    else:
        _write(output, exported)
    for warning in exported.warnings:
        say(f"warning: {warning}")


async def _read(store: Store) -> Rows:
    async with store.read() as session:
        return await list_gateways(session), await list_tokens(session)


def _write(directory: Path, exported: Export) -> None:
    for name, text in write_files(exported).items():
        path = directory / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{path.name}")  # a name that is not read, until it is whole
            draft.write_text(text, encoding="utf-8")
            os.replace(draft, path)
        except OSError as error:
            raise ConfigurationError(f"cannot write {path}: {error.strerror}") from None
        say(f"wrote {path}")


def _print_patch(path: Path, rows: list[GatewayRow], tokens: list[TokenRow]) -> None:
    try:
        text = path.read_bytes().decode()
    except (OSError, ValueError):
        raise ConfigurationError(f"{path} cannot be read, or is not UTF-8 text") from None
    by_id = {row.id: row for row in rows}
    live: dict[str, Spec | None] = {}
    for id_ in load_text(str(path), text).gateways:
        row = by_id.get(id_)
        if row is None or not row.managed_by.startswith("file:"):
            owner = "is not in the database" if row is None else "belongs to the UI"
            say(f"warning: gateway {id_} {owner}; nothing is proposed for it")
            continue
        record = read_record(row, [token for token in tokens if token.gateway_id == id_])
        for warning in record.warnings:
            say(f"warning: {warning}")
        live[id_] = record.spec if row.state == "active" else None
    click.echo(write_diff(_shown(path), text, propose_patches(text, live, str(path))), nl=False)


def _shown(path: Path) -> str:
    """Relative to where the command runs, as `patch -p1` needs it, where it lies below."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix().lstrip("/")
