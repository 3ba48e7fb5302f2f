"""What fills a context: every part has its share, shares add up, damaged requests are told as far as they go."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.protocol.context import Share, read_context
from gatewayd.protocol.tokens import estimate_tokens
from tests.store.sessions import agent_session


def test_every_part_has_its_share_in_order() -> None:
    text = {"type": "text", "text": "word " * 100}
    request = {
        "system": [text, {"type": "text", "text": "short"}],
        "tools": [{"name": "Read", "description": "word " * 50, "input_schema": {"type": "object"}}],
        "messages": [
            {"role": "user", "content": "hello"},
            {
                "role": "assistant",
                "content": [text, {"type": "tool_use", "id": "t", "name": "Read", "input": {}}, text],
            },
        ],
    }
    found = read_context(request)
    assert [(share.part, share.name, share.kinds) for share in found] == [
        ("system", "0", ("text",)), ("system", "1", ("text",)), ("tools", "Read", ()),
        ("messages", "0 user", ("text",)), ("messages", "1 assistant", ("text", "tool_use")),
    ]  # fmt: skip
    assert found[0].size == len(orjson.dumps(text))
    assert found[0].tokens > 10 * found[1].tokens


def test_the_shares_add_up_to_the_estimate() -> None:
    for request, _, _ in agent_session(8):
        together = sum(share.tokens for share in read_context(request))
        assert together == pytest.approx(estimate_tokens(request), rel=0.05)


def test_a_system_prompt_that_is_a_text_is_one_share() -> None:
    assert read_context({"system": "be kind"}) == [
        Share("system", "0", ("text",), 9, read_context({"system": "be kind"})[0].tokens)
    ]


STORED: list[Any] = [
    None, [], "x", {}, {"system": None, "tools": None, "messages": None}, {"messages": [None, {"$omitted": 7}, 1]},
    {"system": [None, {"$omitted": 7}], "tools": [None, {}, {"name": 1, "input_schema": 3}]},
    {"messages": [{"content": [{"type": "image", "source": {"type": "base64", "data": "[sha256 x, 9 bytes]"}}]}]},
    {"messages": [{"content": [{"type": "document", "source": {"type": "base64", "data": "[sha256 x]"}}]}]},
    {"messages": [{"content": [{"type": "tool_use", "name": "x", "input": {1: 2**70}}]}]},
    {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": None}, {"type": "text"}, {}]}]},
]  # fmt: skip


@pytest.mark.parametrize("request_body", STORED, ids=str)
def test_what_is_damaged_is_told_as_far_as_it_goes(request_body: Any) -> None:
    for share in read_context(request_body):
        assert share.tokens >= 0


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "text", "content", "name", "source", "role", "input"]), inner)
    ),
)


@given(st.dictionaries(st.sampled_from(["system", "tools", "messages"]), VALUES))
def test_nothing_raises(request_body: dict[str, Any]) -> None:
    read_context(request_body)
