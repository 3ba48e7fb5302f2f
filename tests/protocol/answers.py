"""What a client is told of an answer: the whole path from the provider's bytes to Anthropic's events, and back."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

from gatewayd.protocol import sse
from gatewayd.protocol.answer import Answer
from gatewayd.protocol.chat.dialects import DIALECTS
from gatewayd.protocol.chat.errors import read_error
from gatewayd.protocol.chat.reader import ChatReader
from gatewayd.protocol.events import Event
from gatewayd.protocol.notes import Notes
from gatewayd.protocol.seal import Seal
from gatewayd.protocol.writer import Writer
from gatewayd.relay.repair import repair_json

ESTIMATE = 9  # of the request's tokens
SEAL = Seal([b"key"])


def new_answer(
    *,
    dialect: str = "generic",
    stops: Iterable[str] = (),
    local_stops: Iterable[str] = (),
    used_ids: Iterable[str] = (),
    notes: Notes | None = None,
) -> Answer:
    numbers = itertools.count(1)
    writer = Writer(
        message_id="msg_1",
        model="claude-x",
        input_tokens=ESTIMATE,
        new_tool_id=lambda: f"toolu_new{next(numbers)}",
        seal=SEAL,
        notes=notes or Notes(),
        used_tool_ids=frozenset(used_ids),
        repair=repair_json,
    )

    def to_error(told: Any):
        return read_error(200, told, context_window=None, estimate=ESTIMATE)

    return Answer(ChatReader(DIALECTS[dialect], to_error, tuple(stops)), writer, tuple(local_stops))


def feed(answer: Answer, pieces: Iterable[bytes]) -> list[Event]:
    return [event for piece in pieces for event in answer.feed(piece)] + answer.finish()


def cut(body: bytes, cuts: Iterable[int]) -> list[bytes]:
    """`body` in pieces that end at the given places, taken modulo its length."""
    ends = [*sorted({at % (len(body) + 1) for at in cuts}), len(body)]
    return [body[start:end] for start, end in itertools.pairwise([0, *ends])]


def client_message(events: list[Event]) -> dict[str, Any]:
    """The Message that a client makes of the stream's bytes; arguments that do not parse stay as `partial`."""
    message: dict[str, Any] = {"content": []}
    decoder = sse.Decoder()
    stream = b"".join(sse.encode(name, payload) for name, payload in events)
    for name, data in decoder.feed(stream) + decoder.finish():
        payload = json.loads(data)
        assert payload["type"] == name.decode()
        if name == b"content_block_start":
            message["content"].append(payload["content_block"] | {"partial": ""})
        elif name == b"content_block_delta":
            _add_delta(message["content"][payload["index"]], payload["delta"])
        elif name == b"content_block_stop":
            _close(message["content"][payload["index"]])
        elif name == b"message_delta":
            message |= payload["delta"] | {"usage": payload["usage"]}
        elif name == b"error":
            message["error"] = payload["error"]
    return message


def _add_delta(block: dict[str, Any], delta: dict[str, Any]) -> None:
    kind = delta.pop("type")
    (piece,) = delta.values()
    block[{"input_json_delta": "partial"}.get(kind, kind.removesuffix("_delta"))] += piece


def _close(block: dict[str, Any]) -> None:
    partial = block.pop("partial")
    if block["type"] == "tool_use":
        try:
            block["input"] = parse_strictly(partial)
        except ValueError:
            del block["input"]
            block["partial"] = partial


def parse_strictly(text: str) -> Any:
    """As the clients' parsers do; Python's takes NaN, too."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


def short(message: dict[str, Any]) -> dict[str, Any]:
    """A Message in the short form of the cases."""
    usage = message["usage"]
    counts = {
        "input": usage["input_tokens"],
        "cache_read": usage["cache_read_input_tokens"],
        "cache_write": usage["cache_creation_input_tokens"],
        "output": usage["output_tokens"],
    }
    return {
        "content": [_short(block) for block in message["content"]],
        "stop_reason": message["stop_reason"],
        "stop_sequence": message["stop_sequence"],
        "usage": {name: count for name, count in counts.items() if count},
    }


def _short(block: dict[str, Any]) -> dict[str, Any]:
    if block["type"] == "tool_use":
        return {"call": {key: value for key, value in block.items() if key != "type"}}
    if block["type"] == "redacted_thinking":
        return {"carried": SEAL.unseal(block["data"])}
    said = {block["type"]: block[block["type"]]}
    carries = SEAL.unseal(block["signature"]) if "signature" in block else None
    return said | {"carries": carries} if carries else said
