"""The two parsers give the same nodes with the same marks, or only PyYAML's own is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatewayd.config import nodes
from gatewayd.config.document import parse_document

MANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

CONFIGS = Path(__file__).parents[1] / "configs"
EXAMPLES = Path(__file__).parents[2] / "configs" / "examples"
FILES = sorted([*CONFIGS.glob("*.yaml"), *EXAMPLES.glob("*.yaml")])
PIECES = [
    *" \n:{}[],-#'\"\\*<~=ab0é😀.",
    ": ",
    "- ",
    "\n  ",
    "\n    ",
    " #",
    "''",
    "[]",
    "---\n",
    "...\n",
    "<<: ",
    "\r\n",
]


def told(node: Any, known: dict[int, int]) -> Any:
    """All that is made of nodes: kind, meaning and where they begin; of what is met again, its number."""
    if node is None or id(node) in known:
        return None if node is None else known[id(node)]
    known[id(node)] = len(known)
    inside = node.value
    if not isinstance(inside, str):
        flat = [item for pair in inside for item in (pair if isinstance(pair, tuple) else [pair])]
        inside = [told(item, known) for item in flat]
    return node.tag, (node.start_mark.line, node.start_mark.column), inside


def outcome(compose: Any, text: str) -> Any:
    try:
        node, refused = compose(text)
    except yaml.YAMLError:
        return None
    return told(node, {}), [((mark.line, mark.column), message) for mark, message in refused]


@MANY
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_any_text_is_the_same_by_both(text: str) -> None:
    assert outcome(nodes.compose_nodes, text) == outcome(nodes.compose_exactly, text)


@MANY
@given(st.sampled_from(FILES), st.data())
def test_a_file_with_a_slip_of_the_keyboard_is_the_same_by_both(path: Path, data: st.DataObject) -> None:
    text = path.read_bytes().decode(errors="ignore")[:1500]
    position = data.draw(st.integers(0, len(text)))
    removed = data.draw(st.integers(0, 2))
    text = text[:position] + data.draw(st.sampled_from(PIECES)) + text[position + removed :]
    assert outcome(nodes.compose_nodes, text) == outcome(nodes.compose_exactly, text)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_has_the_same_values_and_errors_by_both(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = path.read_bytes()
    first = parse_document("x", content)
    monkeypatch.setattr(nodes, "_FastLoader", None)
    second = parse_document("x", content)
    assert (first.value, first.problems) == (second.value, second.problems)
    assert {path: first.place_of_key(path) for path in first.keys} == {p: second.place_of_key(p) for p in second.keys}


#: What libyaml alone takes, and what it places elsewhere.
UNEVEN = ["{~?? }", "a:\tb", ">#", "{a: x?y}", "{a:%b}", "a: !\n", "?", "---\n#", "{a: ,b: c}", "a: [-\n]", "- |#}"]


@pytest.mark.parametrize("text", UNEVEN)
def test_where_the_parsers_differ_only_one_is_asked(text: str) -> None:
    assert outcome(nodes.compose_nodes, text) == outcome(nodes.compose_exactly, text)


@pytest.mark.skipif(nodes._FastLoader is None, reason="PyYAML was built without libyaml")
def test_the_parsers_do_differ_there() -> None:
    """If this fails, they agree now, and the exception can go."""

    def fast(text: str) -> Any:
        assert nodes._FastLoader is not None
        loader = nodes._FastLoader(text)
        return loader.get_single_node(), loader.refused

    differing = [text for text in UNEVEN if outcome(fast, text) != outcome(nodes.compose_exactly, text)]
    assert {"a:\tb", ">#", "{a: x?y}"} <= set(differing)


def test_libyaml_is_used_where_it_is_there() -> None:
    assert (nodes._FastLoader is not None) == yaml.__with_libyaml__
