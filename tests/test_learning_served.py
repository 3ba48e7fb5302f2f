"""Learning from refusals, over real servers: the first turn works at a provider that nobody described, and what was
learned survives a restart and reaches every worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatewayd.simulator.habits import HABITS
from tests.servers import RunningGateway, RunningServer, RunningSimulator, run_server

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
TOOL = {"description": "reads", "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}}}
REQUEST: dict[str, Any] = {
    "max_tokens": 32000,
    "temperature": 0.5,
    "top_p": 0.9,
    "stop_sequences": ["a stop that never comes"],
    "tools": [TOOL | {"name": "read"}, TOOL | {"name": "write"}],
    "tool_choice": {"type": "tool", "name": "read", "disable_parallel_tool_use": True},
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "look"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
            ],
        }
    ],
}
SENT = sorted(HABITS.keys() - {"reasoning_content"})  # an unknown provider is not sent earlier thinking


def ask(served: RunningGateway | RunningServer, model: str, *, stream: bool) -> httpx.Response:
    headers = {"x-api-key": served.token}
    body = REQUEST | {"model": model, "stream": stream}
    return httpx.post(f"{served.base_url}/v1/messages", json=body, headers=headers, timeout=30, trust_env=False)


def assert_answered(response: httpx.Response) -> None:
    assert response.status_code == 200, response.text
    assert "error" not in response.text
    assert "message_stop" in response.text or response.json()["stop_reason"] in ("tool_use", "end_turn", "max_tokens")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(SENT), min_size=1, max_size=3, unique=True), st.booleans())
def test_any_three_habits_may_be_refused(shared_gateway: RunningGateway, habits: list[str], stream: bool) -> None:
    simulator, model = shared_gateway.simulator, f"sim-refuses-{'+'.join(habits)}"
    simulator.forget()
    assert_answered(ask(shared_gateway, model, stream=stream))
    assert len(simulator.requests) <= 1 + len(habits)
    simulator.forget()
    again = ask(shared_gateway, model, stream=stream)
    assert_answered(again)
    assert len(simulator.requests) == 1
    if stream or habits != ["stream_options"]:
        assert "learned." in again.headers["x-gatewayd-notes"]


def test_a_fourth_habit_is_told_as_it_is(shared_gateway: RunningGateway) -> None:
    simulator = shared_gateway.simulator
    simulator.forget()
    response = ask(shared_gateway, "sim-refuses-max_tokens+temperature+top_p+stop", stream=True)
    assert response.status_code == 400
    assert response.json()["error"] == {
        "type": "invalid_request_error",
        "message": "Argument not supported on this model: stop",
    }
    assert len(simulator.requests) == 4


def test_what_was_learned_survives_a_restart_and_is_known_to_every_worker(
    tmp_path: Path, database_url: str, simulator: RunningSimulator
) -> None:
    model, models = "sim-refuses-max_tokens+stream_options+images", '[{name: "*"}]'
    for name, arguments in (("first", ()), ("second", ("--workers", "2"))):
        folder = tmp_path / name
        folder.mkdir()
        env = {"DATABASE_URL": database_url}
        with run_server(folder, "g", simulator.base_url, models, env=env, arguments=arguments) as served:
            if name == "first":
                assert_answered(ask(served, model, stream=True))
                assert len(simulator.requests) == 4
                simulator.forget()
            for _ in range(8):  # connections of their own: the workers share them as the system does
                assert_answered(ask(served, model, stream=True))
        assert len(simulator.requests) == 8
        simulator.forget()
