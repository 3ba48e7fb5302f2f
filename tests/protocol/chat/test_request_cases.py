"""The stories under tests/cases/<dialect>/<name>/request.yaml: a client's request, and what its provider gets.

`anthropic` lacks model and max_tokens where they do not matter; `sealed` maps signatures to what unsealing gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from gatewayd.protocol.anthropic import parse_request
from gatewayd.protocol.chat.dialects import DIALECTS
from gatewayd.protocol.chat.request import build_request
from gatewayd.protocol.notes import Notes
from tests.protocol.strict_chat import check_body

CASES = Path(__file__).parents[2] / "cases"
PATHS = sorted(CASES.glob("*/*/request.yaml"))


def test_there_are_stories() -> None:
    assert PATHS


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parts[-3]}/{path.parts[-2]}")
def test_the_provider_gets_what_the_story_says(path: Path) -> None:
    case: dict[str, Any] = yaml.safe_load(path.read_text())
    assert case["story"]
    dialect = DIALECTS[path.parts[-3]]
    request = parse_request(orjson.dumps({"model": "m", "max_tokens": 1000, **case["anthropic"]}))
    notes = Notes()
    chat = build_request(request, upstream_model="up", dialect=dialect, notes=notes, unseal=case.get("sealed", {}).get)
    assert chat.body == {"model": "up", **case["chat"]}
    assert notes.codes() == case["notes"]
    assert list(chat.local_stops) == case.get("local_stops", [])
    check_body(chat.body, dialect)
