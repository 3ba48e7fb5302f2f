"""`gatewayd plan` and `gatewayd apply`: what the files would change, and changing it.

Exit codes: 0 done, 1 an error and nothing applied, 2 (`plan --detailed-exitcode`) there are changes, 3 a conflict is
left (all else was applied), 64 wrong usage, as nobody there to ask and no --yes.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import click

from gatewayd.cli.annotations import annotate
from gatewayd.cli.runtime import read_settings, read_vault, run_with_store, say, write_json
from gatewayd.cli.terminal import actor, is_attended, may_color
from gatewayd.config.apply import Applied, read_plan
from gatewayd.config.apply import apply as apply_files
from gatewayd.config.checkout import read_git_sha
from gatewayd.config.load import Desired, load_files, read_files
from gatewayd.config.plan import plan_sync
from gatewayd.config.planned import Choice, Plan
from gatewayd.config.render import build_plan_document, count_conflicts, list_annotations, render_plan
from gatewayd.config.secrets import SecretReader
from gatewayd.errors import ConfigurationError
from gatewayd.settings import Settings
from gatewayd.store import Store
from gatewayd.store.migrations import check_schema, read_status, upgrade
from gatewayd.store.urls import parse_database_url

CHANGES, CONFLICTS = 2, 3

_paths = click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
_json = click.option("--json", "as_json", is_flag=True, help="As JSON.")
_no_color = click.option("--no-color", is_flag=True, help="Without colors, as with NO_COLOR.")


@click.command(short_help="Show what apply would do.")
@_paths
@click.option("--detailed-exitcode", is_flag=True, help="Exit code 2 when there are changes.")
@click.option("-o", "--output", type=click.Choice(["text", "json", "github"]), default="text", help="How to tell it.")
@_json
@_no_color
@click.pass_context
def plan(
    ctx: click.Context, paths: tuple[Path, ...], detailed_exitcode: bool, output: str, as_json: bool, no_color: bool
) -> None:
    """Example: gatewayd plan configs

    Compares YAML files, or the files of a directory (default: GATEWAYD_CONFIG_DIR), with the database, field by field:
    + comes, - goes, ~ changes, ! was changed elsewhere (drift) or on both sides (conflict). Changes nothing.
    Exit code 3 when there is a conflict.
    """
    settings = read_settings()
    desired, directory = _load(settings, paths)
    found = _read_plan(settings, desired, Choice(settings.config_drift, prune=directory is not None))
    if as_json or output == "json":
        write_json(build_plan_document(found))
    elif output == "github":
        for level, file, line, text in list_annotations(found):
            click.echo(annotate(level, text, file=file, line=line))
    else:
        _show(found, no_color)
    if count_conflicts(found):
        ctx.exit(CONFLICTS)
    if detailed_exitcode and not found.is_empty:
        ctx.exit(CHANGES)


@click.command(short_help="Apply YAML files to the database.")
@_paths
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")
@click.option("--no-prune", is_flag=True, help="Delete no record that left the files.")
@click.option("--allow-mass-prune", is_flag=True, help="Delete them even when they are many, or all.")
@click.option("--force", is_flag=True, help="Take the file's value in every conflict; implies --allow-mass-prune.")
@click.option("--adopt", multiple=True, metavar="ID", help="Take over the record of another owner.")
@click.option("--detach", multiple=True, metavar="ID", help="Leave the record to the UI from now on.")
@click.option("--expect-revision", type=int, metavar="N", help="Only if the database is at this revision.")
@_json
@_no_color
@click.pass_context
def apply(
    ctx: click.Context,
    paths: tuple[Path, ...],
    yes: bool,
    dry_run: bool,
    no_prune: bool,
    allow_mass_prune: bool,
    force: bool,
    adopt: tuple[str, ...],
    detach: tuple[str, ...],
    expect_revision: int | None,
    as_json: bool,
    no_color: bool,
) -> None:
    """Example: gatewayd apply configs --yes

    Applies YAML files, or the files of a directory (default: GATEWAYD_CONFIG_DIR), in one transaction: all of it or
    nothing. The plan is shown first. Records of this source that left its directory are deleted, and can be restored
    for 30 days; where single files are named, none are. Exit code 3 when a conflict is left; all else was applied.
    """
    if not (yes or dry_run or is_attended()):
        raise click.UsageError("nobody is there to ask; add --yes to apply, or --dry-run to see the plan")
    settings = read_settings()
    desired, directory = _load(settings, paths)
    prune = directory is not None and not no_prune
    choice = Choice(settings.config_drift, force, prune, allow_mass_prune, adopt, detach)
    if dry_run or not yes:
        found = _read_plan(settings, desired, choice, expect_revision)
        if dry_run:
            _finish(ctx, found, as_json, no_color)
            return
        _show(found, no_color, err=as_json)
        _ask(found)
        expect_revision = found.revision
    applied = _apply(settings, desired, directory, choice, expect_revision)
    if yes and not as_json:
        _show(applied.plan, no_color)
    _tell(applied)
    _finish(ctx, applied.plan, as_json, no_color, applied)


def _load(settings: Settings, paths: tuple[Path, ...]) -> tuple[Desired, Path | None]:
    """What the files say; and the directory, None where single files were named: they are not all of their source."""
    chosen = list(paths) or [settings.config_dir]
    for path in chosen:
        if not path.exists():
            raise ConfigurationError(f"{path} does not exist; name YAML files or a directory of them")
    directory = chosen[0] if chosen[0].is_dir() else chosen[0].parent
    # all of it lives until the end: the collector would walk it again and again, for a quarter of the time in all
    gc.disable()
    try:
        desired = load_files(read_files(chosen), SecretReader(os.environ, directory))
    finally:
        gc.freeze()
        gc.enable()
    return desired, directory if all(path.is_dir() for path in chosen) else None


def _read_plan(settings: Settings, desired: Desired, choice: Choice, expect_revision: int | None = None) -> Plan:
    async def read(store: Store) -> Plan:
        status = await read_status(store)
        if status.current is None and not status.foreign:
            return plan_sync(desired, (), (), choice)
        await check_schema(store)
        return await read_plan(store, desired, choice=choice, expect_revision=expect_revision)

    address = parse_database_url(settings.database_url.get_secret_value())
    if address.engine == "sqlite" and not Path(address.path).exists():
        return plan_sync(desired, (), (), choice)
    return run_with_store(settings, read, schema=False)


def _apply(
    settings: Settings, desired: Desired, directory: Path | None, choice: Choice, expect_revision: int | None
) -> Applied:
    vault = read_vault(settings)

    async def write(store: Store) -> Applied:
        if (await read_status(store)).current is None:  # a new database, which nobody serves from yet
            await upgrade(store)
        await check_schema(store)
        return await apply_files(
            store,
            desired,
            mode="sync",
            generate_tokens=vault.can_store or sys.stderr.isatty(),
            vault=vault,
            choice=choice,
            by=actor(),
            git_sha=read_git_sha(directory) if directory else None,
            expect_revision=expect_revision,
        )

    return run_with_store(settings, write, schema=False)


def _show(plan: Plan, no_color: bool, *, err: bool = False) -> None:
    """err: where something else is the data."""
    color = may_color(refused=no_color)
    for line in render_plan(plan, color=color):
        click.echo(line, err=err, color=color)


def _ask(plan: Plan) -> None:
    if plan.changed and not click.confirm("Apply this?", err=True):
        raise ConfigurationError("nothing was applied")


def _tell(applied: Applied) -> None:
    say(f"applied; the database is at revision {applied.revision}" if applied.written else "nothing to apply")
    if applied.flapping:
        say(f"warning: {applied.flapping}")
    for new in applied.generated:
        if sys.stderr.isatty():
            say(f"token of gateway {new.gateway_id}, shown only now: {new.token}")
        else:
            say(f"gateway {new.gateway_id} has a new token {new.name!r}; the UI shows it")
    for gateway_id in applied.without_token:
        say(f"gateway {gateway_id} has no client token; run: gatewayd token create {gateway_id} NAME")


def _finish(ctx: click.Context, plan: Plan, as_json: bool, no_color: bool, applied: Applied | None = None) -> None:
    """Says it for programs, and ends with the exit code. applied: None where nothing was to be."""
    if as_json:
        written = {"applied": applied is not None, "new_revision": applied.revision if applied else None}
        write_json(build_plan_document(plan) | written)
    elif applied is None:
        _show(plan, no_color)
    if count_conflicts(plan):
        ctx.exit(CONFLICTS)
