"""What is kept of a provider's answer to be stored: whole where that is wanted, bounded everywhere."""

from __future__ import annotations

from typing import Any

import pytest

from gatewayd.gateways import Gateway
from gatewayd.relay.tape import Tape
from tests.relay.conftest import Served
from tests.relay.provider import Exchange


def policy(served: Served, bodies: str) -> None:
    gateway = served.snapshot.gateways["g"].gateway
    served.swap(gateway=Gateway.model_validate(gateway.spec() | {"logging": {"bodies": bodies}}))


async def broken_off(exchange: Exchange) -> None:
    await exchange.start_stream()
    await exchange.text("Hel")
    await exchange.text("lo")
    exchange.writer.transport.abort()


async def whole(exchange: Exchange) -> None:
    await exchange.start_stream()
    for word in ("one ", "two ", "three"):
        await exchange.text(word)
    await exchange.finish()
    await exchange.end()


async def refusing(exchange: Exchange) -> None:
    await exchange.json({"error": {"message": "no such thing"}}, status=400)


async def told(serving: Any, script: Any, bodies: str) -> Any:
    async with serving(script) as served:
        policy(served, bodies)
        await served.post(stream=True)
        stored = (await served.record()).bodies
    return stored and stored.told and stored.told()


async def test_what_the_provider_said_is_stored_with_the_request(serving) -> None:
    found = await told(serving, whole, "all")
    assert found["stream"]["choices"][0]["delta"]["content"] == "one two three"
    assert found["done"]


async def test_of_a_failure_it_is_stored_as_far_as_it_came(serving) -> None:
    found = await told(serving, broken_off, "errors")
    assert (found["stream"]["choices"][0]["delta"]["content"], found["done"]) == ("Hello", False)


async def test_a_refusal_is_stored_in_the_providers_words(serving) -> None:
    assert await told(serving, refusing, "errors") == {"completion": {"error": {"message": "no such thing"}}}


async def test_notes_are_stored_with_their_texts(serving) -> None:
    async with serving(refusing) as served:
        policy(served, "errors")
        await served.post(unheard_of=1)
        bodies = (await served.record()).bodies
    assert bodies is not None
    assert ("fields.dropped", "unheard_of") in bodies.notes


@pytest.mark.parametrize("length", [1, 7, 1000])
def test_a_long_answer_keeps_its_beginning_and_end_in_bounded_memory(length: int) -> None:
    tape = Tape(100, 200)
    data = bytes(range(256)) * 40
    pieces = [data[start : start + length] for start in range(0, len(data), length)]
    for piece in pieces:
        tape.add(piece)
        assert tape.size <= 300 + 2 * length
    kept = b"".join(tape.pieces)
    assert len(kept) == tape.size
    assert len(kept) + tape.omitted == len(data)
    beginning = -(-100 // length) * length
    assert kept == data[:beginning] + data[beginning + tape.omitted :]


def test_another_answer_begins_anew() -> None:
    tape = Tape(2, 2)
    for piece in (b"ab", b"cd", b"ef"):
        tape.add(piece)
    assert tape.omitted == 2
    tape.rewind()
    tape.add(b"xy")
    assert (tape.pieces, tape.omitted, tape.size) == ([b"xy"], 0, 2)
