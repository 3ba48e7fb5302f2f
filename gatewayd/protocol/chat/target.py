"""What a Chat Completions body is built for: passed to every builder, so that none takes six arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gatewayd.protocol.chat.dialect import Dialect
from gatewayd.protocol.notes import Notes

Unseal = Callable[[str], dict[str, Any] | None]
ReadPdf = Callable[[bytes], str]


def unseal_nothing(_signature: str) -> None:
    """The `unseal` of a caller without a key: every signature is foreign."""
    return


def read_no_pdf(_data: bytes) -> str:
    """The `read_pdf` of a caller that has no reader."""
    raise ValueError("documents of this kind are not read here")


@dataclass(frozen=True, slots=True)
class Target:
    """dialect: the provider's habits; vision: the model sees images; unseal: a thinking block's signature (or redacted
    data) -> the provider data packed in it, None for a foreign or broken one; read_pdf: a PDF's text, or ValueError."""

    dialect: Dialect
    notes: Notes
    vision: bool = True
    unseal: Unseal = unseal_nothing
    read_pdf: ReadPdf = read_no_pdf

    @property
    def sees(self) -> bool:
        """Images may be sent."""
        return self.vision and self.dialect.images and self.dialect.list_content
