"""Tool names and ids on both sides."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.protocol.names import decode_id, encode_id, wire_id, wire_name

ANY = st.text(min_size=1, max_size=120)
CLIENT = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@pytest.mark.parametrize("name", ["Read", "mcp__server__tool", "a-b_C9", "x" * 64])
def test_a_good_name_stays(name: str) -> None:
    assert wire_name(name) == name


def test_a_long_name_keeps_a_readable_part() -> None:
    assert wire_name("mcp__github__" + "x" * 80).startswith("mcp__github__xxxx")


@given(ANY)
def test_every_name_becomes_acceptable_and_stays_the_same(name: str) -> None:
    assert CLIENT.fullmatch(wire_name(name))
    assert wire_name(name) == wire_name(name)


def test_names_that_differ_behind_the_cut_stay_apart() -> None:
    assert wire_name("a" * 80 + "1") != wire_name("a" * 80 + "2")


@given(ANY)
def test_every_provider_id_becomes_acceptable_to_clients(provider_id: str) -> None:
    assert CLIENT.fullmatch(encode_id(provider_id))


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=41).filter(lambda text: len(text.encode()) <= 41))
def test_the_provider_gets_its_own_short_id_back(provider_id: str) -> None:
    assert decode_id(encode_id(provider_id)) == provider_id


@pytest.mark.parametrize("provider_id", ["functions.Read:0", "call:1", "toolu_gw_", "ключ"])
def test_odd_ids_travel_both_ways(provider_id: str) -> None:
    assert encode_id(provider_id) != provider_id
    assert decode_id(encode_id(provider_id)) == provider_id


@given(ANY)
def test_an_id_that_is_not_ours_passes_through(client_id: str) -> None:
    if not client_id.startswith("toolu_gw_"):
        assert decode_id(client_id) == client_id


@pytest.mark.parametrize(
    "client_id", ["toolu_gw_", "toolu_gw_!!", "toolu_gw_gg", "toolu_gw_UmVhZA", "toolu_gw_UmVhZA=="]
)
def test_a_forged_or_broken_form_passes_through(client_id: str) -> None:
    assert decode_id(client_id) == client_id


@given(ANY)
def test_mistral_gets_nine_alphanumerics(client_id: str) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9]{9}", wire_id(client_id, "alnum9"))


def test_mistrals_own_ids_come_back_unchanged() -> None:
    assert wire_id("VvvODy9mT", "alnum9") == "VvvODy9mT"


@given(ANY)
def test_openai_gets_at_most_forty_characters(client_id: str) -> None:
    assert len(wire_id(client_id, "max40")) <= 40


def test_different_long_ids_stay_apart() -> None:
    assert wire_id("c" * 50 + "1", "max40") != wire_id("c" * 50 + "2", "max40")


def test_kimi_gets_its_own_form_back() -> None:
    assert wire_id(encode_id("functions.Read:0"), "any") == "functions.Read:0"
