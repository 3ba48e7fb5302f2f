"""How many input tokens a request has, roughly and fast: a structural estimate, in parts that `estimator` weighs by
what a provider reports.

Text is counted by runs of one class of characters (words, numbers, punctuation, …), which is what tokenizers cut it
into. The weights are a fit over tokenizers of four model families on prose, code and JSON. Of long texts a spread
sample is counted, so that the cost is bounded.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from gatewayd.protocol.media import image_size

_SAMPLE = 32 * 1024
_SLICE = 512

_MESSAGE = 4  # what chat templates put around a message
_CALL = 9
_TOOL = 8
_TOOLS = 120  # the instructions that templates add when there are tools
_IMAGE = 1100
_PDF_PAGE = 1500
_PDF_PAGE_BYTES = 50_000


# What the numbers of a measure stand for, in order; each is the tokens that this part of the request has by itself.
PARTS = (
    "structure", "media", "words", "letters", "camel_case", "numbers", "digits", "marks", "mark_characters", "blanks",
    "ideographs", "kana", "other_letters",
)  # fmt: skip

Measure = tuple[float, ...]


def measure_request(request: dict[str, Any]) -> Measure:
    """The tokens of a parsed request by PARTS, with the weights that fit all model families about equally badly."""
    found = _Found([], [])
    structure = _gather_system(request, found) + _gather_tools(request, found)
    for message in request.get("messages") or ():
        structure += _MESSAGE + _gather(message.get("content"), found)
    return (float(structure), float(sum(found.media)), *_text_tokens(found.texts))


def estimate_tokens(request: dict[str, Any]) -> int:
    """Tokens of a parsed request, at least 1, while nothing is known of the model."""
    return max(1, round(sum(measure_request(request))))


class _Found(NamedTuple):
    """What a walk gathers: texts, and the tokens of images and documents."""

    texts: list[str | bytes]
    media: list[int]


# --- structure -------------------------------------------------------------------------------------------------------


def _gather_system(request: dict[str, Any], found: _Found) -> int:
    return _MESSAGE + _gather(request.get("system"), found) if request.get("system") else 0


def _gather_tools(request: dict[str, Any], found: _Found) -> int:
    tools = [tool for tool in request.get("tools") or () if tool.get("input_schema") is not None]
    for tool in tools:
        found.texts.append(tool.get("name") or "")
        found.texts.append(tool.get("description") or "")
        found.texts.append(orjson.dumps(tool["input_schema"]))
    return _TOOLS + _TOOL * len(tools) if tools else 0


def _gather(content: Any, found: _Found) -> int:
    """Adds the texts of a message's or a block's content to `texts`; gives the tokens of what is no text."""
    if isinstance(content, str):
        found.texts.append(content)
        return 0
    return sum(_gather_block(block, found) for block in content or ())


def _gather_block(block: dict[str, Any], found: _Found) -> int:
    kind = block["type"]
    if kind == "text":
        found.texts.append(block["text"])
        return 0
    if kind == "thinking":
        found.texts.append(block["thinking"])
        return 0
    if kind == "tool_use":
        found.texts.append(block["name"])
        found.texts.append(orjson.dumps(block["input"]))
        return _CALL
    if kind == "tool_result":
        return _MESSAGE + _gather(block.get("content"), found)
    if kind == "image":
        found.media.append(_image_tokens(block["source"]))
        return 0
    if kind == "document":
        return _document_tokens(block, found)
    if kind == "search_result":
        return _gather(block["content"], found)
    return 0


def _image_tokens(source: dict[str, Any]) -> int:
    size = image_size(source["data"]) if source["type"] == "base64" else None
    return min(1600, max(70, size[0] * size[1] // 750)) if size else _IMAGE


def _document_tokens(block: dict[str, Any], found: _Found) -> int:
    source = block["source"]
    found.texts.append(block.get("title") or "")
    if source["type"] == "text":
        found.texts.append(source["data"])
        return 0
    if source["type"] == "content":
        return _gather(source["content"], found)
    found.media.append(_PDF_PAGE * (_pdf_pages(source["data"]) if source["type"] == "base64" else 10))
    return 0


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
    """A translation of bytes to classes: a A letters, 0 digits, blank, n line ends, . punctuation, and of characters
    beyond ASCII the first byte, o where UTF-8 takes two bytes, j kana and their punctuation, k the rest; c all further
    bytes."""
    table = bytearray(b"." * 256)
    for code in range(128):
        char = chr(code)
        if char.isalpha():
            table[code] = ord("a" if char.islower() else "A")
        elif char.isdigit():
            table[code] = ord("0")
        elif char.isspace():
            table[code] = ord("n" if char in "\r\n" else " ")
    for code in range(128, 256):
        table[code] = ord("c" if code < 192 else "o" if code < 224 else "j" if code == 0xE3 else "k")
    return bytes(table)


def _only(kept: bytes) -> bytes:
    """A translation of classes to `x` for those in `kept` and blank for the rest."""
    return bytes(ord("x") if code in kept else ord(" ") for code in range(256))


_CLASSES = _classes()
_WORDS, _NUMBERS, _MARKS = _only(b"aA"), _only(b"0"), _only(b".")


def _text_tokens(texts: list[str | bytes]) -> Measure:
    joined = b"\n".join(text if isinstance(text, bytes) else text.encode() for text in texts)
    sample = b"".join(_spread(joined))
    scale = len(joined) / len(sample) if sample else 0.0
    return tuple(tokens * scale for tokens in _weigh(sample.translate(_CLASSES)))


def _spread(data: bytes) -> Iterator[bytes]:
    """Slices all over `data`, `_SAMPLE` bytes together; `data` itself where it is no longer than that."""
    step = max(_SLICE, len(data) * _SLICE // _SAMPLE)
    return (data[start : start + _SLICE] for start in range(0, len(data), step))


def _weigh(classes: bytes) -> Measure:
    return (
        0.55 * _runs(classes, _WORDS),
        0.113 * (classes.count(b"a") + classes.count(b"A")),
        1.6 * classes.count(b"aA"),
        0.7 * _runs(classes, _NUMBERS),
        0.55 * classes.count(b"0"),
        0.9 * _runs(classes, _MARKS),
        0.17 * classes.count(b"."),
        0.18 * classes.count(b"  ") + 0.36 * classes.count(b"n  "),
        1.15 * classes.count(b"k"),
        1.15 * classes.count(b"j"),
        1.0 * classes.count(b"o"),
    )


def _runs(classes: bytes, kept: bytes) -> int:
    return (b" " + classes.translate(kept)).count(b" x")
