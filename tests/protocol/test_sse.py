"""The SSE decoder: the same events however the bytes are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.errors import UpstreamFailed
from gatewayd.protocol.sse import MAX_EVENT_BYTES, Decoder, Event, encode

CASES = [
    ("a plain event", b'data: {"a":1}\n\n', [Event(b"", b'{"a":1}')]),
    ("no blank after the colon", b"data:x\n\n", [Event(b"", b"x")]),
    ("only one blank is eaten", b"data:  x\n\n", [Event(b"", b" x")]),
    ("CRLF", b"event: e\r\ndata: x\r\n\r\n", [Event(b"e", b"x")]),
    ("CR alone", b"data: x\r\rdata: y\r\r", [Event(b"", b"x"), Event(b"", b"y")]),
    ("comments and unknown fields", b": hi\nid: 7\nretry: 1\nfoo: x\ndata: x\n\n", [Event(b"", b"x")]),
    ("several data lines", b"data: a\ndata: b\n\n", [Event(b"", b"a\nb")]),
    ("a name without data is no event", b"event: e\n\ndata: x\n\n", [Event(b"", b"x")]),
    ("the last event lacks its blank line", b"data: x\n\ndata: y", [Event(b"", b"x"), Event(b"", b"y")]),
    ("a BOM and blank lines first", b"\xef\xbb\xbf\n\n\ndata: x\n\n", [Event(b"", b"x")]),
    (
        "line separators of Unicode end no line",
        "data: a\u2028b\u0085c\x0bd\n\n".encode(),
        [Event(b"", "a\u2028b\u0085c\x0bd".encode())],
    ),
    ("an error line", b'error: {"detail":"x"}\n\n', [Event(b"error", b'{"detail":"x"}')]),
]


@pytest.mark.parametrize(("body", "events"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_events_whole_and_byte_by_byte(body: bytes, events: list[Event]) -> None:
    whole = Decoder()
    assert whole.feed(body) + whole.finish() == events
    by_byte = Decoder()
    out = []
    for at in range(len(body)):
        out += by_byte.feed(body[at : at + 1]) + by_byte.feed(b"")
    assert out + by_byte.finish() == events


_lines = st.lists(st.sampled_from([b"data: a", b"data:b", b": c", b"event: x", b"", b"data: \xe2\x80\xa8", b"id: 1"]))


@given(lines=_lines, end=st.sampled_from([b"\n", b"\r\n", b"\r"]), cuts=st.lists(st.integers(0, 200)))
def test_any_cut_gives_the_same_events(lines: list[bytes], end: bytes, cuts: list[int]) -> None:
    body = end.join(lines)
    whole = Decoder()
    expected = whole.feed(body) + whole.finish()
    decoder, out, last = Decoder(), [], 0
    for at in [*sorted({cut % (len(body) + 1) for cut in cuts}), len(body)]:
        out += decoder.feed(body[last:at])
        last = at
    assert out + decoder.finish() == expected


def test_an_event_comes_out_with_its_blank_line() -> None:
    decoder = Decoder()
    assert decoder.feed(b"data: x\n") == []
    assert decoder.feed(b"\n") == [Event(b"", b"x")]


@pytest.mark.parametrize("piece", [b"x" * 65536, b"data: " + b"x" * 65536 + b"\n"])
def test_a_giant_event_is_refused(piece: bytes) -> None:
    decoder = Decoder()
    for _ in range(MAX_EVENT_BYTES // len(piece)):
        decoder.feed(piece)
    with pytest.raises(UpstreamFailed, match="4 MiB"):
        decoder.feed(piece)


def test_an_event_of_three_megabytes_passes_in_small_pieces() -> None:
    body = b"data: " + b"x" * 3_000_000 + b"\n\n"
    decoder, out = Decoder(), []
    for at in range(0, len(body), 100):
        out += decoder.feed(body[at : at + 100])
    assert [len(event.data) for event in out] == [3_000_000]


def test_encoding_frames_one_event() -> None:
    assert encode("ping", {"type": "ping"}) == b'event: ping\ndata: {"type":"ping"}\n\n'
