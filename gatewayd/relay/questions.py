"""The questions that tell what a provider can do: what is asked, and what is to be said of the answer. Pure.

Each is one small message of Anthropic's API; together they take about 2,000 tokens.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from gatewayd.protocol.events import Event
from gatewayd.protocol.fold import Fold
from gatewayd.protocol.sse import Decoder
from gatewayd.relay.record import Record

#: problem: clients will fail; note: some will do worse than they could
Verdict = Literal["ok", "note", "problem"]


class Answer:
    """What a client has of it. deltas: pieces of content that a stream brought."""

    def __init__(self) -> None:
        self.message: dict[str, Any] = {}
        self.deltas = 0
        self._decoder, self._fold = Decoder(), Fold()

    async def start(self, notes: list[str]) -> None:
        pass

    async def send(self, data: bytes) -> None:
        for name, payload in self._decoder.feed(data):
            self._fold.add([Event(name.decode(), orjson.loads(payload))])
            self.deltas += name == b"content_block_delta"
        self.message = self._fold.message

    def abort(self) -> None:
        pass

    def blocks(self, kind: str) -> list[dict[str, Any]]:
        return [block for block in self.message.get("content", ()) if block["type"] == kind]

    @property
    def text(self) -> str:
        return "".join(block["text"] for block in self.blocks("text"))


@dataclass(frozen=True, slots=True)
class Probe:
    """One question: what is asked, and what is to be said of the answer.

    needed    without it no client works, so that the provider's refusal is a problem
    decisive  where it fails, nothing further is asked
    """

    name: str
    request: dict[str, Any]
    judge: Callable[[Answer, Record], tuple[Verdict, str]]
    needed: bool = True
    decisive: bool = False
    vision: bool = False


def _judge_answer(answer: Answer, record: Record) -> tuple[Verdict, str]:
    if not (answer.text or answer.blocks("thinking")):
        return "problem", "an answer without any text"
    if record.usage_source != "told":
        return "note", "answered; the provider does not tell its token usage, so cost and context are estimates"
    return "ok", "answered, with its usage"


def _judge_stream(answer: Answer, record: Record) -> tuple[Verdict, str]:
    if not answer.deltas:
        return "problem", "a stream without any content"
    told = "with its usage" if record.usage_source == "told" else "without its usage, which is estimated"
    first = f"first content after {record.ttft_ms} ms" if record.ttft_ms is not None else "no content in time"
    if answer.deltas == 1 or record.usage_source != "told":
        whole = ", all in one piece" if answer.deltas == 1 else ""
        return "note", f"streamed {told}{whole}; {first}"
    return "ok", f"streamed {told}; {first}"


def _judge_call(answer: Answer, _record: Record) -> tuple[Verdict, str]:
    calls = answer.blocks("tool_use")
    if not calls:
        return "problem", "no tool was called although one was demanded; Claude Code cannot work with this model"
    if calls[0]["name"] != "get_weather" or not isinstance(calls[0]["input"].get("city"), str):
        return "note", "a tool was called, with other arguments than its schema asks for"
    return "ok", "the tool was called as its schema asks"


def _judge_result(answer: Answer, _record: Record) -> tuple[Verdict, str]:
    if not (answer.text or answer.blocks("tool_use")):
        return "problem", "no answer to the result of a tool"
    return "ok", "the result of a tool was answered"


def _judge_parallel(answer: Answer, _record: Record) -> tuple[Verdict, str]:
    calls = len(answer.blocks("tool_use"))
    return ("ok", f"{calls} tools called at once") if calls > 1 else ("note", "tools are called one at a time")


def _judge_image(answer: Answer, _record: Record) -> tuple[Verdict, str]:
    if "red" in answer.text.lower():
        return "ok", "the picture was seen"
    return "note", "a picture is taken, but its color was not named; if the model cannot see, set vision: false"


def _judge_stop(answer: Answer, _record: Record) -> tuple[Verdict, str]:
    stopped = answer.message.get("stop_reason") == "stop_sequence" or "4" not in answer.text
    return ("ok", "stop sequences are heeded") if stopped else ("note", "stop sequences are not heeded")


def _judge_thinking(answer: Answer, _record: Record) -> tuple[Verdict, str]:
    if answer.blocks("thinking"):
        return "ok", "thinking is shown"
    return "note", "no thinking came; the model has none, or shows none"


def _picture() -> str:
    """A red square of 16 by 16 pixels, PNG in base64."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + b"\xff\0\0" * 16) * 16
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0))
    png = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return base64.b64encode(png).decode()


def _user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


_WEATHER = {
    "name": "get_weather",
    "description": "Tells the weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
_TIME = {
    "name": "get_time",
    "description": "Tells the time in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
_ASKED = _user("What is the weather in Paris? Use the tool.")
_CALLED = {
    "role": "assistant",
    "content": [{"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Paris"}}],
}
_TOLD = _user([{"type": "tool_result", "tool_use_id": "toolu_1", "content": "Sunny, 21 degrees."}])
_SEEN = [
    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": _picture()}},
    {"type": "text", "text": "Which color is this? One word."},
]
_SHORT = 300  # tokens of an answer; models that think do it before they say anything

PROBES = (
    Probe("message", {"max_tokens": _SHORT, "messages": [_user("Say OK.")]}, _judge_answer, decisive=True),
    Probe(
        "stream",
        {"max_tokens": _SHORT, "stream": True, "messages": [_user("Count from 1 to 9.")]},
        _judge_stream,
        decisive=True,
    ),
    Probe(
        "tool call",
        {"max_tokens": _SHORT, "tools": [_WEATHER], "tool_choice": {"type": "any"}, "messages": [_ASKED]},
        _judge_call,
    ),
    Probe(
        "tool result",
        {"max_tokens": _SHORT, "tools": [_WEATHER], "messages": [_ASKED, _CALLED, _TOLD]},
        _judge_result,
    ),
    Probe(
        "two tools at once",
        {
            "max_tokens": _SHORT,
            "tools": [_WEATHER, _TIME],
            "messages": [_user("What are the weather and the time in Paris? Use both tools at once.")],
        },
        _judge_parallel,
        needed=False,
    ),
    Probe("picture", {"max_tokens": _SHORT, "messages": [_user(_SEEN)]}, _judge_image, needed=False, vision=True),
    Probe(
        "stop sequence",
        {"max_tokens": _SHORT, "stop_sequences": ["3"], "messages": [_user("Count from 1 to 5.")]},
        _judge_stop,
        needed=False,
    ),
    Probe(
        "thinking",
        {
            "max_tokens": 1500,
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "messages": [_user("Is 91 a prime number? One word.")],
        },
        _judge_thinking,
        needed=False,
    ),
)
