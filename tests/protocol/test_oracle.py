"""Answers of any provider, cut anywhere, before the independent judge of the recordings. Runs where it is present."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatewayd.protocol import sse
from tests.protocol.answers import cut, feed, new_answer
from tests.protocol.chat.chunks import Said, hostile_bodies, interleaved
from tests.recordings import folder


@pytest.fixture(scope="module")
def oracle() -> ModuleType:
    recordings = folder()
    if recordings is None:
        pytest.skip("the recordings and their judge are not here (../shared/recordings)")
    spec = importlib.util.spec_from_file_location("oracle", recordings / "oracle.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_cuts = st.lists(st.integers(0, 4000), max_size=12)
_once = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@_once
@given(body=hostile_bodies(), cuts=_cuts)
def test_the_judge_finds_no_fault_of_form_in_any_answer(oracle: ModuleType, body: bytes, cuts: list[int]) -> None:
    events = feed(new_answer(), cut(body, cuts))
    text = b"".join(sse.encode(name, payload) for name, payload in events).decode()
    assert oracle.check_anthropic_sse(text, gateway=True) == []


@_once
@given(said=interleaved(), cuts=_cuts)
def test_the_judge_finds_no_fault_of_fact_in_honest_answers(oracle: ModuleType, said: Said, cuts: list[int]) -> None:
    body = said.body()
    events = feed(new_answer(), cut(body, cuts))
    text = b"".join(sse.encode(name, payload) for name, payload in events).decode()
    recorded = {"body": body.decode(), "kind": "sse", "status": 200}
    judged = oracle.judge(recorded, text, streaming=True)
    assert judged["violations"] == judged["differences"] == []
