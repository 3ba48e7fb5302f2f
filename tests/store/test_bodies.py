"""Stored bodies: they come back, secrets and binary data do not, and what repeats is stored once."""

from __future__ import annotations

import base64
import os
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.store import Store
from gatewayd.store import bodies as bodies_module
from gatewayd.store.bodies import Bodies, Packer, add_packed, read_bodies
from gatewayd.store.body_parts import encode, join, redact, split
from gatewayd.store.tables import blob, body
from tests.store.rows import NOON
from tests.store.sessions import agent_session

KEY = "zq-provider-key-of-no-known-shape"


async def stored(store: Store, **fields: Any) -> dict[str, Any]:
    async with store.write() as session:
        await add_packed(session, [Packer().pack("req_1", NOON, Bodies(**fields))])
    async with store.read() as session:
        return await read_bodies(session, "req_1")


async def test_all_three_bodies_come_back(store: Store) -> None:
    (request, upstream, answer), *_ = agent_session(1)
    got = await stored(store, request=request, upstream=orjson.dumps(upstream), answer=answer)
    assert got == {"request": request, "upstream": upstream, "answer": answer}


async def test_what_the_provider_said_and_the_notes_come_back_without_secrets(store: Store) -> None:
    told = {"stream": {"id": KEY}, "chunks": 3}
    got = await stored(store, request={}, told=lambda: told, notes=[("a.b", f"text {KEY}")], secrets=[KEY])
    assert got["told"] == {"stream": {"id": "[redacted]"}, "chunks": 3}
    assert got["notes"] == {"notes": [["a.b", "text [redacted]"]]}


@pytest.mark.parametrize(
    "request_body",
    [
        {}, {"messages": []}, {"messages": "x", "tools": None, "system": "text"}, {"system": [], "messages": [1, None]},
        {"messages": [{"role": "user", "content": "\ud83d \0 é"}]}, {"a": 2**70}, {"tools": {"$parts": 5}},
    ],
)  # fmt: skip
async def test_odd_bodies_can_be_stored(store: Store, request_body: dict[str, Any]) -> None:
    got = (await stored(store, request=request_body))["request"]
    if not isinstance(request_body.get("tools"), dict):
        assert encode(got) == encode(orjson.loads(encode(request_body)))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "messages", "tools"]), inner),
    max_leaves=12,
)


@given(
    st.fixed_dictionaries(
        {}, optional={"messages": st.lists(json_values), "system": st.lists(json_values), "x": json_values}
    )
)
def test_what_is_split_can_be_joined(value: dict[str, Any]) -> None:
    assert join([orjson.loads(part) for part in split(value)]) == value


@given(st.lists(json_values, max_size=5))
def test_parts_of_a_damaged_body_are_joined_without_failing(parts: list[Any]) -> None:
    join(parts)
    join([{"messages": {"$parts": 2**60}, "tools": {"$parts": -1}}, *parts])


SECRETS = (
    "sk-" + "Ab1-" * 8, "ghp_" + "A1" * 18, "AKIAABCDEFGHIJKLMNOP",
    "gwd_" + "x" * 43, "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", KEY,
)  # fmt: skip


@pytest.mark.parametrize("secret", SECRETS)
async def test_no_secret_is_stored(store: Store, secret: str) -> None:
    request = {"system": [{"text": f"x {secret} y"}], "messages": [{"content": f'"{secret}"'}], "metadata": secret}
    got = await stored(store, request=request, upstream=orjson.dumps(request), answer={"error": secret}, secrets=[KEY])
    told = orjson.dumps(got).decode()
    assert told.count("[redacted]") == 7
    assert secret not in told
    assert got["request"]["messages"] == [{"content": '"[redacted]"'}]


def test_what_only_looks_a_little_like_a_secret_stays() -> None:
    for text in (b"sk-short", b"the task-force of 2020 and its many long-winded names", b"gh_", b"hf_x", b"xoxo-"):
        assert redact(text) == text


async def test_binary_data_is_told_by_hash_and_size(store: Store) -> None:
    data = os.urandom(3000)
    text = base64.b64encode(data).decode()
    request = {"messages": [{"content": [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": text}},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{text}"}},
        {"type": "text", "text": "word " * 2000},
    ]}]}  # fmt: skip
    image, url, words = (await stored(store, request=request))["request"]["messages"][0]["content"]
    assert image["source"]["data"].endswith(", 3000 bytes]")
    assert url["image_url"]["url"] == f"data:image/png;base64,{image['source']['data']}"
    assert words["text"] == "word " * 2000


async def test_a_request_adds_no_more_than_its_cap(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies_module, "MAX_NEW_BYTES", 10_000)
    request = {"messages": [{"content": f"{n} " * 1000} for n in range(10)]}
    messages = (await stored(store, request=request))["request"]["messages"]
    assert messages[-1] == request["messages"][-1]
    assert messages[0].keys() == {"$omitted"}


async def test_a_part_that_is_gone_leaves_the_others(store: Store) -> None:
    await stored(store, request={"messages": [{"n": 1}, {"n": 2}]})
    async with store.write() as session:
        rows = await session.fetch_all(blob.select())
        gone = next(row["sha256"] for row in rows if b"n" in bodies_module.zlib.decompress(bytes(row["data"]))[:3])
        await session.execute(blob.delete().where(blob.c.sha256 == gone))
    async with store.read() as session:
        messages = (await read_bodies(session, "req_1"))["request"]["messages"]
    assert len(messages) == 2
    assert messages.count(None) == 1


async def test_what_was_not_stored_is_packed_again() -> None:
    packer = Packer()
    bodies = Bodies({"messages": [{"n": 1}]})
    first = packer.pack("req_1", NOON, bodies)
    assert (len(first.blobs), len(packer.pack("req_2", NOON, bodies).blobs)) == (2, 0)
    assert len(packer.pack("req_3", NOON + bodies_module.HOUR, bodies).blobs) == 2  # so that it is kept longer
    packer.forget()
    assert len(packer.pack("req_4", NOON, bodies).blobs) == 2


async def test_a_session_of_sixty_turns_takes_a_twentieth_of_its_size(store: Store) -> None:
    packer, raw = Packer(), 0
    for turn, (request, upstream, answer) in enumerate(agent_session(60)):
        chat = orjson.dumps(upstream)
        raw += len(orjson.dumps(request)) + len(chat) + len(orjson.dumps(answer))
        packed = packer.pack(f"req_{turn}", NOON + turn, Bodies(request, chat, answer))
        async with store.write() as session:
            await add_packed(session, [packed])
    async with store.read() as session:
        sizes = [
            await session.fetch_one(sa.select(sa.func.sum(sa.func.length(column)).label("bytes")))
            for column in (blob.c.data, body.c.parts)
        ]
        assert await read_bodies(session, "req_59") == {"request": request, "upstream": upstream, "answer": answer}
    kept = sum(int(size["bytes"]) for size in sizes if size)
    assert kept < raw * 0.05
