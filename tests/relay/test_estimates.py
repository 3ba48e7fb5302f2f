"""Estimates that learn: from what a provider reports, for the next request, for other processes and after a restart."""

from __future__ import annotations

import statistics

import pytest

from gatewayd.errors import StoreUnavailable
from gatewayd.protocol.tokens import Features
from gatewayd.relay.estimates import MAX_MODELS, Estimates
from gatewayd.store import Store
from tests.relay.conftest import body, events, serve
from tests.relay.provider import Exchange, completion

FEATURES = Features(*[100.0] * len(Features._fields))
PLAIN = 100 * len(FEATURES)


def text(n: int) -> list[dict]:
    return [{"role": "user", "content": f"Please look at file number {n}. " * (20 + 37 * n % 50)}]


async def test_count_tokens_and_message_start_learn_what_the_provider_reports() -> None:
    def counted(exchange: Exchange) -> int:
        return 50 + len(exchange.body["messages"][0]["content"]) // 2

    async def script(exchange: Exchange) -> None:
        if not exchange.body["stream"]:
            await exchange.json(completion() | {"usage": {"prompt_tokens": counted(exchange), "completion_tokens": 1}})
            return
        await exchange.start_stream()
        await exchange.text("a")
        await exchange.finish()
        await exchange.end()

    async with serve(script) as served:
        for n in range(20):
            await served.post(messages=text(n))
        errors = []
        for n in range(20, 29):
            counting = await served.client.post(f"{served.url}/v1/messages/count_tokens", json=body(messages=text(n)))
            streamed = events((await served.post(stream=True, messages=text(n))).text)
            true = 50 + len(text(n)[0]["content"]) // 2
            errors.append(abs(counting.json()["input_tokens"] - true) / true)
            assert streamed[0][1]["message"]["usage"]["input_tokens"] == counting.json()["input_tokens"]
        assert statistics.median(errors) < 0.03
        assert max(errors) < 0.08


async def test_cached_tokens_count_and_an_answer_without_usage_teaches_nothing() -> None:
    usage: dict | None = {"prompt_tokens": 300, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 250}}

    async def script(exchange: Exchange) -> None:
        await exchange.json(completion() | {"usage": usage})

    async with serve(script) as served:
        for _ in range(3):
            await served.post(messages=text(3))
        taught = await served.client.post(f"{served.url}/v1/messages/count_tokens", json=body(messages=text(3)))
        assert taught.json()["input_tokens"] == pytest.approx(300, rel=0.05)
        usage = None
        for _ in range(3):
            await served.post(messages=text(3))
        after = await served.client.post(f"{served.url}/v1/messages/count_tokens", json=body(messages=text(3)))
        assert after.json() == taught.json()


async def test_what_one_process_learns_another_one_knows_and_a_restart_keeps(store: Store) -> None:
    one, two, later = Estimates(), Estimates(), Estimates()
    for _ in range(10):
        one.observe("g", "m", FEATURES, 2 * PLAIN)
        two.observe("g", "other", FEATURES, PLAIN // 2)
    two.observe("g", "m", FEATURES, 2 * PLAIN)
    for estimates in (one, two, one, later):
        await estimates.share(store)
    for estimates in (one, two, later):
        assert estimates.estimate("g", "m", FEATURES) == pytest.approx(2 * PLAIN, rel=0.02)
        assert estimates.estimate("g", "other", FEATURES) == pytest.approx(PLAIN / 2, rel=0.05)
        assert estimates.estimate("h", "m", FEATURES) == PLAIN
        assert estimates._of(("g", "m")).seen == 11


async def test_with_the_database_away_nothing_is_lost(store: Store) -> None:
    estimates = Estimates()
    estimates.observe("g", "m", FEATURES, 2 * PLAIN)
    await store.disconnect()
    await estimates.share(store)
    await store.connect()
    await estimates.share(store)
    later = Estimates()
    await later.load(store)
    assert later._of(("g", "m")).seen == 1
    await store.disconnect()
    with pytest.raises(StoreUnavailable):
        await later.load(store)
    await store.connect()


def test_the_number_of_models_is_bounded() -> None:
    estimates = Estimates()
    for n in range(MAX_MODELS + 10):
        estimates.observe("g", f"m{n}", FEATURES, 2 * PLAIN)
    assert len(estimates._models) == MAX_MODELS
    assert estimates.estimate("g", "m0", FEATURES) == PLAIN
