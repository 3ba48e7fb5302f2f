"""Images and documents of a user's message."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from gatewayd.errors import InvalidRequest
from gatewayd.protocol.chat.dialects import DIALECTS
from tests.protocol.chat.building import assistant, build, call, image, result, system, text, user
from tests.protocol.pdfs import make_pdf

PDF = base64.b64encode(make_pdf(["Hello"])).decode()
SCAN = base64.b64encode(make_pdf([""])).decode()


def document(source: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"type": "document", "source": source, **fields}


def pdf(data: str = PDF, **fields: Any) -> dict[str, Any]:
    return document({"type": "base64", "media_type": "application/pdf", "data": data}, **fields)


def test_an_image_url_is_passed_on_and_not_fetched() -> None:
    url = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    assert build([user(url)]).messages[0]["content"][0]["image_url"] == {"url": "https://example.com/a.png"}


@pytest.mark.parametrize(
    "options",
    [
        {"dialect": "generic", "options": {"vision": False}},
        {"dialect": "deepseek"},
        {"dialect": DIALECTS["generic"].with_capabilities({"list_content": False})},
    ],
    ids=["model", "provider", "no lists"],
)
def test_an_image_for_a_blind_model_becomes_a_text_with_a_note(options: dict[str, Any]) -> None:
    built = build([user("look", image())], **options)
    assert built.messages[0]["content"] == "look\n\n[An image was here; this model takes no images.]"
    assert built.codes == ["images.placeholder"]


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (document({"type": "text", "media_type": "text/plain", "data": "body"}), "Document:\n\nbody"),
        (document({"type": "text", "data": "body"}, title="T", context="C"), "Document: T\nC\n\nbody"),
        (document({"type": "content", "content": "body"}, title="T"), "Document: T\n\nbody"),
        (document({"type": "content", "content": [text("a"), text("b")]}), "Document:\n\na\n\nb"),
        (document({"type": "text", "data": ""}), "Document:\n\n(empty)"),
    ],
)
def test_a_text_document_becomes_text_with_its_title(block: dict[str, Any], said: str) -> None:
    assert build([user(block)]).messages[0]["content"] == said


def test_a_pdf_becomes_a_file_where_the_dialect_has_files() -> None:
    assert build([user(pdf(title="Plan"))], dialect="openai").messages[0]["content"] == [
        {"type": "file", "file": {"filename": "Plan.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}}
    ]


def test_a_pdf_becomes_its_text_elsewhere() -> None:
    built = build([user("read", pdf(title="Plan"))])
    assert built.messages[0]["content"] == "read\n\nDocument: Plan\n\n[Page 1]\nHello"
    assert built.codes == ["documents.text_extracted"]


def test_a_pdf_becomes_its_text_for_a_model_without_vision() -> None:
    assert "Hello" in build([user(pdf())], dialect="openai", options={"vision": False}).messages[0]["content"]


@pytest.mark.parametrize("data", [SCAN, "AAAA", "%%%"], ids=["scan", "no pdf", "no base64"])
def test_a_pdf_without_text_is_refused_by_its_place(data: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^messages\.0\.content\.1\.document: no text can be taken"):
        build([user("read", pdf(data))])


def test_a_pdf_inside_a_result_is_refused_by_its_place() -> None:
    with pytest.raises(InvalidRequest, match=r"^messages\.2\.content\.0\.tool_result\.content\.0\.document: "):
        build([user("a"), assistant(call()), user(result(content=[pdf(SCAN)]))])


def test_a_pdf_by_url_is_passed_on_or_refused_but_never_fetched() -> None:
    url = document({"type": "url", "url": "https://example.com/a.pdf"})
    sent = build([user(url)], dialect="openrouter").messages[0]["content"][0]
    assert sent["file"]["file_data"] == "https://example.com/a.pdf"
    with pytest.raises(
        InvalidRequest, match=r"messages\.0\.content\.0\.document: this model takes no documents by URL"
    ):
        build([user(url)])


def test_cache_markers_are_not_passed_on() -> None:
    marked = {**text("a"), "cache_control": {"type": "ephemeral"}}
    built = build([user(marked, image())], system=[marked])
    assert built.messages[0]["content"] == "a"
    assert built.messages[1]["content"][0] == {"type": "text", "text": "a"}


def test_of_a_cache_marker_only_what_it_may_hold_is_passed_on() -> None:
    odd = {**text("a"), "cache_control": {"type": "ephemeral", "ttl": {"deep": []}, "url": "x"}}
    row = DIALECTS["openrouter"].with_capabilities({"cache_control": True})
    assert build([user(odd)], dialect=row).messages[0]["content"][0]["cache_control"] == {"type": "ephemeral"}


def test_cache_markers_are_passed_on_where_the_record_says_so() -> None:
    marker = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    built = build(
        [user({**text("a"), **marker}), assistant(call()), user({**result(), **marker}), system("S")],
        dialect=DIALECTS["openrouter"].with_capabilities({"cache_control": True}),
        system=[text("X"), {**text("Y"), **marker}],
    )
    assert [message["content"] for message in built.messages] == [
        [text("X"), {**text("Y"), **marker}],
        [{**text("a"), **marker}],
        "",
        [{**text("done"), **marker}],
        [text("<system-reminder>\nS\n</system-reminder>")],
    ]
