"""Deployment files: they parse, every gatewayd command in them exists with its options, every variable is a setting."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from gatewayd.cli import main
from gatewayd.config.load import load_files, read_files
from gatewayd.config.secrets import SecretReader
from gatewayd.settings import SECRETS, Settings, load_settings
from tests.tools import ROOT

DEPLOY = ROOT / "deploy"
FILES = sorted([*DEPLOY.rglob("*.yaml"), *DEPLOY.rglob("*.yml"), ROOT / ".do" / "deploy.template.yaml"])
UNIT = DEPLOY / "systemd" / "gatewayd.service"
VARIABLES = {str(field.validation_alias): name for name, field in Settings.model_fields.items()}
SETTINGS = {*VARIABLES, *(f"{variable}_FILE" for variable, name in VARIABLES.items() if name in SECRETS)}


class Texts(yaml.SafeLoader):
    """Every scalar is its text, so that `on` is a key; merge keys are merged, as Compose does."""

    yaml_implicit_resolvers = {"<": [("tag:yaml.org,2002:merge", re.compile("^<<$"))]}  # noqa: RUF012 - PyYAML's own


def documents(path: Path) -> list[Any]:
    return list(yaml.load_all(path.read_text(encoding="utf-8"), Texts))


def walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(inner)


def runs_gatewayd(part: dict[str, Any]) -> bool:
    return part.get("name") == "gatewayd" or part.get("image") == "gatewayd" or "dockerfile_path" in part


def environments(path: Path) -> Iterator[dict[str, str]]:
    """Variable -> its value, "" where that is a reference, of each container or step that runs gatewayd."""
    for part in (part for document in documents(path) for part in walk(document)):
        env = part.get("environment", part.get("env", part.get("envs")))
        if isinstance(env, list) and (runs_gatewayd(part) or part.get("image") == "gatewayd"):
            yield {item.get("name") or item["key"]: item.get("value", "") for item in env}
        elif isinstance(env, dict) and (part.get("image") == "gatewayd" or "gatewayd" in str(part.get("run", ""))):
            yield env


def unit_lines(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.+)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)


def commands() -> Iterator[tuple[str, list[str]]]:
    """Where it stands, and the words behind `gatewayd`."""
    for path in FILES:
        for part in (part for document in documents(path) for part in walk(document)):
            if "run" in part:
                for line in part["run"].splitlines():
                    for found in re.findall(r"(?:^|[|&;] *)gatewayd ([^|&;]+)", line):
                        yield path.name, shlex.split(found)
            if isinstance(part.get("args"), list) and (part.get("image") == "gatewayd"):
                yield path.name, part["args"]
    for line in unit_lines("ExecStart"):
        yield UNIT.name, line.split()[1:]
    for found in re.findall(r"^(?:CMD|HEALTHCHECK.* CMD) (\[.*\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE):
        yield "Dockerfile", [word for word in yaml.safe_load(found) if word != "gatewayd"]


COMMANDS = list(commands())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_yaml(path: Path) -> None:
    assert all(isinstance(document, dict) for document in documents(path))


def test_the_commands_that_matter_are_found() -> None:
    words = [(where, command[0]) for where, command in COMMANDS]
    assert {("gateways.yml", "validate"), ("gateways.yml", "plan"), ("gateways.yml", "apply")} <= set(words)
    assert {("apply-job.yaml", "apply"), ("deployment.yaml", "serve"), ("gatewayd.service", "serve")} <= set(words)
    assert ("Dockerfile", "healthcheck") in words


@pytest.mark.parametrize(("where", "words"), COMMANDS, ids=lambda value: value if isinstance(value, str) else value[0])
def test_every_command_exists_with_its_options(where: str, words: list[str]) -> None:
    command: click.Command | None = main
    context = click.Context(main)
    while isinstance(command, click.Group):
        command = command.get_command(context, words[0])
        assert command is not None, f"{where}: no verb {words[0]}"
        words = words[1:]
    assert command is not None
    command.make_parser(context).parse_args(list(words))  # raises at an option that is none


ENVIRONMENTS = [(path, env) for path in FILES for env in environments(path)]


def test_the_environments_that_matter_are_found() -> None:
    found = {path.relative_to(ROOT).as_posix() for path, _ in ENVIRONMENTS}
    assert found == {
        ".do/deploy.template.yaml",
        "deploy/compose.yaml",
        "deploy/github-actions/gateways.yml",
        "deploy/kubernetes/base/deployment.yaml",
        "deploy/kubernetes/overlays/postgres/apply-job.yaml",
        "deploy/kubernetes/overlays/postgres/deployment.yaml",
        "deploy/kubernetes/overlays/sqlite/deployment.yaml",
    }


@pytest.mark.parametrize(("path", "env"), ENVIRONMENTS, ids=lambda value: value.name if isinstance(value, Path) else "")
def test_every_variable_is_a_setting_and_every_value_one_that_it_takes(path: Path, env: dict[str, str]) -> None:
    assert set(env) <= SETTINGS, path
    load_settings({name: v for name, v in env.items() if "$" not in v and not name.endswith("_FILE")})


def test_the_service_sets_what_there_is() -> None:
    env = dict(line.split("=", 1) for line in unit_lines("Environment"))
    assert set(env) <= SETTINGS
    load_settings({name: value for name, value in env.items() if not name.endswith("_FILE")})
    assert unit_lines("LoadCredential")[0].startswith(env["ADMIN_PASSWORD_FILE"].removeprefix("%d/") + ":")


def test_time_to_drain_is_given_everywhere() -> None:
    """GATEWAYD_DRAIN_SECONDS, and five seconds until no new request comes."""
    drain = Settings().drain_seconds
    (pod,) = (p for p in walk(documents(DEPLOY / "kubernetes/base/deployment.yaml")) if "containers" in p)
    assert int(pod["terminationGracePeriodSeconds"]) == 150 >= drain + 5
    assert pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "5"]
    services = documents(DEPLOY / "compose.yaml")[0]["services"]
    assert all(int(services[name]["stop_grace_period"].rstrip("s")) > drain for name in ("gatewayd", "gatewayd-sqlite"))
    assert int(unit_lines("TimeoutStopSec")[0]) > drain
    web = documents(ROOT / ".do" / "deploy.template.yaml")[0]["spec"]["services"][0]
    assert int(web["termination"]["grace_period_seconds"]) > drain
    assert int(web["termination"]["drain_seconds"]) <= 110, "the most that the platform takes"


def test_probes_ask_routes_that_there_are() -> None:
    routes = (ROOT / "gatewayd/api/routes.py").read_text()
    asked = set()
    for path in FILES:
        for part in (part for document in documents(path) for part in walk(document)):
            asked |= {p for p in (part.get("path"), part.get("http_path")) if p and p.startswith("/")}
    assert asked == {"/health", "/ready"}
    assert all(path in routes for path in asked)


def test_the_gateways_of_the_config_map_load() -> None:
    folder = DEPLOY / "kubernetes/base"
    (generator,) = documents(folder / "kustomization.yaml")[0]["configMapGenerator"]
    listed = [folder / name for name in generator["files"]]
    assert sorted(listed) == sorted((folder / "gateways").iterdir())
    assert load_files(read_files(listed), SecretReader({}, folder / "gateways")).gateways


@pytest.mark.parametrize("overlay", ["sqlite", "postgres"])
def test_an_overlay_can_be_built(overlay: str) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    done = subprocess.run(
        ["kubectl", "kustomize", DEPLOY / "kubernetes" / "overlays" / overlay],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    objects = {part["kind"]: part for part in yaml.load_all(done.stdout, Texts)}
    config = objects["ConfigMap"]["metadata"]["name"]
    deployment = objects["Deployment"]["spec"]
    (container,) = deployment["template"]["spec"]["containers"]
    env = {item["name"]: item for item in container["env"]}
    assert {"ADMIN_PASSWORD", "GATEWAYD_SECRET_KEY", "DATABASE_URL"} <= set(env)
    if overlay == "sqlite":
        assert (deployment["replicas"], deployment["strategy"]) == ("1", {"type": "Recreate"})
        assert deployment["template"]["spec"]["volumes"][1]["configMap"]["name"] == config
    else:
        assert env["GATEWAYD_CONFIG_MODE"]["value"] == "off"
        assert objects["Job"]["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"] == config
