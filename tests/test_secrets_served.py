"""Planted secrets, a served gateway that uses them, and a look at all that it leaves behind (CWE-214, -312, -532)."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gatewayd.config.provider_keys import STORED, store_provider_key
from gatewayd.config.tokens import add_client_token
from gatewayd.gateways import Upstream
from gatewayd.store import Store
from gatewayd.store.gateways import GatewayRow, add_gateway
from gatewayd.store.keys import Vault
from gatewayd.store.state import bump_revision
from tests.databases import Cluster
from tests.servers import RunningServer, clean_env, run_server, run_simulator
from tests.tools import ROOT

SECRET_KEY = "planted-secret-key-of-the-installation"
PROVIDER_KEY = "sk-planted-key-typed-into-the-form"
REFUSED_KEY = "sk-planted-key-that-the-provider-refuses"
PASSWORD = "planted-admin-password"


async def plant(url: str, base_url: str) -> str:
    """Gateways `typed` and `refused` with stored keys, and a token of both; gives the token of `typed`."""
    vault = Vault([SECRET_KEY.encode()])
    async with Store(url) as store:
        for id_, key in (("typed", PROVIDER_KEY), ("refused", REFUSED_KEY)):
            spec = {"upstream": {"base_url": base_url, "api_key": STORED}, "models": [{"name": "sim-*"}]}
            async with store.write_lock() as session:
                await add_gateway(session, GatewayRow(id_, spec, "ui", 1, "admin"))
                await store_provider_key(session, vault, id_, Upstream(base_url=base_url), key)
                await bump_revision(session)
        await add_client_token(store, "refused", "other", vault)
        return (await add_client_token(store, "typed", "laptop", vault)).token


def ask(root: str, gateway: str, token: str) -> httpx.Response:
    body = {"model": "sim-fast", "max_tokens": 20, "messages": [{"role": "user", "content": "Hello"}]}
    url = f"{root}/gateway/{gateway}/v1/messages"
    return httpx.post(url, json=body, headers={"x-api-key": token}, trust_env=False, timeout=20)


def use(server: RunningServer, token: str) -> list[str]:
    """What clients were told: an answer, a refused token, a token of another gateway."""
    root = server.root
    for _ in range(100):  # the change of the configuration is served within a second
        first = ask(root, "typed", token)
        if first.status_code == 200:
            break
    assert first.status_code == 200, first.text
    wrong = [ask(root, "typed", f"{token}x"), ask(root, "refused", token)]
    assert [answer.status_code for answer in wrong] == [401, 401]
    return [answer.text + str(answer.headers) for answer in (first, *wrong)]


def refuse(server: RunningServer, url: str) -> list[str]:
    """What a client is told whose gateway's provider does not take the key."""
    vault = Vault([SECRET_KEY.encode()])

    async def make() -> str:
        async with Store(url) as store:
            return (await add_client_token(store, "refused", "phone", vault)).token

    token = asyncio.run(make())
    for _ in range(100):
        answer = ask(server.root, "refused", token)
        if answer.status_code != 401:
            break
    assert answer.status_code == 502, answer.text
    return [answer.text + str(answer.headers), token]


def arguments_of(pid: int) -> str:
    """Of the process and its children."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    lines = [line.split(None, 2) for line in listed.splitlines()[1:]]
    return "\n".join(args for own, parent, args in lines if str(pid) in (own, parent))


def run(env: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "gatewayd", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=clean_env(env), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def dump(url: str, cluster: Cluster | None) -> str:
    if cluster is None:
        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            return "".join(connection.iterdump())
    arguments = ["pg_dump", "--inserts", f"--dbname={cluster.url_without_password(url)}"]
    environ = {**os.environ, "PGPASSWORD": cluster.password}
    return subprocess.run(arguments, env=environ, capture_output=True, text=True, check=True).stdout


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Cluster | None]]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/gatewayd.db", None
    else:
        cluster: Cluster = request.getfixturevalue("postgresql")
        yield cluster.create_database(), cluster


def test_planted_secrets_are_nowhere_but_where_they_belong(place: tuple[str, Cluster | None], tmp_path: Path) -> None:
    url, cluster = place
    env = {
        "DATABASE_URL": url,
        "GATEWAYD_SECRET_KEY": SECRET_KEY,
        "ADMIN_PASSWORD": PASSWORD,
        "GATEWAYD_LOG_BODIES": "all",
        "GATEWAYD_LOG_LEVEL": "debug",
    }
    found: dict[str, str] = {}
    with run_simulator(api_key=PROVIDER_KEY) as simulator:
        with run_server(tmp_path, "demo", simulator.base_url, '[{name: "*"}]', env=env) as server:
            token = asyncio.run(plant(url, simulator.base_url))
            found["answers"] = "".join(use(server, token))
            told, other = refuse(server, url)
            found["refusal"] = told
            found["arguments"] = arguments_of(server.process.pid)
        assert any(PROVIDER_KEY in str(received.headers) for received in simulator.requests)
    found["log"] = server.log.read_text()
    found["dump"] = dump(url, cluster)
    found["export"] = run(env, "logs", "export", "--since", "2020-01-01")
    found["tokens"] = run(env, "token", "list", "typed", "--json")
    run(env, "db", "backup", str(tmp_path / "backup"))
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.parent.name != "configs"]
    found |= {path.name: path.read_bytes().decode("latin-1") for path in files}
    planted = {
        "secret key": SECRET_KEY,
        "provider key": PROVIDER_KEY,
        "refused key": REFUSED_KEY,
        "admin password": PASSWORD,
        "token": token,
        "other token": other,
        **({"database password": cluster.password} if cluster else {}),
    }
    assert "typed" in found["dump"]
    assert "sim-fast" in found["export"]
    assert [(what, where) for where, text in found.items() for what, secret in planted.items() if secret in text] == []
