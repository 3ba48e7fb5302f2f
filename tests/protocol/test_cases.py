"""Every case of `tests/cases` that has an answer: a provider's body as it came, and what the client must be told.

A case is a directory `<provider>/<name>` with `answer.sse` or `answer.json` and `says.yaml`:

    why           the story, in a sentence or two
    dialect       the row of the table, default generic
    stops         the client's stop sequences that went upstream; local_stops: those that the gateway enforces
    used_ids      tool ids of the conversation's earlier turns
    content       blocks: `text`, `thinking` (with what its signature `carries`), `carried` (a redacted_thinking block),
                  `call` (where the length limit cut it with `partial`, its text)
    stop_reason   and stop_sequence; usage (input, cache_read, cache_write, output; default: the estimate); notes
    error         in place of all that: type, status, a part of its message; and text_before_error

Each is fed whole, byte by byte, in pieces of seven bytes and event by event, and is told as a stream and as a message.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from gatewayd.protocol.fold import Fold
from gatewayd.protocol.notes import Notes
from gatewayd.relay.repair import repair_json
from tests.protocol.answers import ESTIMATE, client_message, cut, feed, new_answer, short
from tests.protocol.grammar import check_grammar

CASES = Path(__file__).parent.parent / "cases"
NAMES = sorted(says.parent.relative_to(CASES).as_posix() for says in CASES.glob("*/*/says.yaml"))
SETTING = {"dialect", "stops", "local_stops", "used_ids"}
TOLD = {"content": [], "stop_reason": None, "stop_sequence": None, "usage": {"input": ESTIMATE}, "notes": []}
FAILED = {"error": {}, "text_before_error": ""}
CUTS: dict[str, Callable[[bytes], list[int]]] = {
    "whole": lambda body: [],
    "bytes": lambda body: list(range(len(body))),
    "sevens": lambda body: list(range(0, len(body), 7)),
    "events": lambda body: [found.end() for found in re.finditer(rb"\n\n|\r\n\r\n", body)],
}


@pytest.mark.parametrize("name", NAMES)
def test_case(name: str) -> None:
    says = yaml.safe_load((CASES / name / "says.yaml").read_text(encoding="utf-8"))
    assert says.keys() <= {"why", *SETTING} | (FAILED.keys() if "error" in says else TOLD.keys())
    (path,) = (CASES / name).glob("answer.*")
    for how, cuts in CUTS.items():
        check(says, path.read_bytes(), cuts, how)


def check(says: dict[str, Any], body: bytes, cuts: Callable[[bytes], list[int]], how: str) -> None:
    notes = Notes()
    answer = new_answer(notes=notes, **{key: says[key] for key in SETTING & says.keys()})
    events = feed(answer, cut(body, cuts(body)))
    check_grammar(events)
    streamed = client_message(events)
    if "error" in says:
        text = "".join(block.get("text", "") for block in streamed["content"])
        error = streamed.get("error", {"type": None, "message": ""})
        told = {"type": error["type"], "status": getattr(answer.error, "status", None), "message": error["message"]}
        if says["error"]["message"] in told["message"]:  # a part of it is enough
            told["message"] = says["error"]["message"]
        assert {"error": told, "text_before_error": text} == FAILED | outcome(says), how
        return
    fold = Fold(repair_json)
    fold.add(events)
    for message, left_out in ((streamed, "input"), (fold.message, "partial")):
        told = short(message) | {"notes": notes.codes()}
        assert told == TOLD | outcome(says, left_out), f"{how}, without {left_out}"


def outcome(says: dict[str, Any], left_out: str = "") -> dict[str, Any]:
    """What must come out. A call that was cut has its text in the stream and its repaired input in the message."""
    told = {key: deepcopy(value) for key, value in says.items() if key != "why" and key not in SETTING}
    if "usage" in told:
        told["usage"] = {key: count for key, count in told["usage"].items() if count}
    for block in told.get("content", []):
        if "partial" in block.get("call", {}):
            del block["call"][left_out]
    return told
