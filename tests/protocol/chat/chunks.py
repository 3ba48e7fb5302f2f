"""Chat Completions answers as Hypothesis makes them: hostile ones of any shape, and honest ones of a known meaning."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

# --- hostile: chunk-like, of any types -------------------------------------------------------------------------------

_words = st.sampled_from(
    ["", "x", " ", "stop", "<think>", "</think>", "{", '{"a":1}', "}", "\ud800", "null", "[DONE]", "END", "\x00"]
)
_hostile_arguments = _words | st.sampled_from(
    ['{"a":', '"b"}', '{"a":NaN}', '{"a":"\\ud83d"}', "{'a':1" + "0" * 30 + "}", '{"a":' + "[" * 300 + "]" * 300 + "}"]
)
_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([10**40, -(2**63), 2**53 + 1, 1.5, float("nan"), float("inf"), -float("inf")]),
    _words,
)
weird = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["text", "thinking", "type", "name", "function", "a"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def _now_and_then(odd: st.SearchStrategy[Any], usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 11).flatmap(lambda n: odd if n == 11 else usual)


def _object(needs: dict[str, Any] | None = None, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object with some of the fields; now and then one of them, or the whole, is something else."""
    required = {key: _now_and_then(weird, value) for key, value in (needs or {}).items()}
    optional = {key: _now_and_then(weird, value) for key, value in fields.items()}
    return _now_and_then(weird, st.fixed_dictionaries(required, optional=optional))


_detail = _object(
    type=st.sampled_from(["reasoning.text", "reasoning.encrypted"]),
    text=_words,
    data=_words,
    signature=_words,
    index=st.integers(0, 1),
)
_call = _object(
    index=st.integers(-1, 2),
    id=_words,
    function=_object(name=_words, arguments=_hostile_arguments, parameters=weird),
    extra_content=st.builds(lambda text: {"google": {"thought_signature": text}}, _words),
)
_message = _object(
    role=_words,
    content=_words | st.lists(_object(type=st.sampled_from(["text", "thinking"]), text=_words, thinking=_words)),
    reasoning=_words,
    reasoning_content=_words,
    reasoning_details=st.lists(_detail, max_size=2),
    refusal=_words,
    tool_calls=st.lists(_call, max_size=3),
    function_call=_object(name=_words, arguments=_hostile_arguments),
    audio=_object(transcript=_words),
)
_usage = _object(
    prompt_tokens=st.integers(-5, 2**60),
    completion_tokens=st.floats(),
    total_tokens=st.integers(),
    cached_tokens=st.integers(-1, 10**30),
    prompt_tokens_details=_object(cached_tokens=st.integers(), cache_write_tokens=st.floats()),
)
_choice = _object(
    {"delta": _message},
    index=st.sampled_from([0, 0, 0, 1, "0", None]),
    message=_message,
    text=_words,
    finish_reason=st.sampled_from(["stop", "length", "tool_calls", "content_filter", "", None, "error"]),
    stop_reason=_words,
    usage=_usage,
)
_error = st.fixed_dictionaries({"error": st.builds(lambda text: {"message": text, "code": 503}, _words) | weird})
_chunk = _object(
    {"choices": st.lists(_choice, min_size=1, max_size=2)},
    usage=_usage,
    x_groq=_object(usage=_usage),
    base_resp=st.none(),
)


@st.composite
def hostile_bodies(draw: st.DrawFn) -> bytes:
    """A stream or a completion of such chunks, with noise and broken bytes in some."""
    if draw(st.integers(0, 4)) == 0:
        body = json.dumps(draw(_chunk)).encode()
    else:
        noise = st.sampled_from([b"[DONE]", b"{", b"", b"null", b"[" * 300 + b"]" * 300, b'"\xff"'])
        document = st.builds(lambda chunk: json.dumps(chunk).encode(), _now_and_then(_error, _chunk))
        documents = draw(st.lists(_now_and_then(noise, document), max_size=6))
        names = _now_and_then(st.just(b"event: error\ndata: "), st.sampled_from([b"data: ", b"data:", b": c\ndata: "]))
        ends = st.sampled_from([b"\n\n", b"\n\n", b"\r\n\r\n", b"\n"])
        body = b"".join(draw(names) + document + draw(ends) for document in documents)
        body += draw(st.sampled_from([b"", b"data: [DONE]\n\n"]))
    at = draw(st.integers(0, len(body)))
    return body[:at] + draw(_now_and_then(st.sampled_from([b"\xff", b"\n", b'"']), st.just(b""))) + body[at:]


