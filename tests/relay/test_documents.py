"""The text of PDFs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gatewayd.relay import documents
from gatewayd.relay.documents import NoText, pdf_text
from tests.protocol.pdfs import assemble, make_pdf


def test_each_page_is_named() -> None:
    assert pdf_text(make_pdf(["Hello", "World"])) == "[Page 1]\nHello\n[Page 2]\nWorld"


def test_the_same_file_gives_the_same_text() -> None:
    assert pdf_text(make_pdf(["again"])) == pdf_text(make_pdf(["again"]))


def test_two_files_are_not_mistaken_for_each_other() -> None:
    assert [pdf_text(make_pdf([text])) for text in ("one", "two", "one")] == [
        "[Page 1]\none",
        "[Page 1]\ntwo",
        "[Page 1]\none",
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no pdf",
        b"%PDF-1.4\n",
        b"%PDF-1.7\n" + b"\x00\xff" * 500,
        make_pdf(["x"])[:200],
        assemble([b"[" * 50_000]),
    ],
    ids=["empty", "text", "head only", "noise", "cut", "nested"],
)
def test_a_broken_file_has_no_text(data: bytes) -> None:
    with pytest.raises(NoText):
        pdf_text(data)


def test_a_scan_has_no_text() -> None:
    with pytest.raises(NoText, match="may be a scan"):
        pdf_text(make_pdf(["", ""]))


def test_pages_beyond_the_limit_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_PAGES", 2)
    assert pdf_text(make_pdf(["a1", "b1", "c1", "d1"])).endswith("[Page 2]\nb1\n[2 more pages are left out]")


@pytest.mark.parametrize(("limit", "value"), [("MAX_OPERATIONS", 6), ("MAX_CONTENT_BYTES", 60), ("MAX_CHARACTERS", 5)])
def test_a_spent_allowance_ends_the_reading_between_pages(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(documents, limit, value)
    assert pdf_text(make_pdf([f"a{limit[4]}", "b", "c"] * 2)).endswith("more pages are left out]")


def test_a_page_of_endless_operations_is_given_up() -> None:
    endless = b"BT /F1 12 Tf 72 720 Td " + b"(a) Tj " * (documents.MAX_OPERATIONS + 10) + b" ET"
    with pytest.raises(NoText):
        pdf_text(assemble([endless]))


def test_oddities_of_a_file_do_not_reach_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(NoText):
        pdf_text(assemble([b"<<" * 200]))
    assert not caplog.records


def test_pypdf_is_not_loaded_before_the_first_pdf() -> None:
    program = "import sys, gatewayd.protocol.chat.request; sys.exit('pypdf' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
