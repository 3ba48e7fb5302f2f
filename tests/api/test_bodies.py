"""Request bodies that are wrong, odd or hostile, over the wire: a 400, or an answer where they are legal, and never
anything else; the next request is served."""

from __future__ import annotations

import gzip
import json

import pytest

from tests.relay.conftest import serve
from tests.relay.provider import Exchange, completion

HI = '[{"role":"user","content":"hi"}]'


def request(**fields: str) -> bytes:
    """A body with fields as JSON texts."""
    parts = {"model": '"m"', "max_tokens": "9", "messages": HI} | fields
    return ("{" + ",".join(f'"{name}":{text}' for name, text in parts.items()) + "}").encode()


REFUSED = {
    "empty": b"",
    "null": b"null",
    "list": b"[]",
    "text": b'"hello"',
    "number": b"17",
    "cut": request()[:-5],
    "trailing": request() + b"}",
    "nan": request(temperature="NaN"),
    "overflowing-float": request(temperature="1e400"),
    "bad-utf8": request(model='"m').replace(b'"m', b'"\xff"', 1),
    "utf-16": request().decode().encode("utf-16"),
    "bom": b"\xef\xbb\xbf" + request(),
    "deep": b'{"a":' * 1000 + b"1" + b"}" * 1000,
    "deep-list": b"[" * 100_000,
    "deep-content": request(messages='[{"role":"user","content":' + "[" * 1000 + "]" * 1000 + "}]"),
    "model-number": request(model="5"),
    "model-null": request(model="null"),
    "max-tokens-text": request(max_tokens='"9"'),
    "max-tokens-zero": request(max_tokens="0"),
    "max-tokens-huge": request(max_tokens="9" * 5000),
    "max-tokens-fraction": request(max_tokens="1.5"),
    "messages-empty": request(messages="[]"),
    "messages-object": request(messages="{}"),
    "messages-of-null": request(messages="[null]"),
    "role-unknown": request(messages='[{"role":"tool","content":"x"}]'),
    "content-number": request(messages='[{"role":"user","content":5}]'),
    "block-without-type": request(messages='[{"role":"user","content":[{"text":"x"}]}]'),
    "tools-object": request(tools="{}"),
    "tool-without-name": request(tools='[{"input_schema":{}}]'),
    "schema-text": request(tools='[{"name":"f","input_schema":"x"}]'),
    "stream-text": request(stream='"yes"'),
    "orphan-tool-use-id": request(messages='[{"role":"user","content":[{"type":"tool_result"}]}]'),
}
TAKEN = {
    "nul": request(messages='[{"role":"user","content":"a\\u0000b"}]'),
    "lone-surrogate": request(messages='[{"role":"user","content":"a\\ud800b"}]'),
    "equal-keys": request()[:-1] + b',"model":"n"}',
    "unknown-field": request(base_url='"http://elsewhere.example"', api_key='"sk"', headers='{"x":"y"}'),
    "orphan-result": request(
        messages='[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"r"}]}]'
    ),
    "ten-thousand-messages": request(
        messages="[" + ",".join(['{"role":"user","content":"a"}', '{"role":"assistant","content":"b"}'] * 5000) + "]"
    ),
}


async def answer(exchange: Exchange) -> None:
    await exchange.json(completion())


@pytest.mark.parametrize("body", REFUSED.values(), ids=[f"b-body-{name}" for name in REFUSED])
async def test_a_wrong_body_is_refused(body: bytes) -> None:
    async with serve(answer) as served:
        response = await served.client.post(f"{served.url}/v1/messages", content=body)
        assert response.status_code == 400
        told = response.json()
        assert (told["type"], told["error"]["type"]) == ("error", "invalid_request_error")
        assert 0 < len(told["error"]["message"]) < 500
        assert served.provider.exchanges == []
        assert (await served.post()).status_code == 200


@pytest.mark.parametrize("body", TAKEN.values(), ids=[f"b-body-{name}" for name in TAKEN])
async def test_an_odd_body_is_answered(body: bytes) -> None:
    async with serve(answer) as served:
        response = await served.client.post(f"{served.url}/v1/messages", content=body)
        assert response.status_code == 200, response.text
        sent = served.provider.exchanges[0]
        assert sent.header("authorization") == "Bearer sk-provider"
        assert not {"base_url", "api_key", "headers"} & sent.body.keys()
        json.dumps(sent.body).encode("utf-8", "strict")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "x" * 500]
)
async def test_b_content_type(kind: str) -> None:
    async with serve(answer) as served:
        headers = {"content-type": kind}
        response = await served.client.post(f"{served.url}/v1/messages", content=request(), headers=headers)
        assert response.status_code in (200, 400, 415)
        assert (await served.post()).status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip"])
async def test_b_req_encoding(encoding: str) -> None:
    """A compressed body, a bomb among them, is refused before it is unpacked."""
    async with serve(answer) as served:
        headers = {"content-encoding": encoding}
        bomb = gzip.compress(bytes(64 * 1024 * 1024))
        response = await served.client.post(f"{served.url}/v1/messages", content=bomb, headers=headers)
        assert response.status_code in (400, 413, 415)
        assert response.json()["type"] == "error"
        assert (await served.post()).status_code == 200
