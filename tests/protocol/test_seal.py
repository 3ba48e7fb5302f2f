"""Seals: what was sealed opens, with any of the keys; everything else opens to None and raises nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.protocol.seal import Cargo, Seal

SEAL = Seal([b"key"])
PAYLOAD = {"reasoning_details": [{"type": "reasoning.encrypted", "data": "gAAA=", "é": None}]}


def sealed_bytes(packed: bytes, key: bytes = b"key") -> str:
    """A seal whose tag is right, around anything."""
    tag = hmac.digest(hashlib.sha256(b"gatewayd seal\0" + key).digest(), packed, "sha256")[:16]
    return "gwd1." + base64.urlsafe_b64encode(tag + packed).decode()


def test_what_was_sealed_opens() -> None:
    text = SEAL.seal(PAYLOAD)
    assert SEAL.unseal(text) == PAYLOAD
    assert text.isascii()
    assert text.startswith("gwd1.")


def test_the_same_payload_gives_the_same_seal() -> None:
    assert SEAL.seal(PAYLOAD) == Seal([b"key"]).seal(PAYLOAD)


def test_rotation_seals_with_the_first_key_and_opens_with_all() -> None:
    old, new, both = Seal([b"old"]), Seal([b"new"]), Seal([b"new", b"old"])
    assert both.unseal(old.seal(PAYLOAD)) == PAYLOAD
    assert new.unseal(both.seal(PAYLOAD)) == PAYLOAD
    assert old.unseal(both.seal(PAYLOAD)) is None


@pytest.mark.parametrize("text", ["", "gwd1.", "gwd1.é", "gwd1.A", "gwd1.AAAA", "EqoBCkgIAhABGAIiQ", "gwd2.x"])
def test_what_is_foreign_opens_to_none(text: str) -> None:
    assert SEAL.unseal(text) is None


def test_another_key_opens_to_none() -> None:
    assert Seal([b"other"]).unseal(SEAL.seal(PAYLOAD)) is None


@given(at=st.integers(0, 10_000), change=st.integers(1, 255))
def test_any_changed_byte_opens_to_none(at: int, change: int) -> None:
    data = bytearray(base64.urlsafe_b64decode(SEAL.seal(PAYLOAD)[5:]))
    data[at % len(data)] ^= change
    assert SEAL.unseal("gwd1." + base64.urlsafe_b64encode(data).decode()) is None


@given(keep=st.integers(0, 10_000))
def test_any_shortened_seal_opens_to_none(keep: int) -> None:
    text = SEAL.seal(PAYLOAD)
    assert SEAL.unseal(text[: keep % len(text)]) is None


def test_a_bomb_ends_at_its_limit() -> None:
    bomb = zlib.compress(b'{"a":"' + b"x" * 20_000_000 + b'"}', 9)
    assert SEAL.unseal(sealed_bytes(bomb)) is None


@pytest.mark.parametrize("packed", [b"", b"no zlib", zlib.compress(b"no json"), zlib.compress(b"[1]")])
def test_a_good_tag_around_something_else_opens_to_none(packed: bytes) -> None:
    assert SEAL.unseal(sealed_bytes(packed)) is None
    assert SEAL.unseal(sealed_bytes(zlib.compress(b'{"a":1}'))) == {"a": 1}


def test_cargo_joins_what_waits_and_is_loaded_once() -> None:
    cargo = Cargo(SEAL)
    assert not cargo
    cargo.add({"reasoning_details": [1], "thought_signatures": {"a": "S"}, "other": 1})
    cargo.add({"reasoning_details": [2], "thought_signatures": {"b": "T"}, "other": 2})
    assert cargo
    assert SEAL.unseal(cargo.load()) == {
        "reasoning_details": [1, 2],
        "thought_signatures": {"a": "S", "b": "T"},
        "other": 2,
    }
    assert not cargo
    assert SEAL.unseal(cargo.load()) == {}


def test_cargo_changes_nothing_that_it_was_given() -> None:
    cargo, first = Cargo(SEAL), {"reasoning_details": [1]}
    cargo.add(first)
    cargo.add({"reasoning_details": [2]})
    assert first == {"reasoning_details": [1]}
