"""The LLM surface besides messages: tokens, models, counts, probes, errors."""

from __future__ import annotations

import asyncio
import hashlib

import orjson
import pytest

from tests.relay.conftest import TOKEN, body, serve
from tests.relay.provider import Exchange, completion


async def answer(exchange: Exchange) -> None:
    await exchange.json(completion())


async def call(served, method: str, path: str, headers: dict | None = None, **options):
    request = served.client.build_request(method, served.url + path, **options)
    if headers is not None:
        del request.headers["x-api-key"]
        request.headers.update(headers)
    return await served.client.send(request)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-api-key": TOKEN}, {"authorization": f"Bearer {TOKEN}"}, {"authorization": f"bearer {TOKEN}"},
        {"x-api-key": TOKEN, "authorization": f"Bearer {TOKEN}"},
    ],
)  # fmt: skip
async def test_a_valid_token_is_taken_in_each_form(headers: dict) -> None:
    async with serve(answer) as served:
        for method, path, options in (
            ("POST", "/v1/messages", {"json": body()}),
            ("POST", "/v1/messages/count_tokens", {"json": body()}),
            ("GET", "/v1/models", {}),
        ):
            assert (await call(served, method, path, headers, **options)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"x-api-key": ""}, {"x-api-key": TOKEN.upper()}, {"x-api-key": TOKEN[:-1]}, {"x-api-key": TOKEN + "x"},
        {"authorization": TOKEN}, {"authorization": f"Basic {TOKEN}"}, {"authorization": "Bearer"},
        {"x-api-key": TOKEN, "authorization": "Bearer other"}, {"cookie": f"x-api-key={TOKEN}"},
        {"x-api-key": "%"}, {"x-api-key": "' OR 1=1 --"}, {"x-api-key": "x" * 7000},
        {"x-api-key": hashlib.sha256(TOKEN.encode()).hexdigest()}, {"proxy-authorization": f"Bearer {TOKEN}"},
    ],
)  # fmt: skip
async def test_anything_else_is_the_same_401(headers: dict) -> None:
    async with serve(answer) as served:
        responses = [await call(served, "POST", "/v1/messages", headers, json=body())]
        unknown = served.url.replace("/gateway/g", "/gateway/unknown")
        responses.append(await served.client.post(f"{unknown}/v1/messages", json=body(), headers={"x-api-key": TOKEN}))
        for response in responses:
            assert response.status_code == 401
            assert response.headers["x-should-retry"] == "false"
            error = response.json()["error"]
            assert error == {
                "type": "authentication_error",
                "message": "the gateway token is missing or not valid here",
            }
        assert served.provider.exchanges == []


