"""The official TypeScript SDK works through the gateway; `typescript.mjs` runs it, once for all of these tests."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.clients.scenarios import ERRORS, WEATHER
from tests.servers import RunningGateway, clean_env
from tests.tools import need

SCRIPT = Path(__file__).with_name("typescript.mjs")


@pytest.fixture(scope="module")
def all_outcomes(shared_gateway: RunningGateway) -> dict[str, Any]:
    folder, gateway = need("anthropic-sdk"), shared_gateway
    env = {"SDK_FOLDER": str(folder), "BASE_URL": gateway.base_url, "TOKEN": gateway.token}
    scenarios = {"weather": WEATHER, "errors": {name: fields for name, (fields, _, _) in ERRORS.items()}}
    done = subprocess.run(
        ["node", SCRIPT],
        input=json.dumps(scenarios),
        env=clean_env(env),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outcomes: dict[str, Any] = json.loads(done.stdout)
    return outcomes


def value(outcomes: dict[str, Any], name: str) -> Any:
    assert "value" in outcomes[name], outcomes[name]
    return outcomes[name]["value"]


@pytest.mark.parametrize("name", ["create", "bearer token"])
def test_creates_a_message(all_outcomes: dict[str, Any], name: str) -> None:
    message = value(all_outcomes, name)
    assert message["stop_reason"] == "end_turn"
    assert "Hello, heron." in message["content"][0]["text"]
    assert message["usage"]["output_tokens"] > 0


def test_streams_text(all_outcomes: dict[str, Any]) -> None:
    streamed = value(all_outcomes, "stream")
    assert len(streamed["pieces"]) > 3
    assert "".join(streamed["pieces"]) == streamed["message"]["content"][0]["text"]
    assert streamed["message"]["stop_reason"] == "end_turn"


@pytest.mark.parametrize("name", ["tool loop", "streamed tool loop"])
def test_tool_loop(all_outcomes: dict[str, Any], name: str) -> None:
    loop = value(all_outcomes, name)
    assert loop["first"]["stop_reason"] == "tool_use"
    assert loop["first"]["content"][-1]["input"]["unit"] == "celsius"
    assert "Rain, 4 degrees" in loop["second"]["content"][0]["text"]


def test_thinking_comes_first_and_is_signed(all_outcomes: dict[str, Any]) -> None:
    thought, said = value(all_outcomes, "thinking")["content"]
    assert (thought["type"], said["type"]) == ("thinking", "text")
    assert thought["thinking"]
    assert thought["signature"]


def test_counts_tokens(all_outcomes: dict[str, Any]) -> None:
    assert value(all_outcomes, "count tokens")["input_tokens"] > 0


def test_lists_and_retrieves_models(all_outcomes: dict[str, Any]) -> None:
    assert "kimi-k2" in [model["id"] for model in value(all_outcomes, "list models")]
    assert value(all_outcomes, "retrieve model")["type"] == "model"
    assert all_outcomes["retrieve unknown model"]["error"] == "NotFoundError"


def test_wrong_token_and_unknown_routes(all_outcomes: dict[str, Any]) -> None:
    assert all_outcomes["wrong token"]["error"] == "AuthenticationError"
    assert all_outcomes["batches"]["error"] == "NotFoundError"


@pytest.mark.parametrize("how", ["error", "streamed error"])
@pytest.mark.parametrize("name", ERRORS)
def test_raises(all_outcomes: dict[str, Any], name: str, how: str) -> None:
    _, expected, words = ERRORS[name]
    outcome = all_outcomes[f"{how}: {name}"]
    assert "error" in outcome, outcome
    if name == "answer is cut" and how == "streamed error":
        assert outcome["error"] == "APIError"  # the status was 200 by then
        return
    assert outcome["error"] == expected
    assert words in outcome["message"]


def test_rate_limit_says_when_to_come_back(all_outcomes: dict[str, Any]) -> None:
    assert all_outcomes["error: provider limits the rate"]["retryAfter"] == "1"
