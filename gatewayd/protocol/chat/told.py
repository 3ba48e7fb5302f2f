"""A provider's answer as bytes -> what it told, as one JSON object for people: the chunks of a stream merged into one.

Nothing is interpreted and nothing raises: what is no JSON stands as text. Merged because a secret that was cut into
chunks could not be found in them, and because nobody reads a thousand chunks.
"""

from __future__ import annotations

from typing import Any

from gatewayd.errors import UpstreamFailed
from gatewayd.protocol.json import parse_json
from gatewayd.protocol.sse import Decoder

_MAX_DEPTH = 12
_MAX_TEXT = 8192  # characters of what is no JSON
_SAME = frozenset({"id", "index", "type", "role", "object", "model", "name", "finish_reason", "system_fingerprint"})


def fold_told(pieces: list[bytes], omitted: int = 0) -> dict[str, Any]:
    """pieces: the answer's body, in order; omitted: bytes that are missing somewhere in it.

    `{"completion": …}` or `{"stream": …, "chunks": n, "done": bool}`, with `"error"` or `"text"` where such were told.
    """
    data = b"".join(pieces).lstrip(b"\xef\xbb\xbf \t\r\n")
    told = _completion(data) if data[:1] in (b"{", b"[", b"<") else _stream(data)
    return {**told, "omitted_bytes": omitted} if omitted else told


def _completion(data: bytes) -> dict[str, Any]:
    try:
        return {"completion": parse_json(data)}
    except ValueError:
        return {"text": data[:_MAX_TEXT].decode("utf-8", "replace")}


def _stream(data: bytes) -> dict[str, Any]:
    decoder = Decoder()
    merged: dict[str, Any] = {}
    told: dict[str, Any] = {"stream": merged, "chunks": 0, "done": False}
    try:
        events = decoder.feed(data) + decoder.finish()
    except UpstreamFailed:
        return {"text": data[:_MAX_TEXT].decode("utf-8", "replace")}
    for event in events:
        if event.data == b"[DONE]":
            told["done"] = True
            continue
        try:
            chunk = parse_json(event.data)
        except ValueError:
            told["text"] = (told.get("text", "") + event.data.decode("utf-8", "replace"))[:_MAX_TEXT]
            continue
        told["chunks"] += 1
        if isinstance(chunk, dict):
            _merge(merged, chunk, 0)
    return told


def _merge(so_far: dict[str, Any], new: dict[str, Any], depth: int) -> None:
    """Texts of deltas grow, lists are merged by the `index` of their objects, everything else is replaced."""
    for key, value in new.items():
        old = so_far.get(key)
        if value is None:
            so_far.setdefault(key, None)
        elif isinstance(value, dict) and isinstance(old, dict) and depth < _MAX_DEPTH:
            _merge(old, value, depth + 1)
        elif isinstance(value, list) and isinstance(old, list) and depth < _MAX_DEPTH:
            _merge_lists(old, value, depth + 1)
        elif isinstance(value, str) and isinstance(old, str) and key not in _SAME and depth:
            so_far[key] = old + value
        elif not (key in _SAME and value == "" and old):
            so_far[key] = value


def _merge_lists(so_far: list[Any], new: list[Any], depth: int) -> None:
    known = {item["index"]: item for item in so_far if isinstance(item, dict) and isinstance(item.get("index"), int)}
    for item in new:
        found = known.get(item["index"]) if isinstance(item, dict) and isinstance(item.get("index"), int) else None
        if found is None:
            so_far.append(item)
        else:
            _merge(found, item, depth)
