"""The benchmark of estimates, with a tokenizer made up here: quick, and without the packages of the real one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from bench.materials import KINDS
from bench.tokenizers import Model
from bench.tokens import measure, percentile, print_table

PIECE = re.compile(
    r" ?[^\W\d_\u3000-\u9fff]{1,7}|\d{1,2}|[\u4e00-\u9fff]{1,2}|[\u3000-\u30ff]{1,2}| {1,16}|[^\w\s]{1,3}|.", re.S
)


def render(body: dict[str, Any]) -> Iterator[str | int]:
    yield 30
    yield json.dumps(body.get("tools", ""), ensure_ascii=False)
    for message in body["messages"]:
        yield 5
        yield "".join(call["function"]["arguments"] for call in message.get("tool_calls", ()))
        yield message["content"] or ""


def test_errors_are_small_after_twenty_requests(capsys: pytest.CaptureFixture[str]) -> None:
    found = measure({"made up": Model(lambda text: len(PIECE.findall(text)), render)}, streams=6, count=2)
    errors = [error for kind in KINDS for error in found["made up"][kind, 20]]
    assert 30 < len(errors) <= 6 * 2 * len(KINDS)
    assert percentile(errors, 0.5) <= 0.03
    assert percentile(errors, 0.95) <= 0.12  # it is further from the average than real tokenizers are
    print_table(found)
    assert "made up, switch" in capsys.readouterr().out
