"""The table of dialects and its overrides."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from gatewayd.protocol.chat.dialects import DIALECTS, Dialect, dialect_for

FAMILIES = {
    "openai", "openai-reasoning", "azure", "deepseek", "moonshot", "zai", "minimax", "qwen", "mistral", "groq",
    "cerebras", "xai", "gemini", "openrouter", "together", "fireworks", "digitalocean", "ollama", "vllm", "sglang",
    "llamacpp", "lmstudio", "generic",
}  # fmt: skip


def test_every_family_has_a_row() -> None:
    assert set(DIALECTS) == FAMILIES


def test_no_host_belongs_to_two_rows() -> None:
    hosts = [host for row in DIALECTS.values() for host in row.hosts]
    assert len(set(hosts)) == len(hosts)


def test_every_row_passes_its_own_checks() -> None:
    for row in DIALECTS.values():
        habits = {f.name: getattr(row, f.name) for f in fields(Dialect) if f.name not in ("name", "hosts")}
        assert row.with_capabilities(habits) == row


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("api.openai.com", "openai"), ("eu.api.openai.com", "openai"), ("API.OpenAI.com.", "openai"),
        ("api.openai.com.evil.com", "generic"), ("evilapi.openai.com", "generic"), ("x.openai.azure.com", "azure"),
        ("api.deepseek.com", "deepseek"), ("openrouter.ai", "openrouter"), ("api.z.ai", "zai"),
        ("localhost", "generic"), ("127.0.0.1", "generic"), ("", "generic"), ("inference.do-ai.run", "digitalocean"),
    ],
)  # fmt: skip
def test_the_row_of_a_host(host: str, name: str) -> None:
    assert dialect_for(host).name == name


def test_single_habits_can_be_overridden() -> None:
    row = DIALECTS["generic"].with_capabilities(
        {
            "max_tokens_field": "max_completion_tokens", "max_stop": 0, "temperature": False,
            "effort_levels": ["low", "high"], "thinking_placeholder": None, "extra_body": {"provider": {"a": ["x"]}},
        }
    )  # fmt: skip
    assert (row.name, row.max_tokens_field, row.max_stop, row.temperature) == (
        "generic",
        "max_completion_tokens",
        0,
        False,
    )
    assert row.effort_levels == ("low", "high")
    assert row.extra_body == {"provider": {"a": ["x"]}}
    assert DIALECTS["generic"].max_stop == 4


def test_no_overrides_give_the_row_itself() -> None:
    assert DIALECTS["groq"].with_capabilities({}) is DIALECTS["groq"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"tempreature": True}, "capabilities: 'tempreature' is unknown; one of "),
        ({"name": "x"}, "capabilities: 'name' is unknown; one of "),
        ({"hosts": ["x"]}, "capabilities: 'hosts' is unknown; one of "),
        ({"temperature": "yes"}, "capabilities: temperature is true or false"),
        ({"temperature": 1}, "capabilities: temperature is true or false"),
        ({"max_stop": True}, "capabilities: max_stop is a whole number, 0 or more"),
        ({"max_stop": -1}, "capabilities: max_stop is a whole number, 0 or more"),
        ({"max_stop": 1.5}, "capabilities: max_stop is a whole number, 0 or more"),
        ({"max_tokens_field": "tokens"}, "capabilities: max_tokens_field is one of max_tokens, max_completion_tokens"),
        ({"pdf": ["file"]}, "capabilities: pdf is one of file, text"),
        ({"tool_ids": None}, "capabilities: tool_ids is one of any, max40, alnum9"),
        ({"effort_levels": "low"}, "capabilities: effort_levels is a list of words"),
        ({"effort_levels": [1]}, "capabilities: effort_levels is a list of words"),
        ({"thinking_placeholder": 5}, "capabilities: thinking_placeholder is a text or null"),
        ({"prefill_flag": 5}, "capabilities: prefill_flag is a word"),
        ({"extra_body": []}, "capabilities: extra_body is a mapping of body fields"),
        ({"extra_body": {"model": "x"}}, "capabilities: extra_body cannot hold model, which comes from the request"),
    ],
)
def test_a_wrong_override_is_told_in_plain_words(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="capabilities") as caught:
        DIALECTS["generic"].with_capabilities(overrides)
    assert str(caught.value).startswith(message)
