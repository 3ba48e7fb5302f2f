"""`gatewayd doctor`: what is wrong is told, all of it, with what to type; a provider is asked through the relay."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatewayd.config.live import start
from gatewayd.config.secrets import SecretReader
from gatewayd.config.snapshot import build_snapshot
from gatewayd.gateways import ActiveGateway
from gatewayd.store import Store
from gatewayd.store.keys import NO_KEYS
from tests.cli.conftest import Result, Run
from tests.servers import PROVIDER_KEY, RunningSimulator, run_simulator

SECRET = "planted-key-of-the-installation"


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    with run_simulator(api_key=PROVIDER_KEY) as running:
        yield running


def install(folder: Path, base_url: str, models: str = '[{name: "*", upstream_model: sim-parallel}]') -> None:
    (folder / "configs").mkdir(exist_ok=True)
    (folder / "configs" / "a.yaml").write_text(
        "version: 1\ngateways:\n  demo:\n"
        f"    upstream: {{base_url: {base_url!r}, api_key: {{env: SIM_API_KEY}}}}\n    models: {models}\n"
    )
    environ = {"SIM_API_KEY": PROVIDER_KEY}
    asyncio.run(start(Store(f"sqlite:///{folder}/gatewayd.db"), environ=environ, config_dir=folder / "configs"))


def doctor(run: Run, *arguments: str, **environ: str) -> Result:
    return run("doctor", *arguments, **{"SIM_API_KEY": PROVIDER_KEY, "GATEWAYD_SECRET_KEY": SECRET} | environ)


def served(folder: Path) -> ActiveGateway:
    async def read() -> ActiveGateway:
        async with Store(f"sqlite:///{folder}/gatewayd.db") as store:
            secrets = SecretReader({"SIM_API_KEY": PROVIDER_KEY}, folder / "configs")
            return (await build_snapshot(store, secrets, NO_KEYS)).gateways["demo"]

    return asyncio.run(read())


def test_an_installation_in_order(tmp_path: Path, run: Run) -> None:
    install(tmp_path, "http://127.0.0.1:9")
    done = doctor(run)
    assert done.returncode == 0, done.stdout
    assert "✓ database" in done.stdout
    assert "✓ files         1 gateways in 1 files of configs, as applied" in done.stdout
    assert "✓ gateway demo  1 client tokens" in done.stdout
    assert "✗" not in done.stdout


def test_without_a_database_it_says_what_to_run(tmp_path: Path, run: Run) -> None:
    done = doctor(run, DATABASE_URL=f"sqlite:///{tmp_path}/x.db")
    assert done.returncode == 1
    assert "✗ database" in done.stdout
    assert "run: gatewayd db upgrade" in done.stdout


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path, run: Run) -> None:
    install(tmp_path, "http://127.0.0.1:9")
    (tmp_path / "configs" / "b.yaml").write_text("version: 1\ngateways: {x: {upstrem: 1}}\n")
    done = doctor(run, SIM_API_KEY="")
    assert done.returncode == 1
    assert "✗ files         configs/b.yaml:2:" in done.stdout
    assert "✗ gateway demo  answers 503: secret SIM_API_KEY is not set" in done.stdout


def test_a_change_that_is_not_applied_yet_is_a_note(tmp_path: Path, run: Run) -> None:
    install(tmp_path, "http://127.0.0.1:9")
    file = tmp_path / "configs" / "a.yaml"
    file.write_text(file.read_text().replace("sim-parallel", "sim-fast"))
    done = doctor(run)
    assert done.returncode == 0
    assert "! files         1 gateways in 1 files of configs, not all applied yet; run: gatewayd plan" in done.stdout


def test_a_secret_that_no_key_reads_is_a_problem(tmp_path: Path, run: Run) -> None:
    install(tmp_path, "http://127.0.0.1:9")
    with sqlite3.connect(tmp_path / "gatewayd.db") as connection:
        connection.execute("UPDATE token SET ciphertext = 'gAAAAA'")
    done = doctor(run)
    assert done.returncode == 1
    assert "✗ secrets" in done.stdout
    assert "gatewayd db forget-secrets" in done.stdout


def test_what_a_provider_can_do(tmp_path: Path, run: Run, simulator: RunningSimulator) -> None:
    install(tmp_path, simulator.base_url)
    done = doctor(run, "demo", "--json")
    assert done.returncode == 0, done.stdout
    (report,) = json.loads(done.stdout)["providers"]
    assert (report["model"], report["upstream_model"]) == ("any", "sim-parallel")
    verdicts = {finding["name"]: finding["verdict"] for finding in report["findings"]}
    needed = ("message", "stream", "tool call", "tool result", "two tools at once")
    assert [verdicts[name] for name in needed] == ["ok"] * 5, report
    assert all(finding["seconds"] < 20 for finding in report["findings"])
    assert sum(finding["tokens"] for finding in report["findings"]) < 2000
    assert report["capabilities"] == {}
    assert "nothing to propose" in done.stderr
    assert PROVIDER_KEY not in done.stdout + done.stderr


def test_what_was_learned_is_proposed_and_saved(tmp_path: Path, run: Run, simulator: RunningSimulator) -> None:
    install(tmp_path, simulator.base_url, '[{name: "*", upstream_model: sim-refuses-max_tokens+images}]')
    told = doctor(run, "demo")
    assert told.returncode == 0, told.stdout
    assert 'max_tokens_field: "max_completion_tokens"' in told.stderr
    assert served(tmp_path).gateway.upstream.capabilities == {}
    saved = doctor(run, "demo", "--write", "--yes")
    assert saved.returncode == 0, saved.stdout
    assert served(tmp_path).gateway.upstream.capabilities["max_tokens_field"] == "max_completion_tokens"
    again = doctor(run, "demo")
    assert "nothing to propose" in again.stderr


def test_a_provider_that_refuses_the_key_is_asked_once(tmp_path: Path, run: Run, simulator: RunningSimulator) -> None:
    install(tmp_path, simulator.base_url)
    done = doctor(run, "demo", SIM_API_KEY="sk-wrong-key")
    assert done.returncode == 1
    assert "✗ message  refused: " in done.stdout
    assert len(simulator.requests) == 1
    assert "sk-wrong-key" not in done.stdout + done.stderr


def test_a_provider_that_is_not_there(tmp_path: Path, run: Run, unused_tcp_port: int) -> None:
    install(tmp_path, f"http://127.0.0.1:{unused_tcp_port}")
    done = doctor(run, "demo")
    assert done.returncode == 1
    assert "✗ message  refused: " in done.stdout


def test_each_upstream_model_is_asked_for_once(tmp_path: Path, run: Run, simulator: RunningSimulator) -> None:
    models = '[{name: "claude-*opus*", upstream_model: sim-thinking}, {name: "claude-*", upstream_model: sim-fast},'
    install(tmp_path, simulator.base_url, models + ' {name: "*haiku", upstream_model: sim-fast}]')
    done = doctor(run, "demo", "--json")
    asked = [(report["model"], report["upstream_model"]) for report in json.loads(done.stdout)["providers"]]
    assert asked == [("claude-opus", "sim-thinking"), ("claude-", "sim-fast")]


def test_a_gateway_that_takes_any_name_needs_one(tmp_path: Path, run: Run, simulator: RunningSimulator) -> None:
    install(tmp_path, simulator.base_url, '[{name: "*"}]')
    assert "say which: gatewayd doctor demo --model NAME" in doctor(run, "demo").stderr
    assert doctor(run, "demo", "--model", "sim-fast").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("nobody",), 1, "there is no gateway 'nobody'"),
        (("--write",), 64, "need a gateway"),
        (("demo", "--model", "other"), 1, "has no route for model 'other'"),
    ],
)
def test_bad_input(tmp_path: Path, run: Run, arguments: tuple[str, ...], code: int, says: str) -> None:
    install(tmp_path, "http://127.0.0.1:9", '[{name: "only", upstream_model: sim-fast}]')
    done = doctor(run, *arguments)
    assert done.returncode == code
    assert says in done.stderr
