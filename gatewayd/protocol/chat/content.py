"""Content blocks to content parts of Chat Completions: text, images, documents.

A part is `{"type": "text", "text": …}`, an `image_url` or a `file`. `Content` builds them for one target; `join_parts`
gives the `content` of a message: one text wherever there is nothing but text, because lists are read wrongly or refused
by many providers.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import Any

from gatewayd.errors import InvalidRequest
from gatewayd.protocol.chat.target import Target
from gatewayd.protocol.names import wire_name

Part = dict[str, Any]

# Blocks that report on work of Anthropic's servers; there is nothing in them for another provider.
_SERVER_SIDE = ("server_tool_use", "mcp_tool_use", "container_upload", "compaction")


def text_part(text: str, block: dict[str, Any] | None = None) -> Part:
    """A text part; it keeps the cache marker of `block`, which `join_parts` uses or throws away."""
    part: Part = {"type": "text", "text": text}
    if block is not None and isinstance(marker := block.get("cache_control"), dict):
        part["cache_control"] = {key: marker[key] for key in ("type", "ttl") if isinstance(marker.get(key), str)}
    return part


def join_parts(parts: list[Part], target: Target, separator: str = "\n\n") -> str | list[Part]:
    """The `content` of a message."""
    if target.dialect.cache_control:
        return parts
    if all(part["type"] == "text" for part in parts):
        return separator.join(part["text"] for part in parts)
    return [{"type": "text", "text": part["text"]} if part["type"] == "text" else part for part in parts]


def is_blank(text: str) -> bool:
    return not text or text.isspace()


def build_parts(blocks: Iterable[tuple[str, dict[str, Any]]], target: Target) -> Iterator[Part]:
    """The parts of (place, block) pairs, in order. Blank texts vanish; blocks that say nothing here leave a note."""
    for place, block in blocks:
        kind = block["type"]
        if kind == "text":
            if not is_blank(block["text"]):
                yield text_part(block["text"], block)
        elif kind == "image":
            yield _image(block, target)
        elif kind == "document":
            yield from _document(block, place, target)
        elif kind == "search_result":
            yield from _search_result(block, place, target)
        elif kind == "tool_reference":
            yield text_part(f"Tool {wire_name(block['tool_name'])} is available now.", block)
        else:
            note_unknown(kind, target)


def note_unknown(kind: str, target: Target) -> None:
    if kind in _SERVER_SIDE or kind.endswith("_tool_result"):
        target.notes.add("server_tools.history_dropped", kind[:64])
    else:
        target.notes.add("content.unknown_dropped", kind[:64])


def places(content: str | list[dict[str, Any]], place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(place, block) of each block; a text counts as one block."""
    if isinstance(content, str):
        yield place, {"type": "text", "text": content}
        return
    for index, block in enumerate(content):
        yield f"{place}.{index}", block


def _image(block: dict[str, Any], target: Target) -> Part:
    if not target.sees:
        target.notes.add("images.placeholder", "the model takes no images")
        return text_part("[An image was here; this model takes no images.]", block)
    source = block["source"]
    url = source["url"] if source["type"] == "url" else f"data:{source['media_type']};base64,{source['data']}"
    return {"type": "image_url", "image_url": {"url": url}}


def _search_result(block: dict[str, Any], place: str, target: Target) -> Iterator[Part]:
    heading = " ".join(text for text in (block.get("title"), block.get("source")) if text)
    yield text_part(f"Search result: {heading}".rstrip())
    yield from build_parts(places(block["content"], f"{place}.content"), target)


# --- documents -------------------------------------------------------------------------------------------------------


def _document(block: dict[str, Any], place: str, target: Target) -> Iterator[Part]:
    source = block["source"]
    kind = source["type"]
    if kind in ("base64", "url") and target.dialect.pdf == "file" and target.sees:
        yield _file(block)
        return
    yield text_part(_heading(block))
    if kind == "text":
        yield text_part("(empty)" if is_blank(source["data"]) else source["data"], block)
    elif kind == "content":
        yield from build_parts(places(source["content"], f"{place}.source.content"), target)
    elif kind == "url":
        raise InvalidRequest(f"{place}.document: this model takes no documents by URL; send the file itself")
    else:
        yield text_part(_pdf_text(source["data"], place, target), block)


def _heading(block: dict[str, Any]) -> str:
    heading = f"Document: {block['title']}" if block.get("title") else "Document:"
    return f"{heading}\n{block['context']}" if block.get("context") else heading


def _file(block: dict[str, Any]) -> Part:
    source = block["source"]
    data = source["url"] if source["type"] == "url" else f"data:application/pdf;base64,{source['data']}"
    title = block.get("title") or "document"
    name = title if title.lower().endswith(".pdf") else f"{title}.pdf"
    return {"type": "file", "file": {"filename": name, "file_data": data}}


def _pdf_text(data: str, place: str, target: Target) -> str:
    try:
        text = target.read_pdf(base64.b64decode(data, validate=True))
    except ValueError as error:
        raise InvalidRequest(f"{place}.document: no text can be taken from this PDF: {error}") from None
    target.notes.add("documents.text_extracted", f"{place}: text without layout and pictures")
    return text
