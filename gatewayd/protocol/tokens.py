"""How many input tokens a request has, roughly and fast: a structural estimate that is then corrected by what the
provider reports (see the relay), so it only has to be proportional to the truth across kinds of text.

Text is counted by runs of one class of characters (words, numbers, punctuation, …), which is what tokenizers cut it
into. The weights are a fit over tokenizers of four model families on prose, code and JSON. Of long texts a spread
sample is counted, so that the cost is bounded.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any

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


def estimate_tokens(request: dict[str, Any]) -> int:
    """Tokens of a parsed request, at least 1."""
    texts: list[str | bytes] = []
    fixed = _gather_system(request, texts) + _gather_tools(request, texts)
    for message in request.get("messages") or ():
        fixed += _MESSAGE + _gather(message.get("content"), texts)
    return max(1, fixed + _text_tokens(texts))


# --- structure -------------------------------------------------------------------------------------------------------


def _gather_system(request: dict[str, Any], texts: list[str | bytes]) -> int:
    return _MESSAGE + _gather(request.get("system"), texts) if request.get("system") else 0


def _gather_tools(request: dict[str, Any], texts: list[str | bytes]) -> int:
    tools = [tool for tool in request.get("tools") or () if tool.get("input_schema") is not None]
    for tool in tools:
        texts.append(tool.get("name") or "")
        texts.append(tool.get("description") or "")
        texts.append(orjson.dumps(tool["input_schema"]))
    return _TOOLS + _TOOL * len(tools) if tools else 0


def _gather(content: Any, texts: list[str | bytes]) -> int:
    """Adds the texts of a message's or a block's content to `texts`; gives the tokens of what is no text."""
    if isinstance(content, str):
        texts.append(content)
        return 0
    return sum(_gather_block(block, texts) for block in content or ())


def _gather_block(block: dict[str, Any], texts: list[str | bytes]) -> int:
    kind = block["type"]
    if kind == "text":
        texts.append(block["text"])
        return 0
    if kind == "thinking":
        texts.append(block["thinking"])
        return 0
    if kind == "tool_use":
        texts.append(block["name"])
        texts.append(orjson.dumps(block["input"]))
        return _CALL
    if kind == "tool_result":
        return _MESSAGE + _gather(block.get("content"), texts)
    if kind == "image":
        return _image_tokens(block["source"])
    if kind == "document":
        return _document_tokens(block, texts)
    if kind == "search_result":
        return _gather(block["content"], texts)
    return 0


def _image_tokens(source: dict[str, Any]) -> int:
    size = image_size(source["data"]) if source["type"] == "base64" else None
    return min(1600, max(70, size[0] * size[1] // 750)) if size else _IMAGE


def _document_tokens(block: dict[str, Any], texts: list[str | bytes]) -> int:
    source = block["source"]
    texts.append(block.get("title") or "")
    if source["type"] == "text":
        texts.append(source["data"])
        return 0
    if source["type"] == "content":
        return _gather(source["content"], texts)
    return _PDF_PAGE * (_pdf_pages(source["data"]) if source["type"] == "base64" else 10)


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
    """A translation of bytes to classes: a A letters, 0 digits, blank, n line ends, . punctuation, k o first bytes of
    characters that UTF-8 writes in three or more and in two bytes, c their further bytes."""
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
        table[code] = ord("c" if code < 192 else "o" if code < 224 else "k")
    return bytes(table)


def _only(kept: bytes) -> bytes:
    """A translation of classes to `x` for those in `kept` and blank for the rest."""
    return bytes(ord("x") if code in kept else ord(" ") for code in range(256))


_CLASSES = _classes()
_WORDS, _NUMBERS, _MARKS = _only(b"aA"), _only(b"0"), _only(b".")


def _text_tokens(texts: list[str | bytes]) -> int:
    joined = b"\n".join(text if isinstance(text, bytes) else text.encode() for text in texts)
    sample = b"".join(_spread(joined))
    if not sample:
        return 0
    return round(_weigh(sample.translate(_CLASSES)) * len(joined) / len(sample))


def _spread(data: bytes) -> Iterator[bytes]:
    """Slices all over `data`, `_SAMPLE` bytes together; `data` itself where it is no longer than that."""
    step = max(_SLICE, len(data) * _SLICE // _SAMPLE)
    return (data[start : start + _SLICE] for start in range(0, len(data), step))


def _weigh(classes: bytes) -> float:
    return (
        0.55 * _runs(classes, _WORDS)
        + 0.113 * (classes.count(b"a") + classes.count(b"A"))
        + 1.6 * classes.count(b"aA")
        + 0.7 * _runs(classes, _NUMBERS)
        + 0.55 * classes.count(b"0")
        + 0.9 * _runs(classes, _MARKS)
        + 0.17 * classes.count(b".")
        + 0.18 * classes.count(b"  ")
        + 0.36 * classes.count(b"n  ")
        + 1.15 * classes.count(b"k")
        + 1.0 * classes.count(b"o")
    )


def _runs(classes: bytes, kept: bytes) -> int:
    return (b" " + classes.translate(kept)).count(b" x")
