"""The features of a request: what is counted where, that all of it counts, and that it stays fast."""

from __future__ import annotations

import base64
import time
from typing import Any

import pytest

from gatewayd.protocol.tokens import SAMPLE, Features, estimate_tokens, read_features
from tests.protocol.pdfs import make_pdf

PNG_1500_500 = "iVBORw0KGgoAAAANSUhEUgAABdwAAAH0CAYAAAAAAAAA"


def features(*blocks: dict[str, Any], **fields: Any) -> Features:
    return read_features({"messages": [{"role": "user", "content": list(blocks)}], **fields})


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("plain words", "words"),
        ("camelCaseName", "joints"),
        ("1 23 456", "numbers"),
        ("(){};", "marks"),
        ("\n    \n    ", "blanks"),
        ("今天天气很好", "han"),
        ("ひらがな", "kana"),
        ("привет", "others"),
        ("안녕하세요", "others"),
        ("🙂", "others"),
    ],
)
def test_each_kind_of_text_has_its_feature(words: str, name: str) -> None:
    assert getattr(features(text(words)), name) > getattr(features(text("")), name)


def test_what_is_no_text_is_counted_by_number_and_size() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG_1500_500}}
    call = {"type": "tool_use", "id": "t", "name": "Read", "input": {"path": "/a"}}
    found = features(image, call, {"type": "tool_result", "tool_use_id": "t", "content": [image]})
    assert found.areas == 2 * 1500 * 500 / 750
    assert found.images == 2 * features(image).images > 0
    assert found.calls > features(call).calls > 0
    assert found.messages == features().messages > 0


def test_pages_of_pdf_documents_count() -> None:
    def document(pages: int) -> dict[str, Any]:
        source = {
            "type": "base64",
            "media_type": "application/pdf",
            "data": base64.b64encode(make_pdf(["page"] * pages)).decode(),
        }
        return {"type": "document", "source": source}

    assert features(document(4)).pages == 4 * features(document(1)).pages > 0


def test_tools_and_thinking_are_kept_apart_from_the_text() -> None:
    tool = {"name": "Read", "description": "Reads a file.", "input_schema": {"type": "object"}}
    thinking = {"type": "thinking", "thinking": "Let me look at the file first.", "signature": "s"}
    found, nothing = features(thinking, tools=[tool]), features()
    assert found.tools > 8
    assert found.tool_rules > 0
    assert found.thinking > 5
    assert found.words == nothing.words


def test_a_deferred_tool_without_a_schema_does_not_count() -> None:
    assert features(tools=[{"name": "Read", "defer_loading": True}]) == features()


def test_a_long_request_is_estimated_from_a_sample() -> None:
    line = "def function(argument): return [argument + 17, 'text']  # 说明\n"
    once = features(text(line * (SAMPLE // len(line) - 100)))
    many = features(text(line * (SAMPLE // len(line) - 100) * 20))
    for name in ("words", "numbers", "marks", "blanks", "han"):
        assert getattr(many, name) == pytest.approx(20 * getattr(once, name), rel=0.05), name


def test_a_request_of_600_kilobytes_takes_milliseconds_at_most() -> None:
    blocks = [text(f"line {n}: value = call({n}, 'abc')\n" * 60) for n in range(300)]
    request = {"messages": [{"role": "user", "content": [block]} for block in blocks]}
    assert sum(len(block["text"]) for block in blocks) > 550_000
    times = []
    for _ in range(20):
        start = time.perf_counter()
        read_features(request)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.005  # it takes 1 ms; slow machines run tests too


def test_documents_of_text_and_results_of_searches_count_as_their_text() -> None:
    words = "some words of a document that is read"
    plain = features(text(words)).words
    sources = ({"type": "text", "data": words}, {"type": "content", "content": words})
    for source in sources:
        assert features({"type": "document", "source": source, "title": "t"}).words >= plain
    assert features({"type": "search_result", "content": [text(words)]}).words == plain
    assert features({"type": "unheard_of"}) == features()


def test_documents_that_are_not_here_or_cannot_be_read_count_by_guess() -> None:
    elsewhere = {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}
    broken = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "%"}}
    assert features(elsewhere).pages == 10 * features(broken).pages > 0


def test_an_estimate_is_at_least_one() -> None:
    assert estimate_tokens({}) >= 1
    assert estimate_tokens({"system": "be brief", "messages": []}) > estimate_tokens({})
