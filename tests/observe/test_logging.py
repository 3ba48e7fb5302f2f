"""Log lines: one line each, on stderr, in both forms."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest

from gatewayd.observe.logging import configure_logging


@pytest.fixture(autouse=True)
def restore_root() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_json_lines_have_the_fixed_keys_and_the_extra_fields() -> None:
    stream = io.StringIO()
    configure_logging("json", "info", stream)
    logging.getLogger("gatewayd.x").warning("hello %s", "you\nthere", extra={"gateway": "demo", "count": 3})
    entry = json.loads(stream.getvalue())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry.pop("ts"))
    assert entry == {"level": "warning", "event": "hello you\nthere", "gateway": "demo", "count": 3}
    assert stream.getvalue().count("\n") == 1


def test_json_lines_hold_the_traceback() -> None:
    stream = io.StringIO()
    configure_logging("json", "info", stream)
    try:
        raise ValueError("boom")
    except ValueError:
        logging.getLogger("gatewayd.x").exception("failed")
    assert "ValueError: boom" in json.loads(stream.getvalue())["exception"]


def test_text_lines_cannot_be_forged() -> None:
    stream = io.StringIO()
    configure_logging("text", "info", stream)
    logging.getLogger("gatewayd.x").info("one\ntwo \x1b[31m", extra={"name_": "a\r\nb"})
    (line,) = stream.getvalue().splitlines()
    assert line.endswith(r"INFO    one\ntwo \x1b[31m name_=a\r\nb")


def test_the_level_is_kept() -> None:
    stream = io.StringIO()
    configure_logging("text", "warning", stream)
    logging.getLogger("gatewayd.x").info("quiet")
    logging.getLogger("gatewayd.x").warning("loud")
    assert "loud" in stream.getvalue()
    assert "quiet" not in stream.getvalue()


def test_statements_of_the_database_are_never_logged() -> None:
    stream = io.StringIO()
    configure_logging("text", "debug", stream)
    logging.getLogger("databases").debug("INSERT secret")
    assert stream.getvalue() == ""


@pytest.mark.parametrize(("stream", "is_json"), [(Terminal(), False), (io.StringIO(), True)])
def test_the_form_follows_the_stream(stream: io.StringIO, is_json: bool) -> None:
    configure_logging(None, "info", stream)
    logging.getLogger("gatewayd.x").info("hello")
    assert stream.getvalue().startswith("{") is is_json


def test_logs_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("text", "info")
    logging.getLogger("gatewayd.x").info("hello")
    captured = capsys.readouterr()
    assert (captured.out, "hello" in captured.err) == ("", True)
