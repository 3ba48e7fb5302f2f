"""/metrics of `gatewayd serve`: one sum over its workers, whichever of them answers, also when one was replaced."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.observe.test_metrics import read
from tests.servers import RunningServer, RunningSimulator, run_server

BODY = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
REQUESTS = "gatewayd_requests_total gateway=demo model=m outcome=ok stream=false upstream_model=sim-fast"
MODELS = '[{name: "*", upstream_model: sim-fast}]'


def post(served: RunningServer) -> None:
    """On a connection of its own, which the kernel gives to either worker."""
    headers = {"x-api-key": served.token}
    response = httpx.post(f"{served.base_url}/v1/messages", json=BODY, headers=headers, trust_env=False, timeout=20)
    assert response.status_code == 200


def metrics(served: RunningServer) -> dict[str, Any]:
    response = httpx.get(f"{served.root}/metrics", trust_env=False, timeout=20)
    assert response.status_code == 200
    return read(response.content)


def workers(served: RunningServer) -> list[int]:
    children = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children").read_text()
    return [int(pid) for pid in children.split()]


def until(look: Callable[[], Any], wanted: Callable[[Any], bool], seconds: float = 15) -> Any:
    """Nothing tells when another process has come up."""
    deadline = time.monotonic() + seconds
    while not wanted(seen := look()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s; last seen: {seen!r}")
        time.sleep(0.1)
    return seen


def test_two_workers_add_up_also_after_one_died(tmp_path: Path, simulator: RunningSimulator) -> None:
    with run_server(tmp_path, "demo", simulator.base_url, MODELS, arguments=["--workers", "2"]) as served:
        for _ in range(20):
            post(served)
        assert {metrics(served)[REQUESTS] for _ in range(10)} == {20}
        before = workers(served)
        assert len(before) == 2
        os.kill(before[0], signal.SIGKILL)
        until(lambda: workers(served), lambda now: len(now) == 2 and before[0] not in now)
        for _ in range(20):
            post(served)
        seen = [metrics(served) for _ in range(10)]
        assert {found[REQUESTS] for found in seen} == {40}
        assert {found["gatewayd_config_revision"] for found in seen} == {1}
        assert {found["gatewayd_config_last_apply_successful"] for found in seen} == {1}
        until(lambda: metrics(served)["gatewayd_inflight_requests"], lambda value: value == 0, 5)


def test_what_is_in_flight_in_two_workers_is_summed_and_goes_with_a_dead_one(
    tmp_path: Path, simulator: RunningSimulator
) -> None:
    with run_server(
        tmp_path, "demo", simulator.base_url, '[{name: "*", upstream_model: sim-slow}]', arguments=["--workers", "2"]
    ) as served:
        with httpx.Client(trust_env=False, timeout=30, headers={"x-api-key": served.token}) as client:
            url, body = f"{served.base_url}/v1/messages", BODY | {"stream": True, "max_tokens": 4000}
            streams = [client.send(client.build_request("POST", url, json=body), stream=True) for _ in range(8)]
            until(lambda: metrics(served)["gatewayd_inflight_requests"], lambda value: value == 8, 5)
            before = workers(served)
            for pid in before:
                os.kill(pid, signal.SIGKILL)
            for stream in streams:
                stream.close()
        until(lambda: workers(served), lambda now: len(now) == 2 and not set(now) & set(before))
        until(lambda: _in_flight(served), lambda value: value == 0)


def _in_flight(served: RunningServer) -> float | None:
    try:
        return metrics(served)["gatewayd_inflight_requests"]
    except httpx.TransportError:
        return None  # no worker listens yet


def test_one_process_serves_them_too_and_asks_for_the_token(tmp_path: Path, simulator: RunningSimulator) -> None:
    env = {"GATEWAYD_METRICS_TOKEN": "a-scrape-token"}
    with run_server(tmp_path, "demo", simulator.base_url, MODELS, env=env) as served:
        post(served)
        assert httpx.get(f"{served.root}/metrics", trust_env=False).status_code == 401
        headers = {"authorization": "Bearer a-scrape-token"}
        response = httpx.get(f"{served.root}/metrics", headers=headers, trust_env=False)
        assert read(response.content)[REQUESTS] == 1
        assert "a-scrape-token" not in response.text + served.log.read_text()


def test_files_with_errors_and_the_revision_show(tmp_path: Path, simulator: RunningSimulator) -> None:
    env = {"GATEWAYD_CONFIG_POLL_SECONDS": "0.2"}
    with run_server(tmp_path, "demo", simulator.base_url, MODELS, env=env) as served:
        found = until(lambda: metrics(served), lambda found: found["gatewayd_config_last_apply_timestamp_seconds"] > 0)
        assert found["gatewayd_config_last_apply_successful"] == 1
        assert abs(found["gatewayd_config_last_apply_timestamp_seconds"] - time.time()) < 60
        (tmp_path / "configs" / "bad.yaml").write_text("version: 1\ngateways: [")
        until(lambda: metrics(served), lambda found: found["gatewayd_config_last_apply_successful"] == 0)
