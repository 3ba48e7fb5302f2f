"""The estimate of input tokens."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest

from gatewayd.protocol.tokens import estimate_tokens
from tests.protocol.pdfs import make_pdf

PROSE = "The quick brown fox jumps over the lazy dog, and then it sleeps for a while in the warm sun. " * 50
CODE = 'def read(path: str) -> bytes:\n    with open(path, "rb") as file:\n        return file.read()\n\n' * 50


def estimate(*content: Any, **fields: Any) -> int:
    return estimate_tokens({"messages": [{"role": "user", "content": list(content)}], **fields})


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def png(width: int, height: int) -> dict[str, Any]:
    data = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", width, height) + b"\x08\x06" + b"\x00" * 50_000
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(data).decode()}
    return {"type": "image", "source": source}


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        (PROSE, 900, 1300),  # common tokenizers: about 1,050
        (CODE, 1200, 1700),  # about 1,400
        ("你好，世界。" * 200, 900, 1500),
        ("1234567890" * 100, 300, 1000),
        ("    \n" * 500, 1, 700),
    ],
    ids=["prose", "code", "chinese", "digits", "blank"],
)
def test_text_of_known_length(value: str, low: int, high: int) -> None:
    assert low <= estimate(text(value)) <= high


def test_an_empty_request_is_not_zero() -> None:
    assert estimate_tokens({}) == 1
    assert estimate_tokens({"messages": []}) == 1


def test_ten_times_the_text_is_ten_times_the_tokens() -> None:
    """Also where only a sample of the text is counted."""
    once, tenfold = estimate(text(CODE + PROSE)), estimate(text((CODE + PROSE) * 100))
    assert 98 < tenfold / once < 102


@pytest.mark.parametrize(
    "fields",
    [
        {"system": PROSE},
        {"system": [text(PROSE)]},
        {"tools": [{"name": "a", "description": PROSE, "input_schema": {}}]},
        {"tools": [{"name": "a", "input_schema": {"description": PROSE}}]},
    ],
    ids=["system", "system blocks", "description", "schema"],
)
def test_system_and_tools_count(fields: dict[str, Any]) -> None:
    assert estimate(text("hi"), **fields) - estimate(text("hi")) > 900


def test_server_tools_do_not_count() -> None:
    assert estimate(text("hi"), tools=[{"type": "web_search_20250305", "name": "web_search"}]) == estimate(text("hi"))


@pytest.mark.parametrize(
    "block",
    [
        {"type": "tool_result", "tool_use_id": "t", "content": PROSE},
        {"type": "tool_result", "tool_use_id": "t", "content": [text(PROSE)]},
        {"type": "tool_use", "id": "t", "name": "n", "input": {"a": PROSE}},
        {"type": "thinking", "thinking": PROSE, "signature": ""},
        {"type": "document", "title": "T", "source": {"type": "text", "data": PROSE}},
        {"type": "document", "source": {"type": "content", "content": [text(PROSE)]}},
        {"type": "search_result", "content": [text(PROSE)]},
    ],
    ids=lambda block: block["type"],
)
def test_text_inside_blocks_counts(block: dict[str, Any]) -> None:
    assert abs(estimate(block) - estimate(text(PROSE))) < 60


def test_signatures_and_unknown_blocks_do_not_count() -> None:
    block = {"type": "thinking", "thinking": "", "signature": "x" * 9000}
    assert estimate(block, {"type": "redacted_thinking", "data": "x" * 9000}, {"type": "new", "data": "x" * 9000}) < 20


@pytest.mark.parametrize(("size", "tokens"), [((750, 100), 100), ((10, 10), 70), ((4000, 4000), 1600)])
def test_an_image_counts_by_its_size_and_not_by_its_bytes(size: tuple[int, int], tokens: int) -> None:
    assert estimate(png(*size)) == estimate() + tokens


def test_an_image_of_unknown_size_has_a_usual_one() -> None:
    assert estimate({"type": "image", "source": {"type": "url", "url": "https://x"}}) > 1000


def test_a_pdf_counts_by_its_pages() -> None:
    def document(pages: int) -> dict[str, Any]:
        data = base64.b64encode(make_pdf(["x"] * pages)).decode()
        return {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": data}}

    assert estimate(document(3)) == pytest.approx(3 * estimate(document(1)), rel=0.02)


def test_a_tool_without_a_name_is_survived() -> None:
    assert estimate(text("hi"), tools=[{"type": "new_tool", "input_schema": {}}]) > 1
