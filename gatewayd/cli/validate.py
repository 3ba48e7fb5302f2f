"""`gatewayd validate`: checks YAML files without a database."""

from __future__ import annotations

import os
from pathlib import Path

import click

from gatewayd.cli.output import read_settings, say, write_json
from gatewayd.config.document import Problem
from gatewayd.config.load import InvalidConfiguration, load_files, read_files
from gatewayd.config.secrets import SecretReader
from gatewayd.errors import ConfigurationError


@click.command(short_help="Check YAML files.")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Choice(["text", "json", "github"]), default="text", help="How to tell errors."
)
@click.option("--json", "as_json", is_flag=True, help="The same as -o json.")
@click.pass_context
def validate(ctx: click.Context, paths: tuple[Path, ...], output: str, as_json: bool) -> None:
    """Example: gatewayd validate configs

    Checks YAML files, or the files of a directory (default: GATEWAYD_CONFIG_DIR), and lists every error as
    file:line:column: path: message. Needs no database and no secret. Exit code 1 when there are errors.
    """
    chosen = list(paths) or [read_settings().config_dir]
    for path in chosen:
        if not path.exists():
            raise ConfigurationError(f"{path} does not exist; name YAML files or a directory of them")
    problems: tuple[Problem, ...] = ()
    files = read_files(chosen)
    directory = chosen[0] if chosen[0].is_dir() else chosen[0].parent
    count = 0
    try:
        count = len(load_files(files, SecretReader(os.environ, directory)).gateways)
    except InvalidConfiguration as error:
        problems = error.problems
    _tell(problems, "json" if as_json else output)
    if problems:
        say(f"{len(problems)} error{'s' * (len(problems) > 1)}")
        ctx.exit(1)
    say(f"{count} gateway{'s' * (count != 1)} in {len(files)} file{'s' * (len(files) != 1)}: no errors")


def _tell(problems: tuple[Problem, ...], output: str) -> None:
    if output == "json":
        write_json(
            [
                {"file": p.file, "line": p.place.line, "column": p.place.column, "path": p.path, "message": p.message}
                for p in problems
            ]
        )
        return
    for problem in problems:
        click.echo(_github(problem) if output == "github" else str(problem))


def _github(problem: Problem) -> str:
    """An annotation of GitHub Actions; its escapes: https://github.com/actions/toolkit (core/command)"""
    file = _escape(problem.file).replace(":", "%3A").replace(",", "%2C")
    text = f"{problem.path}: {problem.message}" if problem.path else problem.message
    return f"::error file={file},line={problem.place.line},col={problem.place.column}::{_escape(text)}"


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