async def test_a_token_with_bytes_beyond_ascii_is_the_same_401() -> None:
    async with serve(answer) as served:
        host, port = served.url.split("/")[2].split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write("GET /gateway/g/v1/models HTTP/1.1\r\nHost: x\r\nx-api-key: Ünïcode\r\n\r\n".encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 401")
        writer.close()


async def test_a_token_in_the_query_is_no_token() -> None:
    async with serve(answer) as served:
        assert (await call(served, "GET", f"/v1/models?x-api-key={TOKEN}", {})).status_code == 401


async def test_every_answer_has_its_own_request_id() -> None:
    async with serve(answer) as served:
        responses = [
            await call(served, "POST", "/v1/messages?beta=true", json=body()),
            await call(served, "POST", "/v1/messages", json=body(stream=True)),
            await call(served, "POST", "/v1/messages", {"x-request-id": "mine<b>"}, json=body()),
            await call(served, "GET", "/v1/nothing"),
        ]
        ids = [response.headers["request-id"] for response in responses]
        assert len(set(ids)) == 4
        assert all(i.startswith("req_") and i.replace("_", "").isalnum() for i in ids)
        assert responses[3].json()["request_id"] == ids[3]
        assert [record.request_id for record in served.records] == ids[:2]


async def test_what_is_not_there_is_anthropics_not_found() -> None:
    async with serve(answer) as served:
        for method, path in (("POST", "/v1/messages/batches"), ("GET", "/v1/files")):
            response = await call(served, method, path)
            assert response.status_code == 404
            assert response.json()["error"]["type"] == "not_found_error"
        response = await call(served, "POST", "/v1/messages", json=body(model="other"))
        assert response.status_code == 200
        response = await call(served, "GET", "/v1/messages")
        assert response.status_code == 405
        assert response.json()["error"]["type"] == "invalid_request_error"


async def test_an_unknown_model_is_named() -> None:
    async with serve(answer) as served:
        gateway = served.snapshot.gateways["g"]
        record = gateway.gateway.model_copy(update={"models": gateway.gateway.models[:0]})
        served.swap(gateway=record)
        for path in ("/v1/messages", "/v1/messages/count_tokens"):
            response = await call(served, "POST", path, json=body(model="gone"))
            assert response.status_code == 404
            assert response.json()["error"] == {"type": "not_found_error", "message": "model: gone"}


async def test_a_gateway_whose_secret_is_unset_says_so() -> None:
    async with serve(answer) as served:
        served.swap(missing_secret="DEEPSEEK_API_KEY")
        response = await served.post()
        assert response.status_code == 503
        assert response.json()["error"] == {"type": "api_error", "message": "secret DEEPSEEK_API_KEY is not set"}
        assert (await served.record()).status == 503


async def test_tokens_are_counted_without_max_tokens() -> None:
    async with serve(answer) as served:
        request = {"model": "m", "messages": [{"role": "user", "content": "hello there"}]}
        response = await call(served, "POST", "/v1/messages/count_tokens?beta=true", json=request)
        assert response.status_code == 200
        assert response.json()["input_tokens"] > 0


async def test_models_are_listed_and_paged() -> None:
    models = [
        {"name": "kimi-k2"}, {"name": "claude-*opus*", "upstream_model": "big"}, {"name": "big"},
        {"name": "*", "upstream_model": "small"},
    ]  # fmt: skip
    async with serve(answer) as served:
        gateway = served.snapshot.gateways["g"].gateway
        served.swap(gateway=type(gateway).model_validate(gateway.spec() | {"models": models}))
        page = (await call(served, "GET", "/v1/models?limit=1000")).json()
        assert [entry["id"] for entry in page["data"]] == ["kimi-k2", "big", "small"]
        assert page["data"][0]["type"] == "model"
        assert (page["has_more"], page["first_id"], page["last_id"]) == (False, "kimi-k2", "small")
        page = (await call(served, "GET", "/v1/models?limit=1&after_id=kimi-k2")).json()
        assert ([entry["id"] for entry in page["data"]], page["has_more"]) == (["big"], True)
        assert (await call(served, "GET", "/v1/models?limit=0")).status_code == 400
        assert (await call(served, "GET", "/v1/models/vendor/name:free")).json()["id"] == "vendor/name:free"


async def test_probes_need_no_token() -> None:
    async with serve(answer) as served:
        root = served.url.removesuffix("/gateway/g")
        for path in ("/gateway/g", "/gateway/g/api/hello", "/gateway/unknown"):
            response = await served.client.request("HEAD", root + path, headers={"x-api-key": ""})
            assert (response.status_code, response.content) == (200, b"")
        assert (await served.client.get(root + "/health")).json() == {"status": "ok"}
        assert (await served.client.get(root + "/ready")).json() == {"status": "ready"}


async def test_nothing_is_served_that_nobody_asked_for() -> None:
    async with serve(answer) as served:
        root = served.url.removesuffix("/gateway/g")
        for path in ("/docs", "/docs/openapi.json", "/docs/swagger", "/docs/redoc", "/openapi.json", "/.git/config"):
            assert (await served.client.get(root + path)).status_code == 404
        response = await served.client.options(served.url + "/v1/messages", headers={"origin": "http://evil"})
        assert response.status_code == 405
        assert not [name for name in response.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400), (b"", 400), (b"[]", 400), (b'"x"', 400), (b"\xff\xfe{\x00}\x00", 400), (b"[" * 100_000, 400),
        (b'{"model":"m","max_tokens":1e999,"messages":[]}', 400),
    ],
)  # fmt: skip
async def test_bad_bodies_are_refused(content: bytes, status: int) -> None:
    async with serve(answer) as served:
        response = await call(served, "POST", "/v1/messages", content=content)
        assert response.status_code == status
        assert response.json()["error"]["type"] == "invalid_request_error"
        assert served.provider.exchanges == []


