"""The text of a PDF, for models that take no files. Deterministic and bounded: in pages, in the size of a page's
drawing instructions, in operations and in characters, which together bound the time that a hostile file can take.

pypdf is imported with the first PDF: most processes never see one, and it would cost each of them memory.
"""

from __future__ import annotations

import io
from typing import Any

MAX_PAGES = 100
MAX_PAGE_BYTES = 2_000_000
MAX_OPERATIONS = 400_000
MAX_CHARACTERS = 1_000_000


class NoText(Exception):
    """The PDF is broken, encrypted, or holds no text; the message says which."""


class _Enough(Exception):
    """The allowance of operations is spent."""


def pdf_text(data: bytes) -> str:
    """The text of the pages, each behind a line `[Page N]`; a last line says what was left out. Raises NoText."""
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise NoText("it is encrypted")
        pages = len(reader.pages)
        text = _read_pages(reader, min(pages, MAX_PAGES))
    except NoText:
        raise
    except (
        PyPdfError,
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
        OSError,
    ) as error:
        raise NoText(f"it is broken ({type(error).__name__})") from None
    if not text:
        raise NoText("it holds no text; it may be a scan")
    if pages > MAX_PAGES:
        text.append(f"[{pages - MAX_PAGES} more pages are left out]")
    return "\n".join(text)


def _read_pages(reader: Any, count: int) -> list[str]:
    allowance = [MAX_OPERATIONS]

    def spend(*_operation: Any) -> None:
        allowance[0] -= 1
        if allowance[0] < 0:
            raise _Enough

    found: list[str] = []
    characters = 0
    for number in range(count):
        try:
            page = reader.pages[number]
            contents = page.get_contents()
            if contents is None or len(contents.get_data()) > MAX_PAGE_BYTES:
                continue
            text = page.extract_text(visitor_operand_before=spend).strip()
        except _Enough:
            break
        if text:
            characters += len(text)
            if characters > MAX_CHARACTERS:
                break
            found.append(f"[Page {number + 1}]\n{text}")
    return found
