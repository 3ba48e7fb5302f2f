"""One exchange against a provider that misbehaves: true statuses, bounded times, nothing left open."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest

from gatewayd.relay import Timing
from tests.relay.conftest import QUICK, events
from tests.relay.provider import Exchange, chunk, completion


async def hang(_: Exchange) -> None:
    await asyncio.Event().wait()


async def text_then_hang(exchange: Exchange) -> None:
    await exchange.start_stream()
    await exchange.text("Hello")
    await hang(exchange)


async def test_a_stream_is_passed_on_as_it_comes(serving) -> None:
    more = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.start_stream()
        await exchange.text("Hel")
        await more.wait()
        await exchange.text("lo")
        await exchange.finish()
        await exchange.event({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}})
        await exchange.end()

    async with serving(script) as served, served.stream() as response:
        assert response.status_code == 200
        pieces = response.aiter_text()
        seen = ""
        while '"Hel"' not in seen:
            seen += await anext(pieces)
        more.set()
        seen += "".join([piece async for piece in pieces])
        assert [name for name, _ in events(seen)] == [
            "message_start", "content_block_start", "content_block_delta", "content_block_delta",
            "content_block_stop", "message_delta", "message_stop",
        ]  # fmt: skip
        record = await served.record()
        assert (record.outcome, record.status, record.stop_reason) == ("ok", 200, "end_turn")
        assert (record.input_tokens, record.output_tokens, record.stream) == (7, 2, True)


async def test_a_whole_answer_is_the_same_folded(serving) -> None:
    async def script(exchange: Exchange) -> None:
        assert exchange.body["stream"] is False or "stream" not in exchange.body
        await exchange.json(completion())

    async with serving(script) as served:
        message = (await served.post()).json()
        assert message["content"] == [{"type": "text", "text": "Hi"}]
        assert message["usage"]["input_tokens"] == 7
        assert len(served.records) == 1


@pytest.mark.parametrize("stream", [True, False])
async def test_a_failure_before_the_first_byte_has_its_true_status(serving, stream: bool) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.json({"error": {"message": "slow down"}}, status=429, headers="Retry-After: 7\r\n")

    async with serving(script) as served:
        response = await served.post(stream=stream)
        assert response.status_code == 429
        assert response.headers["retry-after"] == "7"
        assert response.json()["error"] == {"type": "rate_limit_error", "message": "slow down"}
        record = await served.record()
        assert (record.outcome, record.status, record.error_type) == ("error", 429, "rate_limit_error")


async def test_an_error_in_the_first_event_has_its_true_status(serving) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.start_stream()
        await exchange.event({"error": {"message": "overloaded", "code": 503}})

    async with serving(script) as served:
        assert (await served.post(stream=True)).status_code == 529


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 502 Bad\r\nContent-Length: 31\r\n\r\n<html><title>Bad</title></html>", "Bad"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n<html>secret</html>   ", ""),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n", "redirect"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "empty"),
        (b"HTTP/1.1 204 No\r\n\r\n", "empty"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", "encoded"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", ""),
        (b"SSH-2.0-OpenSSH\r\n\r\n", ""),
        (b"", ""),
    ],
    ids=["html-502", "html-200", "redirect", "empty", "204", "gzip", "short", "not-http", "closed"],
)
async def test_what_is_no_answer_is_a_502(serving, answer: bytes, says: str, stream: bool) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.write(answer)
        exchange.writer.close()

    async with serving(script) as served:
        response = await served.post(stream=stream)
        assert response.status_code == 502
        assert response.json()["error"]["type"] == "api_error"
        assert says in response.json()["error"]["message"]
        assert "<" not in response.json()["error"]["message"]
        assert response.headers.get("x-should-retry") == ("false" if says == "redirect" else None)
        assert len(served.records) == 1


async def test_a_provider_that_refuses_the_connection(serving) -> None:
    async with serving(hang) as served:
        served.provider._server.close()
        await served.provider._server.wait_closed()
        response = await served.post()
        assert response.status_code == 502
        assert "cannot be reached" in response.json()["error"]["message"]


async def test_a_host_without_address_is_not_worth_a_retry(serving) -> None:
    async with serving(hang, base_url="http://nowhere.invalid/v1") as served:
        response = await served.post()
        assert response.status_code == 502
        assert response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("ending", ["reset", "end", "cut json"])
async def test_a_stream_that_breaks_off_ends_with_an_error_event(serving, ending: str) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.start_stream()
        await exchange.text("Hello")
        if ending == "reset":
            exchange.writer.transport.abort()
        elif ending == "end":
            await exchange.write(b"0\r\n\r\n")
        else:
            await exchange.event(b'data: {"choices": [{"del')
            await exchange.write(b"0\r\n\r\n")

    async with serving(script) as served:
        names = [name for name, _ in events((await served.post(stream=True)).text)]
        assert names[-1] == "error"
        assert "message_stop" not in names
        record = await served.record()
        assert (record.outcome, record.status, record.error_type) == ("truncated", 200, "api_error")


async def test_silence_is_broken_by_pings_and_empty_deltas(serving) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.start_stream()
        await exchange.text("a")
        await asyncio.sleep(0.7)
        await exchange.text("b")
        await exchange.finish()
        await exchange.end()

    async with serving(script) as served:
        seen = events((await served.post(stream=True)).text)
        names = [name for name, _ in seen]
        assert names.count("ping") >= 2
        assert names[names.index("ping") + 1] == "content_block_delta"
        text = "".join(payload["delta"].get("text", "") for name, payload in seen if name == "content_block_delta")
        assert text == "ab"


async def test_a_long_silence_is_held_by_a_thinking_block(serving) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.start_stream()
        await exchange.event(chunk({"role": "assistant", "content": ""}))
        await asyncio.sleep(0.8)
        await exchange.text("done")
        await exchange.finish()
        await exchange.end()

    async with serving(script, timing=Timing(0.3, 0.1, 0.3, 0.2, 5, 0.05)) as served:
        seen = events((await served.post(stream=True, thinking={"type": "adaptive"})).text)
        started = [payload["content_block"]["type"] for name, payload in seen if name == "content_block_start"]
        assert started == ["thinking", "text"]


async def test_a_silent_provider_is_committed_to_and_a_later_failure_is_an_event(serving) -> None:
    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(0.6)
        await exchange.json({"error": {"message": "too late"}}, status=500)

    async with serving(script) as served, served.stream() as response:
        assert response.status_code == 200
        seen = events((await response.aread()).decode())
        assert seen[0][0] == "message_start"
        assert seen[-1][0] == "error"
        assert "too late" in seen[-1][1]["error"]["message"]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("limits", [{"first_byte": 0.3}, {"total": 0.3}], ids=["first_byte", "total"])
async def test_a_provider_that_never_answers_is_a_504_in_time(serving, limits: dict, stream: bool) -> None:
    timing = Timing(commit=5, tick=0.05)
    async with serving(hang, timing=timing, timeouts=limits) as served:
        began = time.monotonic()
        response = await served.post(stream=stream)
        assert response.status_code == 504
        assert response.json()["error"]["type"] == "timeout_error"
        assert time.monotonic() - began < 2
        async with asyncio.timeout(2):
            await served.provider.closed[0].wait()


async def test_a_provider_that_falls_silent_ends_in_an_error_event(serving) -> None:
    async with serving(text_then_hang, timeouts={"idle": 0.4}) as served:
        seen = events((await served.post(stream=True)).text)
        assert seen[-1][1]["error"]["type"] == "timeout_error"
        async with asyncio.timeout(2):
            await served.provider.closed[0].wait()


async def test_comments_alone_do_not_keep_an_exchange_alive_for_ever(serving) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.start_stream()
        for _ in range(200):
            await exchange.event(b": keep-alive\n\n")
            await asyncio.sleep(0.02)

    async with serving(script, timing=Timing(commit=5, tick=0.05), timeouts={"first_byte": 0.4}) as served:
        assert (await served.post(stream=True)).status_code == 504


async def test_the_usage_is_waited_for_but_not_for_ever(serving) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.start_stream()
        await exchange.text("a")
        await exchange.finish()
        await hang(exchange)

    async with serving(script) as served:
        began = time.monotonic()
        names = [name for name, _ in events((await served.post(stream=True)).text)]
        assert names[-1] == "message_stop"
        assert time.monotonic() - began < 2
        assert (await served.record()).outcome == "ok"


@pytest.mark.parametrize("stage", ["before headers", "in the stream", "not streamed"])
async def test_the_upstream_is_closed_when_the_client_leaves(serving, stage: str) -> None:
    script = text_then_hang if stage == "in the stream" else hang
    async with serving(script, timing=Timing()) as served:
        call = asyncio.ensure_future(_read_until_cancelled(served, stage))
        async with asyncio.timeout(5):
            while not served.provider.exchanges:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        call.cancel()
        async with asyncio.timeout(1):
            await served.provider.closed[0].wait()
        assert (await served.record()).outcome == "cancelled"
        assert len(served.records) == 1


async def _read_until_cancelled(served, stage: str) -> None:
    if stage == "not streamed":
        await served.post()
    async with served.stream() as response:
        async for _ in response.aiter_bytes():
            pass


async def test_a_client_that_stops_reading_is_given_up(serving) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.start_stream()
        for _ in range(5000):
            await exchange.text("x" * 10_000)

    async with serving(script) as served:
        host, port = served.url.split("/")[2].split(":")
        _reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
        body = b'{"model":"m","max_tokens":1,"stream":true,"messages":[{"role":"user","content":"hi"}]}'
        head = f"POST /gateway/g/v1/messages HTTP/1.1\r\nHost: x\r\nx-api-key: gwd_test\r\nContent-Length: {len(body)}"
        writer.write(head.encode() + b"\r\n\r\n" + body)
        assert (await served.record()).outcome == "cancelled"
        async with asyncio.timeout(1):
            await served.provider.closed[0].wait()
        writer.close()


async def test_three_hundred_streams_run_at_once(serving) -> None:
    all_here = asyncio.Event()
    here = 0

    async def script(exchange: Exchange) -> None:
        nonlocal here
        await exchange.start_stream()
        await exchange.text("a")
        here += 1
        if here == 300:
            all_here.set()
        await all_here.wait()
        await exchange.finish()
        await exchange.end()

    async with serving(script, timing=Timing()) as served, asyncio.timeout(30):
        responses = await asyncio.gather(*(served.post(stream=True) for _ in range(300)))
        assert [events(response.text)[-1][0] for response in responses] == ["message_stop"] * 300


async def test_connections_are_reused_after_a_whole_stream(serving) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.start_stream()
        await exchange.text("a")
        await exchange.finish()
        await exchange.end()

    async with serving(script) as served:
        for _ in range(5):
            await served.post(stream=True)
            await asyncio.sleep(0.02)
        assert len(served.provider.closed) == 1


async def test_a_stop_sequence_beyond_the_providers_number_is_enforced(serving) -> None:
    async def script(exchange: Exchange) -> None:
        assert len(exchange.body["stop"]) == 4
        await exchange.start_stream()
        for text in ("one S", "TO", "P two"):
            await exchange.text(text)
        await hang(exchange)

    async with serving(script, timing=QUICK) as served:
        stops = ["a1", "b1", "c1", "d1", "STOP"]
        seen = events((await served.post(stream=True, stop_sequences=stops)).text)
        text = "".join(payload["delta"].get("text", "") for name, payload in seen if name == "content_block_delta")
        assert text == "one "
        assert seen[-2][1]["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "STOP"}
        async with asyncio.timeout(1):
            await served.provider.closed[0].wait()


async def test_what_was_dropped_is_noted_in_the_header(serving) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.json(completion())

    async with serving(script) as served:
        response: httpx.Response = await served.post(top_k=5)
        assert response.headers["x-gatewayd-notes"] == "top_k.dropped"
        assert (await served.record()).notes == ["top_k.dropped"]
