"""The text of a PDF, for models that take no files. Deterministic and bounded: in pages, in bytes of drawing
instructions, in operations and in characters, which together bound the time that a hostile file can take (a few
seconds of one core); an ordinary page takes about ten milliseconds.

pypdf is imported with the first PDF: most processes never see one, and it would cost each of them memory. Texts of the
last few files are kept, because a conversation brings its documents again with every turn.
"""

from __future__ import annotations

import hashlib
import io
import logging
from functools import lru_cache
from typing import Any

MAX_PAGES = 100
MAX_CONTENT_BYTES = 3_000_000
MAX_OPERATIONS = 200_000
MAX_CHARACTERS = 1_000_000
KEPT_TEXTS = 8


# What pypdf lets through from files that its own checks did not foresee.
_BROKEN = (ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)


class NoText(ValueError):
    """The PDF is broken, encrypted, or holds no text; the message says which."""


class _Enough(Exception):
    """An allowance is spent."""


def pdf_text(data: bytes) -> str:
    """The text of the pages, each behind a line `[Page N]`; a last line says what was left out. Raises NoText."""
    pdf = _Pdf(data)
    try:
        return _text_of(pdf)
    finally:
        pdf.data = b""  # the key outlives the call


class _Pdf:
    """A key by content that does not keep the content."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._digest = hashlib.sha256(data).digest()

    def __hash__(self) -> int:
        return hash(self._digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Pdf) and other._digest == self._digest


@lru_cache(maxsize=KEPT_TEXTS)
def _text_of(pdf: _Pdf) -> str:
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    # It logs every oddity of a file: a hostile one could fill the log.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL + 1)
    try:
        reader = PdfReader(io.BytesIO(pdf.data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise NoText("it is encrypted")
        return _read_pages(reader)
    except NoText:
        raise
    except (PyPdfError, *_BROKEN) as error:
        raise NoText(f"it is broken ({type(error).__name__})") from None


def _read_pages(reader: Any) -> str:
    total = len(reader.pages)
    allowance = _Allowance()
    found: list[str] = []
    left = total
    for number in range(1, min(total, MAX_PAGES) + 1):
        try:
            text = allowance.read(reader.pages[number - 1])
        except _Enough:
            break
        if text:
            found.append(f"[Page {number}]\n{text}")
        left = total - number
    if not found:
        raise NoText("it holds no text; it may be a scan")
    if left:
        found.append(f"[{left} more pages are left out]")
    return "\n".join(found)


class _Allowance:
    """What one file may still cost."""

    def __init__(self) -> None:
        self._bytes = MAX_CONTENT_BYTES
        self._operations = MAX_OPERATIONS
        self._characters = MAX_CHARACTERS

    def read(self, page: Any) -> str:
        """The text of a page. Raises _Enough when it costs more than is left."""
        contents = page.get_contents()
        if contents is None:
            return ""
        self._bytes -= len(contents.get_data())
        if self._bytes < 0:
            raise _Enough
        text: str = page.extract_text(visitor_operand_before=self._spend_operation).strip()
        self._characters -= len(text)
        if self._characters < 0:
            raise _Enough
        return text

    def _spend_operation(self, *_operation: Any) -> None:
        self._operations -= 1
        if self._operations < 0:
            raise _Enough
