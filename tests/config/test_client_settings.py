"""What makes Claude Code fit a gateway's model map."""

from __future__ import annotations

from typing import Any

import pytest

from gatewayd.config.client_settings import build_client_settings
from gatewayd.gateways import Gateway

URL = "http://127.0.0.1:8080/gateway/demo"


def variables(*models: dict[str, Any]) -> dict[str, str]:
    record = Gateway.model_validate({"upstream": {"base_url": "https://api.example.com"}, "models": models})
    return build_client_settings(URL, record, "gwd_x")


def test_the_address_has_no_v1_and_the_token_is_the_bearer() -> None:
    assert list(variables({"name": "gpt"}).items())[:2] == [
        ("ANTHROPIC_BASE_URL", URL),
        ("ANTHROPIC_AUTH_TOKEN", "gwd_x"),
    ]


@pytest.mark.parametrize(
    ("models", "main", "small"),
    [
        ([{"name": "kimi-k2"}], "kimi-k2", "kimi-k2"),
        ([{"name": "*", "upstream_model": "deepseek-chat"}], "deepseek-chat", "deepseek-chat"),
        # the first row's own name would lead to the second row: names of the provider go first
        ([{"name": "claude-*opus*", "upstream_model": "big"}, {"name": "*", "upstream_model": "chat"}], "chat", "chat"),
        (
            [{"name": "claude-*haiku*", "upstream_model": "mini"}, {"name": "*", "upstream_model": "big"}],
            "big",
            "claude-haiku",
        ),
        ([{"name": "mini"}, {"name": "claude-*", "upstream_model": "mini"}], "mini", "claude-"),
        ([{"name": "claude-opus-5"}], "claude-opus-5", "claude-opus-5"),
    ],
)
def test_the_models_lead_to_the_right_rows(models: list[dict[str, Any]], main: str, small: str) -> None:
    found = variables(*models)
    assert (found["ANTHROPIC_MODEL"], found["ANTHROPIC_DEFAULT_HAIKU_MODEL"]) == (main, small)


def test_a_map_without_any_name_leaves_the_model_to_the_user() -> None:
    assert set(variables({"name": "*"})) == {"ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN"}


def test_the_limits_of_the_model_are_told() -> None:
    found = variables({"name": "m", "context_window": 131072, "max_output_tokens": 8192})
    assert found["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == found["CLAUDE_CODE_AUTO_COMPACT_WINDOW"] == "131072"
    assert found["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] == "8192"


def test_a_small_window_is_not_given_as_compact_window() -> None:
    found = variables({"name": "m", "context_window": 65536})
    assert found["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "65536"
    assert "CLAUDE_CODE_AUTO_COMPACT_WINDOW" not in found
    assert "CLAUDE_CODE_MAX_OUTPUT_TOKENS" not in found