MESSAGE = b'{"role":"user","content":"hi"}'
HEAD = b'{"model":"m","max_tokens":9,"messages":['


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (HEAD + MESSAGE[:-2] + b" " * (31 * 1024 * 1024) + b'"}]}', 200),
        (HEAD + b",".join([MESSAGE] * 10_000) + b"]}", 200),
        (HEAD + MESSAGE + b'],"extra":' + b"[" * 1000 + b"]" * 1000 + b"}", 200),
        (HEAD + MESSAGE + b'],"extra":' + b"[" * 2000 + b"]" * 2000 + b"}", 400),
        (HEAD + MESSAGE + b'],"extra":' + b"9" * 10_000 + b"}", 400),
        (HEAD + MESSAGE.replace(b"hi", b"a\\u0000b\\ud800c") + b"]}", 200),
        (HEAD + MESSAGE + b'],"model":"n"}', 200),
        (HEAD + MESSAGE + b'],"temperature":NaN}', 400),
        (b"\xef\xbb\xbf" + HEAD + MESSAGE + b"]}", 400),
        (HEAD + b'{"role":"user","content":[{"type":"tool_result","tool_use_id":"x"}]}]}', 200),
    ],
    ids=["32 MB", "10,000 messages", "deep", "deeper", "huge integer", "NUL", "two keys", "NaN", "BOM", "orphan"],
)  # fmt: skip
async def test_extreme_bodies_are_answered_or_refused_and_never_fail(content: bytes, status: int) -> None:
    async with serve(answer) as served:
        response = await call(served, "POST", "/v1/messages", content=content)
        assert response.status_code == status, response.text[:300]
        if status == 200:
            sent = orjson.dumps(served.provider.exchanges[0].body)
            assert b"\\u0000" not in sent


async def test_nothing_in_a_request_chooses_the_upstream_the_key_or_a_header() -> None:
    evil = {
        "api_base": "http://evil", "base_url": "http://evil", "api_key": "stolen", "headers": {"x-evil": "1"},
        "extra_headers": {"x-evil": "1"}, "custom_llm_provider": "evil", "mock_response": "evil", "n": 5,
    }  # fmt: skip
    headers = {"x-evil": "1", "x-forwarded-host": "evil", "openai-organization": "evil", "x-api-key": TOKEN}
    async with serve(answer) as served:
        assert (await call(served, "POST", "/v1/messages", headers, json=body(**evil))).status_code == 200
        exchange = served.provider.exchanges[0]
        assert "evil" not in exchange.head.lower()
        assert not set(evil) & set(exchange.body)
        assert exchange.header("authorization") == "Bearer sk-provider"


async def test_a_large_body_is_refused_before_it_is_read() -> None:
    async with serve(answer) as served:
        response = await call(served, "POST", "/v1/messages", content=b" " * (33 * 1024 * 1024))
        assert response.status_code == 413
        assert response.json()["error"]["type"] == "request_too_large"


async def test_a_compressed_body_is_refused() -> None:
    async with serve(answer) as served:
        request = served.client.build_request("POST", f"{served.url}/v1/messages", content=b"x" * 10)
        request.headers["content-encoding"] = "gzip"
        assert (await served.client.send(request)).status_code == 400
