"""The HTTP client's promises: the key, the pool, what it refuses."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import orjson
import pytest

from gatewayd.addresses import Network
from gatewayd.errors import UpstreamFailed
from gatewayd.upstream import Upstreams
from tests.relay.conftest import active, serve
from tests.relay.provider import Exchange, Provider, completion


async def answer(exchange: Exchange) -> None:
    await exchange.json(completion(), headers="Set-Cookie: planted=1\r\n")


async def test_the_key_goes_only_into_its_header_and_no_cookie_comes_back() -> None:
    async with serve(answer) as served:
        for _ in range(2):
            await served.post()
        first, second = served.provider.exchanges
        assert first.header("authorization") == second.header("authorization") == "Bearer sk-provider"
        assert first.head.count("sk-provider") == 1
        assert "sk-provider" not in str(first.body)
        assert second.header("cookie") is None
        assert first.header("accept-encoding") == "identity"
        assert "gwd_test" not in first.head


async def test_the_dialect_names_the_keys_header_and_the_record_adds_headers() -> None:
    async with serve(answer, dialect="azure", headers={"X-Title": "gatewayd"}) as served:
        await served.post()
        exchange = served.provider.exchanges[0]
        assert exchange.header("api-key") == "sk-provider"
        assert exchange.header("authorization") is None
        assert exchange.header("x-title") == "gatewayd"


@pytest.mark.parametrize("later", [False, True], ids=["glued behind the answer", "later, on the idle connection"])
async def test_an_unasked_answer_never_reaches_the_next_request(later: bool) -> None:
    body = orjson.dumps(completion("PLANTED"))
    planted = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    async def script(exchange: Exchange) -> None:
        await exchange.json(completion(f"answer {len(served.provider.exchanges)}"))
        if later:
            await asyncio.sleep(0.05)
        await exchange.write(planted)

    async with serve(script) as served:
        texts = []
        for _ in range(4):
            texts.append((await served.post()).json()["content"][0]["text"])
            await asyncio.sleep(0.1)
        assert texts == [f"answer {n}" for n in range(1, 5)]


async def test_an_idle_connection_that_the_provider_closed_is_not_used() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.json(completion())
        exchange.writer.close()

    async with serve(script) as served:
        statuses = []
        for _ in range(3):
            statuses.append((await served.post()).status_code)
            await asyncio.sleep(0.05)
        assert statuses == [200, 200, 200]


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with serve(answer) as served:
        assert (await served.post()).status_code == 200


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("169.254.169.254", "local"), ("[fe80::1]", "local"), ("0.0.0.0", "local"),
        ("[::ffff:169.254.169.254]", "local"),
        ("127.0.0.1", "public"), ("localhost", "public"), ("10.1.2.3", "public"), ("2130706433", "public"),
    ],
)  # fmt: skip
async def test_addresses_that_may_not_be_dialled_are_not(host: str, network: Network) -> None:
    async with Provider(answer) as provider:
        port = provider.url.split(":")[2].split("/")[0]
        gateway = active(base_url="http://127.0.0.1:1/v1")
        # past the check at save, as a record of an older version could be
        upstream = gateway.gateway.upstream.model_copy(update={"base_url": f"http://{host}:{port}/v1"})
        gateway = replace(gateway, gateway=gateway.gateway.model_copy(update={"upstream": upstream}))
        upstreams = Upstreams(network)
        with pytest.raises(UpstreamFailed, match="never calls") as refused:
            await upstreams.open(gateway, b"{}")
        assert refused.value.should_retry is False
        assert provider.exchanges == []
        await upstreams.close()


async def test_a_name_is_checked_by_the_address_that_it_resolves_to_now(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = iter(["127.0.0.1", "169.254.169.254"])

    async def rebind(_self: object, host: str, port: int = 0, family: int = 0) -> list[dict]:
        return [{"hostname": host, "host": next(addresses), "port": port, "family": 2, "proto": 0, "flags": 0}]

    async def close_each(exchange: Exchange) -> None:
        await exchange.json(completion(), headers="Connection: close\r\n")

    monkeypatch.setattr("aiohttp.ThreadedResolver.resolve", rebind)
    async with serve(close_each) as served:
        gateway = served.snapshot.gateways["g"].gateway
        port = served.provider.url.split(":")[2].split("/")[0]
        upstream = gateway.upstream.model_copy(update={"base_url": f"http://provider.test:{port}/v1"})
        served.swap(gateway=gateway.model_copy(update={"upstream": upstream}))
        assert [(await served.post()).status_code for _ in range(2)] == [200, 502]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ("Retry-After: 7\r\n", "7"),
        ("Retry-After-Ms: 1500\r\n", "2"),
        ("Retry-After: 1\r\nRetry-After-Ms: 0\r\n", "1"),
        ("Retry-After: 2.2\r\n", "3"),
        ("Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n", "0"),
        ("Retry-After: Sat, 31 Dec 2039 23:59:59 GMT\r\n", "large"),
        ("Retry-After: soon, or so\r\n", None),
        ("Retry-After-Ms: soon\r\n", None),
        ("", None),
    ],
)
async def test_however_a_provider_says_when_to_come_again_the_client_is_told_whole_seconds(
    headers: str, seconds: str | None
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.json({"error": {"message": "slow down"}}, status=429, headers=headers)

    async with serve(script) as served:
        response = await served.post()
        assert response.status_code == 429
        told = response.headers.get("retry-after")
        assert told == seconds if seconds != "large" else int(told) > 10**8
