"""A provider that nobody has described: what it refuses is changed, remembered, and not tried again."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from gatewayd.protocol.chat.refusals import Change
from gatewayd.relay import Timing
from gatewayd.relay.learned import Learned
from gatewayd.store import Store
from gatewayd.store.journal import Journal
from gatewayd.store.learned import LearnedRow, forget_learned, list_learned, save_learned
from gatewayd.store.tables import learned as learned_table
from tests.relay.conftest import active, serve
from tests.relay.provider import Exchange, Script, completion

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
REQUEST: dict[str, Any] = {
    "max_tokens": 64000, "temperature": 0.5, "top_p": 0.9, "stop_sequences": ["a", "b"], "stream": True,
    "tools": [{"name": "f", "input_schema": {"type": "object"}}],
    "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
    "messages": [{"role": "user", "content": [
        {"type": "text", "text": "look"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
    ]}],
}  # fmt: skip


def _lists(body: dict[str, Any]) -> bool:
    return any(isinstance(message["content"], list) for message in body["messages"])


def _limit(body: dict[str, Any]) -> int:
    return body.get("max_tokens", body.get("max_completion_tokens"))


# habit -> is it in the body, and how the provider says no
HABITS: dict[str, tuple[Callable[[dict[str, Any]], bool], str]] = {
    "max_tokens_field": (
        lambda body: "max_tokens" in body,
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    ),
    "max_output_tokens": (lambda body: _limit(body) > 8192, "max_tokens must be less than or equal to 8192"),
    "temperature": (lambda body: "temperature" in body, "Unsupported value: 'temperature' does not support 0.5."),
    "top_p": (lambda body: "top_p" in body, "Unsupported parameter: 'top_p' is not supported with this model."),
    "max_stop": (lambda body: "stop" in body, "Unsupported parameter: 'stop' is not supported with this model."),
    "stream_options": (lambda body: "stream_options" in body, "stream_options: Extra inputs are not permitted"),
    "parallel_tool_calls": (lambda body: "parallel_tool_calls" in body, "Unknown parameter: 'parallel_tool_calls'."),
    "tool_choice_required": (
        lambda body: body.get("tool_choice") == "required",
        "tool_choice 'required' is not supported for this model",
    ),
    "list_content": (_lists, "messages[0].content: invalid type: sequence, expected a string"),
}


def refusing(*habits: str) -> Script:
    async def script(exchange: Exchange) -> None:
        for habit in habits:
            sent, words = HABITS[habit]
            if sent(exchange.body):
                await exchange.json({"error": {"message": words}}, status=400)
                return
        if not exchange.body["stream"]:
            await exchange.json(completion())
            return
        await exchange.start_stream()
        await exchange.text("Hi")
        await exchange.finish()
        await exchange.end()

    return script


@pytest.mark.parametrize(
    ("count", "stream"), [(1, True), (2, True), (3, True), (1, False), (2, False)], ids=lambda value: str(value)
)
async def test_any_combination_is_learned_on_the_first_turn(count: int, stream: bool) -> None:
    for habits in itertools.combinations(HABITS, count):
        # with its own clock: headers sent after a quick commit would know nothing of what is learned later
        async with serve(refusing(*habits), timing=Timing()) as served:
            request = REQUEST | {"stream": stream}
            refused = [habit for habit in habits if stream or habit != "stream_options"]
            first = await served.post(**request)
            assert first.status_code == 200, (habits, first.text)
            calls = len(served.provider.exchanges)
            assert 1 < calls <= len(refused) + 1 or not refused, habits
            assert "learned." in first.headers.get("x-gatewayd-notes", "") or not refused
            second = await served.post(**request)
            assert second.status_code == 200
            assert len(served.provider.exchanges) == calls + 1, habits
            assert [record.attempts for record in served.records] == [calls, 1]


async def test_a_fourth_change_is_not_made() -> None:
    habits = ["temperature", "top_p", "max_stop", "parallel_tool_calls"]
    async with serve(refusing(*habits)) as served:
        response = await served.post(**REQUEST)
        assert response.status_code == 400
        assert HABITS["parallel_tool_calls"][1] in response.json()["error"]["message"]
        assert len(served.provider.exchanges) == 4
        assert len(served.records) == 1


async def test_a_change_that_does_not_help_is_neither_repeated_nor_remembered() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.json({"error": {"message": HABITS["temperature"][1]}}, status=400)

    async with serve(script) as served:
        for _ in range(2):
            assert (await served.post(**REQUEST)).status_code == 400
        assert len(served.provider.exchanges) == 4
        assert "temperature" in served.provider.exchanges[2].body


async def test_what_a_record_says_itself_wins() -> None:
    async with serve(refusing("temperature"), capabilities={"temperature": True}) as served:
        gateway = served.snapshot.gateways["g"]
        served.app.ctx.relay.means.learned.remember(gateway, "m", [Change("temperature", False)])
        await served.post(**REQUEST)
        assert "temperature" in served.provider.exchanges[0].body


async def test_a_changed_base_url_begins_anew() -> None:
    learned = Learned()
    gateway = active(base_url="http://a/v1")
    learned.remember(gateway, "m", [Change("temperature", False)])
    assert learned.dialect(gateway, "m")[0].temperature is False
    assert learned.dialect(active(base_url="http://b/v1"), "m")[0].temperature is True
    assert learned.dialect(gateway, "other")[0].temperature is True


async def test_what_was_learned_survives_and_is_shared(store: Store) -> None:
    gateway, journal = active(base_url="http://a/v1"), Journal(store)
    one, two = Learned(journal), Learned(journal)
    one.remember(gateway, "m", [Change("max_tokens_field", "max_completion_tokens"), Change("max_output_tokens", 8192)])
    two.remember(gateway, "m", [Change("schema_drop", ["$schema", "format"])])
    await journal.flush()
    three = Learned()
    for learned in (one, two, three):
        await learned.load(store)
        dialect, habits = learned.dialect(gateway, "m")
        assert (dialect.max_tokens_field, dialect.max_output_tokens) == ("max_completion_tokens", 8192)
        assert dialect.schema_drop == ("$schema", "format")
        assert set(habits) == {"max_tokens_field", "max_output_tokens", "schema_drop"}


async def test_habits_of_another_version_are_left_out(store: Store) -> None:
    gateway, journal = active(base_url="http://a/v1"), Journal(store)
    Learned(journal).remember(gateway, "m", [Change("of_the_future", 1), Change("temperature", False)])
    await journal.flush()
    learned = Learned()
    await learned.load(store)
    assert learned.dialect(gateway, "m")[1] == ["temperature"]


async def test_what_a_record_says_itself_makes_the_other_forgotten(store: Store) -> None:
    journal = Journal(store)
    learned = Learned(journal)
    plain, explicit = active(base_url="http://a/v1"), active(base_url="http://a/v1", capabilities={"temperature": True})
    learned.remember(plain, "m", [Change("temperature", False), Change("max_stop", 0)])
    await journal.flush()
    dialect, habits = learned.dialect(explicit, "m")
    assert (dialect.temperature, habits) == (True, ["max_stop"])
    assert learned.dialect(plain, "m")[0].temperature is True
    await journal.flush()
    other = Learned()
    await other.load(store)
    assert other.dialect(plain, "m")[1] == ["max_stop"]


async def test_what_is_not_yet_written_stands_when_the_database_is_read(store: Store) -> None:
    gateway, journal = active(base_url="http://a/v1"), Journal(store)
    learned = Learned(journal)
    learned.remember(gateway, "m", [Change("temperature", False)])
    await journal.flush()
    learned.remember(gateway, "m", [Change("max_stop", 0)])
    learned.remember(gateway, "n", [Change("top_p", False)])
    await learned.load(store)
    assert learned.dialect(gateway, "m")[1] == ["temperature", "max_stop"]
    assert learned.dialect(gateway, "n")[1] == ["top_p"]


async def test_what_is_gone_from_the_database_is_forgotten(store: Store) -> None:
    gateway, journal = active(base_url="http://a/v1"), Journal(store)
    one, two = Learned(journal), Learned()
    one.remember(gateway, "m", [Change("temperature", False)])
    await journal.flush()
    await one.load(store)
    await two.load(store)
    async with store.write() as session:
        await forget_learned(session, "g", f"http://a/v1 {gateway.dialect.name}", "m", ["temperature"])
    for learned in (one, two):
        await learned.load(store)
        assert learned.dialect(gateway, "m")[1] == []


async def test_a_row_that_is_no_object_holds_nothing(store: Store) -> None:
    gateway, journal = active(base_url="http://a/v1"), Journal(store)
    Learned(journal).remember(gateway, "m", [Change("temperature", False)])
    await journal.flush()
    for text in ("{", "[1]", "null"):
        async with store.write() as session:
            await session.execute(learned_table.update().values(habits=text))
        learned = Learned()
        await learned.load(store)
        assert learned.dialect(gateway, "m")[1] == []


async def test_a_gateway_keeps_a_bounded_number_of_models(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatewayd.store.learned.MAX_ROWS", 3)
    async with store.write() as session:
        for number in range(6):
            await save_learned(session, LearnedRow("g", "u", f"m{number}", {"temperature": False}, number))
        await save_learned(session, LearnedRow("other", "u", "m", {"temperature": False}, 0))
        rows = await list_learned(session, 100)
    assert [row.upstream_model for row in rows] == ["m", "m3", "m4", "m5"]


async def test_another_worker_picks_up_what_one_learned(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatewayd.relay.learned._POLL_SECONDS", 0.02)
    gateway, journal = active(base_url="http://a/v1"), Journal(store)
    one, two = Learned(journal), Learned()
    following = asyncio.ensure_future(two.follow(store))
    try:
        one.remember(gateway, "m", [Change("temperature", False)])
        await journal.flush()
        async with asyncio.timeout(5):
            while not two.dialect(gateway, "m")[1]:
                await asyncio.sleep(0.01)
    finally:
        following.cancel()


async def test_what_is_logged_of_a_refusal_is_without_the_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")

    async def script(exchange: Exchange) -> None:
        if "temperature" in exchange.body:
            said = f"Unsupported parameter: 'temperature' (key {exchange.header('authorization')})"
            await exchange.json({"error": {"message": said}}, status=400)
        else:
            await exchange.json(completion())

    async with serve(script) as served:
        assert (await served.post(**REQUEST)).status_code == 200
    learned = next(record for record in caplog.records if record.message == "learned")
    assert "Unsupported parameter" in learned.reason
    assert "sk-provider" not in str(vars(learned))
