"""Anthropic's streaming grammar, checked event by event: what every answer must obey, whatever the provider did."""

from __future__ import annotations

from typing import Any

from gatewayd.protocol.events import Event
from tests.protocol.answers import parse_strictly

_DELTA_OF = {
    "text": {"text_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "tool_use": {"input_json_delta"},
}


def check_grammar(events: list[Event]) -> None:
    """Raises AssertionError naming the first event out of place."""
    names = [name for name, _ in events if name != "ping"]
    assert names.count("message_stop") + names.count("error") == 1, names
    assert names[-1] in ("message_stop", "error"), names
    assert names.count("message_start") == (0 if names[0] == "error" else 1)
    if names[0] == "error":
        return
    assert names[0] == "message_start", names
    blocks, open_block = _check_blocks([event for event in events if event.name != "ping"][1:-1])
    if names[-1] == "message_stop":
        assert open_block is None
        assert names[-2] == "message_delta"
        _check_end(blocks, events[-2].payload)


def _check_blocks(events: list[Event]) -> tuple[list[dict[str, Any]], int | None]:
    blocks: list[dict[str, Any]] = []
    open_block: int | None = None
    for name, payload in events:
        if name == "content_block_start":
            assert open_block is None, "a block starts while another is open"
            assert payload["index"] == len(blocks), "indices have no gap"
            open_block = len(blocks)
            blocks.append({"type": payload["content_block"]["type"], "start": payload["content_block"], "content": ""})
            assert not any(payload["content_block"].get(key) for key in ("text", "thinking", "input"))
        elif name == "content_block_delta":
            assert payload["index"] == open_block
            block, delta = blocks[-1], payload["delta"]
            assert delta["type"] in _DELTA_OF[block["type"]]
            assert not block.get("signed"), "nothing follows the signature"
            block["signed"] = delta["type"] == "signature_delta"
            block["content"] += "" if block["signed"] else next(v for k, v in delta.items() if k != "type")
        elif name == "content_block_stop":
            assert payload["index"] == open_block
            assert blocks[-1]["type"] != "thinking" or blocks[-1]["signed"], "a thinking block is signed"
            assert blocks[-1]["type"] != "text" or blocks[-1]["content"].strip(), "no text block without text"
            open_block = None
        else:
            assert name == "message_delta", name
            assert open_block is None
    return blocks, open_block


def _check_end(blocks: list[dict[str, Any]], payload: dict[str, Any]) -> None:
    stop_reason = payload["delta"]["stop_reason"]
    assert all(type(count) is int and 0 <= count <= 2**53 for count in payload["usage"].values())
    calls = [block for block in blocks if block["type"] == "tool_use"]
    ids = [block["start"]["id"] for block in calls]
    assert len(set(ids)) == len(ids), "tool ids are unique"
    assert all(block["start"]["name"] for block in calls)
    if stop_reason == "tool_use":
        assert calls
    if stop_reason != "max_tokens":
        assert not calls or stop_reason in ("tool_use", "refusal")
        for block in calls:
            assert isinstance(parse_strictly(block["content"]), dict)
