"""Providers' errors, in all their shapes."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd import errors
from gatewayd.errors import ApiError
from gatewayd.protocol.chat.errors import MAX_MESSAGE, error_in, read_error


def read(status: int, body: Any, **options: Any) -> ApiError:
    return read_error(status, body, **{"context_window": 131072, "estimate": 200_000, **options})


def error(message: str = "no", **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "m", "type": "t", "param": None, "code": None}}, "m"),
        ({"code": "invalid", "error": "m"}, "m"),
        ({"object": "error", "message": "m", "type": "t", "code": "1500"}, "m"),
        ({"message": "m", "request_id": "r"}, "m"),
        ({"detail": "m"}, "m"),
        ({"detail": [{"loc": ["body"], "msg": "m1", "type": "x"}, {"msg": "m2"}]}, "m1: m2"),
        ([{"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT"}}], "m"),
        ({"errors": [{"message": "m"}]}, "m"),
        ({"error": [{"message": "m"}, "n"]}, "m: n"),
        ({"base_resp": {"status_code": 2013, "status_msg": "m"}}, "m"),
        ({"error": {"message": "m", "failed_generation": "secret plan", "code": "tool_use_failed"}}, "m"),
        ({"error": {"message": {"text": "odd", "message": "m"}}}, "m"),
        ({"error": {"message": '{"error": {"message": "m"}}'}}, "m"),
        (b"m", "m"),
        ("m", "m"),
        (b'"m"', "m"),
        (b'data: {"error":{"message":"m"}}\n\n', "m"),
        (b'event: error\ndata: {"error":{"message":"m"}}\n\n', "m"),
        (b'error: {"detail":"m"}\n', "m"),
        (b'\n\n {"error": "m"}', "m"),
        (b"{broken", "{broken"),
        (b"", "the provider answered 400 without a message"),
        ({}, "the provider answered 400 without a message"),
        ({"error": {"code": 5}}, "the provider answered 400 without a message"),
        ([], "the provider answered 400 without a message"),
    ],
    ids=repr,
)
def test_the_message_is_found_in_any_shape(body: Any, message: str) -> None:
    encoded = body if isinstance(body, bytes | str) else orjson.dumps(body)
    assert read(400, encoded).message == message
    assert read(400, body).message == message


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("x is rate-limited upstream", "Provider returned error: x is rate-limited upstream"),
        ('{"error":{"message":"busy","code":1}}', "Provider returned error: busy"),
        (None, "Provider returned error"),
    ],
)
def test_openrouters_reason_is_told_and_its_account_is_not(raw: str | None, message: str) -> None:
    body = {
        **error("Provider returned error", code=429, metadata={"raw": raw, "provider_name": "P"}),
        "user_id": "user_2aBcDeFg",
    }
    assert read(429, body).message == message
    assert "user_2aBcDeFg" not in read(429, error(f"limit of user_2aBcDeFg: {raw}")).message


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.InvalidRequest), (405, errors.InvalidRequest), (409, errors.UpstreamFailed),
        (415, errors.InvalidRequest), (422, errors.InvalidRequest), (424, errors.InvalidRequest),
        (425, errors.UpstreamFailed),
        (402, errors.BillingFailed), (403, errors.PermissionDenied), (404, errors.NotFound), (408, errors.TimedOut),
        (413, errors.RequestTooLarge), (429, errors.RateLimited), (500, errors.UpstreamFailed),
        (501, errors.UpstreamFailed), (502, errors.UpstreamFailed), (503, errors.Overloaded), (504, errors.TimedOut),
        (524, errors.TimedOut), (529, errors.Overloaded), (599, errors.UpstreamFailed),
        (200, errors.UpstreamFailed), (302, errors.UpstreamFailed),
    ],
)  # fmt: skip
def test_the_kind_follows_the_status(status: int, kind: type[ApiError]) -> None:
    assert type(read(status, error())) is kind


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (error(code=404), errors.NotFound),
        (error(code="429"), errors.RateLimited),
        (error(status_code=400, type="invalid_request_error"), errors.InvalidRequest),
        (error(type="invalid_request_error", code=None), errors.InvalidRequest),
        (error(type="overloaded_error"), errors.Overloaded),
        (error(code="rate_limit_exceeded"), errors.RateLimited),
        (error(code="1500"), errors.UpstreamFailed),
        ({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, errors.BillingFailed),
        ({"base_resp": {"status_code": 1002, "status_msg": "rpm"}}, errors.RateLimited),
        ({"base_resp": {"status_code": 1004, "status_msg": "login fail"}}, errors.UpstreamFailed),
        (error("request (9 tokens) exceeds the available context size (8 tokens)"), errors.InvalidRequest),
    ],
)
def test_inside_a_200_code_and_type_decide(body: dict[str, Any], kind: type[ApiError]) -> None:
    assert type(read(200, body)) is kind


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, error("Invalid API Key")),
        (401, b""),
        (403, error("Forbidden", code="forbidden", type="invalid_request_error")),
        (403, error("Invalid Authentication")),
        (400, [error("API key not valid. Please pass a valid API key.", code=400)]),
        (400, {"error": "Incorrect API key provided: xa***d."}),
        (200, error("No auth credentials found", code=401)),
    ],
)
def test_a_refused_key_is_the_gateways_trouble_and_is_not_retried(status: int, body: Any) -> None:
    found = read(status, body)
    assert (found.status, found.type, found.should_retry) == (502, "api_error", False)
    assert found.message.startswith("The provider refused the gateway's key: ")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (402, error("Insufficient Balance")),
        (429, error("You exceeded your current quota, please check your plan.", code="insufficient_quota")),
        (403, error("Your account balance is too low")),
        (403, error("Key limit exceeded (total limit). Manage it in the settings.", code=403)),
        (400, error("Your credit balance is too low to access the API")),
        (429, error("x", code="exceeded_current_quota_error")),
    ],
)
def test_spent_money_is_a_billing_error_and_is_not_retried(status: int, body: Any) -> None:
    found = read(status, body)
    assert (found.status, found.type, found.should_retry) == (402, "billing_error", False)


def test_a_limit_per_minute_that_is_worded_as_a_quota_is_a_rate_limit() -> None:
    body = [error("You exceeded your current quota, check your plan. Please retry in 32.5s.", code=429)]
    found = read(429, body)
    assert (found.status, found.retry_after, found.should_retry) == (429, 33, None)


@pytest.mark.parametrize(
    "message",
    ["Your input was flagged", "Blocked by moderation; check your access token settings", "Country not supported"],
)
def test_other_403s_are_permission_errors(message: str) -> None:
    assert type(read(403, error(message))) is errors.PermissionDenied


def test_an_overloaded_500_is_overloaded() -> None:
    assert type(read(500, error("The engine is currently overloaded, please try again later"))) is errors.Overloaded


@pytest.mark.parametrize("status", [200, 400, 413, 422, 500])
def test_overflow_is_told_in_anthropics_words_with_the_providers_below(status: int) -> None:
    words = "This model's maximum context length is 1000 tokens. However, your messages resulted in 1200 tokens."
    found = read(status, error(words, code="context_length_exceeded"))
    assert (found.status, found.type) == (400, "invalid_request_error")
    assert found.message == f"prompt is too long: 1200 tokens > 1000 maximum\n{words}"


def test_anthropics_own_words_are_not_doubled() -> None:
    words = "prompt is too long: 210000 tokens > 200000 maximum"
    assert read(400, error(words)).message == words


def test_overflow_that_only_the_code_tells_is_found() -> None:
    assert read(400, error("Bad request", code="context_length_exceeded")).message == (
        "prompt is too long: 200000 tokens > 131072 maximum\nBad request"
    )


def test_a_request_above_the_limit_per_minute_is_too_large_and_no_overflow() -> None:
    words = "Request too large on tokens per minute (TPM): Limit 6000, Requested 9000, please reduce your message size"
    assert type(read(413, error(words, code="rate_limit_exceeded"))) is errors.RequestTooLarge


@pytest.mark.parametrize(
    ("header", "message", "seconds"),
    [
        ("7", "", 7), ("0.2", "", 1), (" 30 ", "", 30), ("Wed, 21 Oct 2026 07:28:00 GMT", "", None), ("-1", "", None),
        ("1e9", "", None), ("nan", "", None), (None, "", None), (None, "Please try again in 7.66s.", 8),
        (None, "try again in 450ms", 1), (None, "Please try again in 1m7.66s.", 68), (None, "retry after 5 seconds", 5),
        (None, "try again in 2h3m4s", 7384), ("2", "Please try again in 9s", 2), (None, "wait 1500 tokens", None),
    ],
)  # fmt: skip
def test_the_time_to_wait_in_whole_seconds(header: str | None, message: str, seconds: int | None) -> None:
    assert read(429, error(message), retry_after=header).retry_after == seconds


def test_the_time_to_wait_is_kept_for_overload_and_for_nothing_else() -> None:
    assert read(503, error(), retry_after="5").retry_after == 5
    assert read(400, error(), retry_after="5").retry_after is None


@pytest.mark.parametrize("status", [200, 400, 403, 500, 502])
@pytest.mark.parametrize(
    "page",
    [
        b"<!DOCTYPE html><html><head><title>502 Bad\n Gateway</title></head><body><script>evil()</script></body>",
        b"<html>\r\n<head><title>502 Bad Gateway</title></head>",
        b'{"error": "<html><title>502 Bad Gateway</title>evil()"}',
        b"<h1>502 Bad Gateway</h1>evil()",
    ],
)
def test_of_a_web_page_only_the_title_is_told(status: int, page: bytes) -> None:
    message = read(status, page).message
    assert "502 Bad Gateway" in message
    assert "<" not in message
    assert "evil" not in message


def test_markup_in_a_title_is_not_told() -> None:
    message = read(502, b"<html><title>a &lt;script&gt; b</title>").message
    assert message == "the provider answered with a web page: a script b"


def test_control_characters_are_stripped_and_long_texts_cut() -> None:
    assert read(400, error("a\x1b[31mb\x00\u202ec\ud800d\ne")).message == "a[31mbcd\ne"
    assert len(read(400, error("x" * 5000)).message) == MAX_MESSAGE
    assert len(read(401, error("x" * 5000)).message) == MAX_MESSAGE
    assert len(read(400, error("prompt is too long " + "x" * 5000)).message) == MAX_MESSAGE


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "message", "detail", "code", "type", "metadata", "raw", "base_resp", "errors", "choices"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(
    st.integers(0, 999),
    JSON.filter(lambda value: isinstance(value, dict | list)) | st.binary(max_size=80) | st.text(max_size=80),
)
def test_no_body_breaks_it(status: int, body: Any) -> None:
    found = read(status, body, context_window=None, retry_after="x")
    assert 400 <= found.status <= 599
    assert 0 < len(found.message) <= MAX_MESSAGE
    found.message.encode()


@pytest.mark.parametrize(
    "text",
    [
        "1" * 200_000,
        "api key!" * 9000,
        "no " * 30_000,
        "context length " + "1," * 90_000,
        "retry " * 9000,
        " " * 90_000,
    ],
)
def test_hostile_texts_are_read_in_linear_time(text: str) -> None:
    start = time.perf_counter()
    for status in (400, 403, 429, 500):
        read(status, text)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    "data",
    [
        error(), {"error": "text"}, {"error": [{"message": "m"}]}, {"code": "c", "error": "m"},
        {"base_resp": {"status_code": 1002, "status_msg": "m"}},
        {"id": "x", "choices": [], "x_groq": {"id": "r", "error": "m"}},
        {"id": "x", "choices": [{"index": 0, "finish_reason": None, "error": {"message": "m", "code": 502}}]},
        {"detail": "m"}, {"object": "error", "message": "m"}, {"message": "m", "request_id": "r"}, {"errors": ["m"]},
        {"id": "x", "choices": [{"delta": {}}], "error": {"message": "m"}},
    ],
    ids=repr,
)  # fmt: skip
def test_an_error_inside_an_answer_is_found_and_can_be_read(data: dict[str, Any]) -> None:
    found = error_in(data)
    assert found is not None
    assert read(200, found).message in ("m", "no", "text")


@pytest.mark.parametrize(
    "data",
    [
        {}, {"error": None, "choices": []}, {"error": {}, "choices": []}, {"error": ""}, {"choices": {}},
        {"base_resp": {"status_code": 0}}, {"base_resp": None}, {"choices": None}, {"choices": [None, {"error": None}]},
        {"x_groq": {"id": "r"}},
        {"id": "x", "object": "chat.completion.chunk", "choices": [{"delta": {"content": "a"}}], "usage": None},
        {"id": "x", "message": "odd but an answer", "choices": []},
    ],
    ids=repr,
)  # fmt: skip
def test_an_answer_is_no_error(data: dict[str, Any]) -> None:
    assert error_in(data) is None
