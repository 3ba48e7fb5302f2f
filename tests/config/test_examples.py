"""Each example loads, with every key that it names set, and means the provider that it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gatewayd.config.load import load_files, read_files
from gatewayd.config.secrets import SecretReader
from gatewayd.paths import configs_folder

EXAMPLES = {path.stem: path for path in sorted((configs_folder() / "examples").glob("*"))}

#: example -> the dialect that applies
DIALECTS = {
    "azure-openai": "azure",
    "deepseek": "deepseek",
    "digitalocean": "digitalocean",
    "groq": "groq",
    "llamacpp": "llamacpp",
    "mistral": "mistral",
    "moonshot": "moonshot",
    "ollama": "ollama",
    "openai": "openai-reasoning",
    "openrouter": "openrouter",
    "simulated": "generic",
    "vllm": "vllm",
    "zai": "zai",
}


def test_these_are_the_examples() -> None:
    assert list(EXAMPLES) == sorted(DIALECTS)


@pytest.mark.parametrize("name", DIALECTS)
def test_an_example_loads_and_its_dialect_applies(name: str) -> None:
    desired = load_files(read_files([EXAMPLES[name]]), SecretReader({}, EXAMPLES[name].parent))
    (record,) = desired.gateways.values()
    assert record.id == name
    assert record.gateway.upstream.resolve_dialect().name == DIALECTS[name]


@pytest.mark.parametrize("name", DIALECTS)
def test_an_example_says_what_it_needs(name: str) -> None:
    text = EXAMPLES[name].read_text(encoding="utf-8")
    head = text[: text.index("version:")]
    for variable in re.findall(r"^ +api_key: {env: (\w+)}", text, re.MULTILINE):
        assert variable in head
    assert head.startswith("# yaml-language-server: $schema=./gatewayd.schema.json\n# ")


@pytest.mark.parametrize("name", DIALECTS)
def test_a_claude_model_is_served_by_every_example(name: str) -> None:
    desired = load_files(read_files([EXAMPLES[name]]), SecretReader({}, EXAMPLES[name].parent))
    for model in ("claude-opus-4-1", "claude-3-5-haiku-20241022"):
        assert desired.gateways[name].gateway.route(model) is not None


def test_all_examples_can_be_used_together(tmp_path: Path) -> None:
    desired = load_files(read_files(EXAMPLES.values()), SecretReader({}, tmp_path))
    assert len(desired.gateways) == len(DIALECTS)
