"""Values -> YAML and back, by both versions of YAML; one form of each."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatewayd.config.document import parse_document
from gatewayd.config.emit import write_document, write_flow, write_scalar

MANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

usable = st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufeff\ufffe\uffff") | st.sampled_from(
    "\n\t"
)
AMBIGUOUS = """null ~ true no Off 1 012 1_000 1:30 .5 1e3 0x1f 0o17 2024-01-01 << = - -a a: b: a#b #a {a [a *a &a !a
    %a @a `a 'a "a https://a.example:8080/v1 http://127.0.0.1:1 a:b a,b sha256:ab 12:30:45 .inf .NaN +1 a\\b é 😀"""
texts = st.text(usable) | st.sampled_from(AMBIGUOUS.split())
scalars = texts | st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(-1e9, 1e9)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts.filter(lambda t: t != "<<"), inner, max_size=4),
    max_leaves=12,
)


def read(text: str) -> Any:
    document = parse_document("x", text.encode())
    assert document.problems == []
    return document.value


@MANY
@given(values)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert read(f"a: {write_flow(value)}\n") == {"a": value}
    assert read(f"- {write_flow(value)}\n") == [value]


@MANY
@given(st.dictionaries(texts.filter(lambda t: t != "<<"), st.lists(texts) | st.dictionaries(texts, texts), max_size=3))
def test_readers_of_yaml_1_1_get_the_same(value: Any) -> None:
    if "<<" not in str(value):
        assert yaml.safe_load(f"a: {write_flow(value)}\n") == {"a": value}


@MANY
@given(
    st.dictionaries(st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True), st.dictionaries(texts, values), max_size=3)
)
def test_a_document_is_read_back(gateways: Any) -> None:
    if "<<" not in str(gateways):
        assert read(write_document({"version": 1, "gateways": gateways})) == {"version": 1, "gateways": gateways}


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("https://api.example.com:8443/v1", "https://api.example.com:8443/v1"),
        ("DeepSeek for Claude Code", "DeepSeek for Claude Code"),
        ("openai/gpt-oss-120b", "openai/gpt-oss-120b"),
        ("qwen3-coder:30b", "qwen3-coder:30b"),
        ("claude-*opus*", '"claude-*opus*"'),
        ("no", '"no"'),
        ("012", '"012"'),
        ("", '""'),
        (' "a"\n', '" \\"a\\"\\n"'),
        ("\u2028\x85", '"\\u2028\\x85"'),
    ],
)
def test_quotes_stand_where_they_are_needed(text: str, written: str) -> None:
    assert write_scalar(text) == written


def test_the_form_of_a_file() -> None:
    record = {
        "name": "Demo",
        "upstream": {"base_url": "https://x.example/v1", "api_key": {"env": "X_API_KEY"}},
        "models": [{"name": "*", "price": {"input": 0.28}}],
        "limits": {"concurrent": 5},
    }
    assert write_document({"version": 1, "source": "team", "gateways": {"demo": record}}) == (
        """version: 1
source: team
gateways:
  demo:
    name: Demo
    upstream:
      base_url: https://x.example/v1
      api_key: {env: X_API_KEY}
    models:
      - {name: "*", price: {input: 0.28}}
    limits: {concurrent: 5}
"""
    )
    assert write_document({"version": 1, "gateways": {}}) == "version: 1\ngateways: {}\n"
