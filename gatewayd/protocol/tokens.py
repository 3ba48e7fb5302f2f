"""What a request is made of, as far as its input tokens go: its features, fast.

Each feature is a number of tokens, as an average tokenizer would cut one kind of content, so their sum is the estimate
for a model that nobody has learned anything about; `estimator` weighs them. Text is counted by runs of one class of
characters (words, numbers, marks, …), which is what tokenizers cut it into. The weights are a fit over tokenizers of
several model families on prose, code, JSON, logs, Chinese and Japanese. Of long requests a sample is counted that is
spread evenly, so that the cost is bounded; up to SAMPLE characters everything is.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from gatewayd.protocol.media import image_size

SAMPLE = 24 * 1024
_SLICE = 96  # short slices: neighbouring text is alike

_PREAMBLE = 12
_MESSAGE = 4  # what chat templates put around a message
_CALL = 9
_RESULT = 4
_TOOL = 8
_TOOL_RULES = 60  # the instructions that templates add when there are tools
_IMAGE = 85
_PIXELS_PER_TOKEN = 750
_MAX_AREA = 1500
_UNKNOWN_AREA = 1000
_PDF_PAGE = 1500
_PDF_PAGE_BYTES = 50_000
_UNKNOWN_PDF_PAGES = 10


class Features(NamedTuple):
    """Tokens by kind of content, each >= 0.

    words, joints (inside of identifiers), numbers, marks, blanks, han, kana, others   the text of the conversation
    thinking                 earlier thinking: some providers see it, others do not
    tools, tool_rules        definitions of tools, and the instructions for using any
    messages, calls          what is put around them
    areas, images            images by size and by number
    pages                    of PDF documents
    preamble                 what comes with every request
    """

    words: float
    joints: float
    numbers: float
    marks: float
    blanks: float
    han: float
    kana: float
    others: float
    thinking: float
    tools: float
    tool_rules: float
    messages: float
    calls: float
    areas: float
    images: float
    pages: float
    preamble: float


def read_features(request: dict[str, Any]) -> Features:
    """Of a parsed request."""
    found = _Found()
    _add_tools(request, found)
    if request.get("system"):
        found.messages += 1
        _add(request["system"], found)
    for message in request.get("messages") or ():
        found.messages += 1
        _add(message.get("content"), found)
    texts, thinking, tools = found.texts, found.thinking, found.tools
    step = max(_SLICE, sum(map(len, [*texts, *thinking, *tools])) * _SLICE // SAMPLE)
    return Features(
        *_weigh(texts, step),
        thinking=sum(_weigh(thinking, step)),
        tools=sum(_weigh(tools, step)) + _TOOL * found.tool_count,
        tool_rules=_TOOL_RULES if found.tool_count else 0,
        messages=_MESSAGE * found.messages,
        calls=_CALL * found.calls + _RESULT * found.results,
        areas=found.area,
        images=_IMAGE * found.images,
        pages=_PDF_PAGE * found.pages,
        preamble=_PREAMBLE,
    )


def estimate_tokens(request: dict[str, Any]) -> int:
    """Tokens of a parsed request, at least 1, for a model of which nothing is known."""
    return unlearned(read_features(request))


def unlearned(features: Features) -> int:
    """The same from the features."""
    return max(1, round(sum(features)))


# --- structure -------------------------------------------------------------------------------------------------------


class _Found:
    """Texts by zone, and how many there are of what is no text."""

    __slots__ = ("area", "calls", "images", "messages", "pages", "results", "texts", "thinking", "tool_count", "tools")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.thinking: list[str] = []
        self.tools: list[str] = []
        self.tool_count = self.messages = self.calls = self.results = self.images = self.pages = 0
        self.area = 0.0


def _add_tools(request: dict[str, Any], found: _Found) -> None:
    for tool in request.get("tools") or ():
        if tool.get("input_schema") is not None:
            found.tool_count += 1
            found.tools.append(tool["name"])
            found.tools.append(tool.get("description") or "")
            found.tools.append(orjson.dumps(tool["input_schema"]).decode())


def _add(content: Any, found: _Found) -> None:
    """Adds the content of a message or of a block."""
    if isinstance(content, str):
        found.texts.append(content)
        return
    for block in content or ():
        _add_block(block, found)


def _add_block(block: dict[str, Any], found: _Found) -> None:
    kind = block["type"]
    if kind == "text":
        found.texts.append(block["text"])
    elif kind == "thinking":
        found.thinking.append(block["thinking"])
    elif kind == "tool_use":
        found.calls += 1
        found.texts.append(block["name"])
        found.texts.append(orjson.dumps(block["input"]).decode())
    elif kind == "tool_result":
        found.results += 1
        _add(block.get("content"), found)
    elif kind == "image":
        found.images += 1
        found.area += _area(block["source"])
    elif kind == "document":
        _add_document(block, found)
    elif kind == "search_result":
        _add(block["content"], found)


def _area(source: dict[str, Any]) -> float:
    size = image_size(source["data"]) if source["type"] == "base64" else None
    return min(size[0] * size[1] / _PIXELS_PER_TOKEN, _MAX_AREA) if size else _UNKNOWN_AREA


def _add_document(block: dict[str, Any], found: _Found) -> None:
    source = block["source"]
    found.texts.append(block.get("title") or "")
    if source["type"] == "text":
        found.texts.append(source["data"])
    elif source["type"] == "content":
        _add(source["content"], found)
    else:
        found.pages += _pdf_pages(source["data"]) if source["type"] == "base64" else _UNKNOWN_PDF_PAGES


def _pdf_pages(data: str) -> int:
    """Pages by the marks of page objects, by size where those are compressed."""
    try:
        content = base64.b64decode(data)
    except (binascii.Error, ValueError):
        return 1
    marks = content.count(b"/Type/Page") + content.count(b"/Type /Page")
    trees = content.count(b"/Type/Pages") + content.count(b"/Type /Pages")
    return max(1, marks - trees if marks > trees else len(content) // _PDF_PAGE_BYTES)


# --- text ------------------------------------------------------------------------------------------------------------


def _classes() -> bytes:
    """A translation of bytes to classes: a A letters, 0 digits, blank, n line ends, . marks; first bytes of the UTF-8
    of: h Chinese characters, j kana and full-width forms, k other three-byte, o two-byte and e four-byte characters;
    c their further bytes."""
    table = bytearray(b"." * 256)
    for code in range(128):
        char = chr(code)
        if char.isalpha():
            table[code] = ord("a" if char.islower() else "A")
        elif char.isdigit():
            table[code] = ord("0")
        elif char.isspace():
            table[code] = ord("n" if char in "\r\n" else " ")
    for first, last, name in (
        (0x80, 0xBF, "c"),
        (0xC0, 0xDF, "o"),
        (0xE0, 0xEF, "k"),
        (0xE4, 0xE9, "h"),
        (0xF0, 0xFF, "e"),
    ):
        table[first : last + 1] = name.encode() * (last + 1 - first)
    table[0xE3] = table[0xEF] = ord("j")
    return bytes(table)


def _only(kept: bytes) -> bytes:
    """A translation of classes to `x` for those in `kept` and blank for the rest."""
    return bytes(ord("x") if code in kept else ord(" ") for code in range(256))


_CLASSES = _classes()
_WORDS, _NUMBERS, _MARKS = _only(b"aA"), _only(b"0"), _only(b".")


def _weigh(texts: list[str], step: int) -> tuple[float, float, float, float, float, float, float, float]:
    """Tokens of texts by kind, from a slice at every `step` characters."""
    length = sum(map(len, texts))
    if not length:
        return 0, 0, 0, 0, 0, 0, 0, 0
    text = "\n".join(texts) if step == _SLICE else "".join(_spread(texts, step))
    scale = length / len(text) if step > _SLICE else 1.0
    sample = text.encode()
    ascii_only = sample.isascii()
    classes = sample.translate(_CLASSES)
    count = classes.count
    return (
        scale * (0.98 * _runs(classes, _WORDS) + 0.024 * count(b"a")),
        scale * (0.8 * count(b"aA") + 0.78 * count(b"0a")),
        scale * (1.06 * _runs(classes, _NUMBERS) + 0.23 * count(b"0") + 1.68 * count(b" 0")),
        scale * (0.66 * _runs(classes, _MARKS) + 0.143 * count(b".")),
        scale * (0.013 * count(b"  ") + 1.02 * count(b"n ") + 0.2 * count(b"n")),
        0 if ascii_only else scale * 0.67 * count(b"h"),
        0 if ascii_only else scale * 0.64 * count(b"j"),
        0 if ascii_only else scale * (0.962 * count(b"k") + 0.355 * count(b"o") + 4.5 * count(b"e")),
    )


def _spread(texts: list[str], step: int) -> Iterator[str]:
    """Slices that lie evenly in all texts together. Nothing is joined or encoded for them: texts are large."""
    start = 0
    for text in texts:
        while start < len(text):
            yield text[start : start + _SLICE]
            start += step
        start -= len(text)


def _runs(classes: bytes, kept: bytes) -> int:
    runs = classes.translate(kept)
    return runs.count(b" x") + runs.startswith(b"x")
