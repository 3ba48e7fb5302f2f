"""Image sizes from base64 heads."""

from __future__ import annotations

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.protocol.media import image_size

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", 800, 600) + b"\x08\x06" + b"\x00" * 40
GIF = b"GIF89a" + struct.pack("<HH", 320, 200) + b"\x00" * 40
WEBP_X = b"RIFF\x00\x00\x00\x00WEBPVP8X" + b"\x00" * 8 + (799).to_bytes(3, "little") + (599).to_bytes(3, "little")
WEBP_LOSSY = b"RIFF\x00\x00\x00\x00WEBPVP8 " + b"\x00" * 4 + b"\x00\x00\x00\x9d\x01\x2a" + struct.pack("<HH", 800, 600)
WEBP_LOSSLESS = b"RIFF\x00\x00\x00\x00WEBPVP8L" + b"\x00" * 4 + b"\x2f" + (799 | 599 << 14).to_bytes(4, "little")
JPEG = (
    b"\xff\xd8\xff\xe0" + struct.pack(">H", 16) + b"JFIF" + b"\x00" * 10
    + b"\xff\xe1" + struct.pack(">H", 5000) + b"E" * 4998
    + b"\xff\xc2" + struct.pack(">HBHH", 17, 8, 600, 800) + b"\x00" * 40
)  # fmt: skip


@pytest.mark.parametrize(
    ("image", "size"),
    [
        (PNG, (800, 600)), (GIF, (320, 200)), (WEBP_X, (800, 600)), (WEBP_LOSSY + b"\x00" * 9, (800, 600)),
        (WEBP_LOSSLESS + b"\x00" * 9, (800, 600)), (JPEG, (800, 600)),
        (b"", None), (b"BM" + b"\x00" * 60, None), (PNG[:20], None), (b"\xff\xd8\xff", None), (JPEG[:100], None),
    ],
    ids=["png", "gif", "webp-x", "webp-lossy", "webp-lossless", "jpeg", "none", "bmp", "cut-png", "cut-jpeg", "bare"],
)  # fmt: skip
def test_the_size_is_read(image: bytes, size: tuple[int, int] | None) -> None:
    assert image_size(base64.b64encode(image).decode()) == size


@given(st.text(max_size=200) | st.binary(max_size=300).map(lambda data: base64.b64encode(b"\xff\xd8" + data).decode()))
def test_no_text_breaks_it(text: str) -> None:
    size = image_size(text)
    assert size is None or all(isinstance(side, int) for side in size)
