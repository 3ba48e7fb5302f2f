"""Stopping: running exchanges finish within the limit, the rest end with an error event, new ones are turned away."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.relay.conftest import events, serve
from tests.relay.provider import Exchange, completion
from tests.servers import RunningSimulator, run_server


async def test_a_running_stream_finishes_and_a_new_exchange_is_turned_away() -> None:
    go_on = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.start_stream()
        await exchange.text("a")
        await go_on.wait()
        await exchange.finish()
        await exchange.end()

    async with serve(script) as served:
        running = asyncio.ensure_future(served.post(stream=True))
        async with asyncio.timeout(3):
            while not served.provider.exchanges:
                await asyncio.sleep(0.01)
        traffic = served.app.ctx.relay.traffic
        drain = asyncio.ensure_future(traffic.drain(5))
        await asyncio.sleep(0.05)
        refused = await served.post()
        assert refused.status_code == 529
        assert refused.headers["retry-after"] == "1"
        go_on.set()
        assert events((await running).text)[-1][0] == "message_stop"
        await drain
        assert len(traffic) == 0


@pytest.mark.parametrize("stream", [True, False])
async def test_what_does_not_finish_in_time_ends_with_an_error(stream: bool) -> None:
    async def script(exchange: Exchange) -> None:
        if exchange.body.get("stream"):
            await exchange.start_stream()
            await exchange.text("a")
        await asyncio.Event().wait()

    async with serve(script) as served:
        running = asyncio.ensure_future(served.post(stream=stream))
        async with asyncio.timeout(3):
            while not served.provider.exchanges:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        await served.app.ctx.relay.traffic.drain(0.2)
        response = await running
        error = events(response.text)[-1][1]["error"] if stream else response.json()["error"]
        assert error == {"type": "overloaded_error", "message": "this gateway is being stopped"}
        async with asyncio.timeout(1):
            await served.provider.closed[0].wait()
        assert len(served.records) == 1


async def test_an_idle_gateway_drains_at_once() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.json(completion())

    async with serve(script) as served:
        await served.post()
        async with asyncio.timeout(0.5):
            await served.app.ctx.relay.traffic.drain(60)


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_lets_streams_finish_and_exits_with_0(
    tmp_path: Path, simulator: RunningSimulator, workers: int
) -> None:
    arguments = ["--workers", str(workers)]
    with run_server(tmp_path, "demo", simulator.base_url, '[{name: "*"}]', arguments=arguments) as served:
        texts: list[str] = []
        body = {"model": "sim-slow", "max_tokens": 99, "stream": True, "messages": [{"role": "user", "content": "hi"}]}

        def stream() -> None:
            headers = {"x-api-key": served.token}
            response = httpx.post(
                f"{served.base_url}/v1/messages", json=body, headers=headers, timeout=60, trust_env=False
            )
            texts.append(response.text)

        threads = [threading.Thread(target=stream) for _ in range(6)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 10
        while len(simulator.requests) < 6 and time.monotonic() < deadline:
            time.sleep(0.02)
        served.process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join(60)
        assert served.process.wait(30) == 0
    assert [events(text)[-1][0] for text in texts] == ["message_stop"] * 6
    assert served.log.read_text().count('"event": "exchange"') == 6


@pytest.mark.parametrize("workers", [1, 2])
def test_reloading_under_load_loses_no_request(tmp_path: Path, simulator: RunningSimulator, workers: int) -> None:
    arguments = ["--workers", str(workers)]
    with run_server(tmp_path, "demo", simulator.base_url, '[{name: "*"}]', arguments=arguments) as served:
        config = tmp_path / "configs" / "demo.yaml"
        text = config.read_text()
        body = {"model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": "hi"}]}
        statuses: list[int] = []

        def load() -> None:
            with httpx.Client(headers={"x-api-key": served.token}, trust_env=False) as client:
                url = f"{served.base_url}/v1/messages"
                statuses.extend(client.post(url, json=body).status_code for _ in range(60))

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        for n in range(8):
            config.write_text(text.replace("gateways:\n  demo:", f"gateways:\n  demo:\n    name: version {n}"))
            served.process.send_signal(signal.SIGHUP)
            time.sleep(0.1)
        for thread in threads:
            thread.join(60)
        assert served.process.poll() is None
    assert statuses == [200] * 240