# --- honest: what was said is known ----------------------------------------------------------------------------------


@dataclass
class Said:
    """What an answer says, and the deltas that say it."""

    text: str = ""
    thinking: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)
    deltas: list[dict[str, Any]] = field(default_factory=list)

    def body(self, finish: str = "stop", usage: dict[str, Any] | None = None, *, done: bool = True) -> bytes:
        """The stream, with finish, usage and `[DONE]` as most providers send them."""
        chunks: list[dict[str, Any]] = [{"choices": [{"index": 0, "delta": delta}]} for delta in self.deltas]
        if finish:
            chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
        if usage:
            chunks.append({"choices": [], "usage": usage})
        events = [f"data: {json.dumps(chunk, separators=(',', ':'), ensure_ascii=False)}\n\n" for chunk in chunks]
        return "".join([*events, "data: [DONE]\n\n" if done else ""]).encode()

    def completion(self, finish: str, usage: dict[str, Any], reasoning: str) -> bytes:
        """The same not streamed."""
        calls = [
            {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}}
            for call in self.calls
        ]
        message = {"role": "assistant", "content": self.text or None, reasoning: self.thinking, "tool_calls": calls}
        choice = {"index": 0, "message": message, "finish_reason": finish}
        return json.dumps({"id": "c", "object": "chat.completion", "choices": [choice], "usage": usage}).encode()


_json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
_arguments = st.dictionaries(st.text(max_size=6), _json_values, max_size=4).map(
    lambda value: json.dumps(value, ensure_ascii=False)
)
_texts = st.text(max_size=12) | st.sampled_from(["\n", " ", "<b>", "a < b", "é\u2028🙂"])


def _pieces(draw: st.DrawFn, text: str) -> list[str]:
    """`text` in pieces, as a stream has it; at least one."""
    ends = sorted(draw(st.sets(st.integers(1, max(1, len(text) - 1)), max_size=4))) if len(text) > 1 else []
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]


@st.composite
def call_fragments(draw: st.DrawFn, number: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A call, and its fragments by index: id and name in the first, as the reference does, or in each."""
    arguments = draw(_arguments)
    call = {"id": f"call_{number}", "name": draw(st.sampled_from(["Read", "f"])), "arguments": arguments}
    repeat = draw(st.booleans())
    first, *others = _pieces(draw, arguments)
    if draw(st.booleans()):
        first, others = "", [first, *others]
    fragments: list[dict[str, Any]] = []
    for n, piece in enumerate([first, *others]):
        named = {"id": call["id"], "type": "function"} if n == 0 or repeat else {}
        function = {"name": call["name"], "arguments": piece} if named else {"arguments": piece}
        fragments.append({"index": number, **named, "function": function})
    return call, fragments


@st.composite
def interleaved(draw: st.DrawFn) -> Said:
    """Text, reasoning and the fragments of up to three calls in any order that keeps each of them in its own."""
    said = Said()
    field_name = draw(st.sampled_from(["reasoning_content", "reasoning"]))
    calls = [draw(call_fragments(number)) for number in range(draw(st.integers(0, 3)))]
    queues = [list(fragments) for _, fragments in calls]
    order: list[int] = []
    for turn in draw(st.permutations(["text", "thinking"] * 3 + [n for n, queue in enumerate(queues) for _ in queue])):
        if turn == "text":
            said.deltas.append({"content": draw(_texts)})
            said.text += said.deltas[-1]["content"]
        elif turn == "thinking":
            said.deltas.append({field_name: draw(_texts)})
            said.thinking += said.deltas[-1][field_name]
        else:
            said.deltas.append({"tool_calls": [queues[turn].pop(0)]})
            order += [turn] if turn not in order else []
    # white space that nothing follows is not shown
    said.deltas += [{field_name: "!"}, {"content": "."}]
    said.text += "."
    said.thinking += "!"
    said.calls = [calls[n][0] for n in order]
    return said


@st.composite
def in_order(draw: st.DrawFn, reasoning: str) -> Said:
    """Reasoning, then text, then calls, as a completion tells them."""
    said = Said(text=draw(_texts), thinking=draw(_texts))
    said.deltas = [{reasoning: piece} for piece in _pieces(draw, said.thinking)]
    said.deltas += [{"content": piece} for piece in _pieces(draw, said.text)]
    for number in range(draw(st.integers(0, 2))):
        call, fragments = draw(call_fragments(number))
        said.calls.append(call)
        said.deltas += [{"tool_calls": [fragment]} for fragment in fragments]
    return said
