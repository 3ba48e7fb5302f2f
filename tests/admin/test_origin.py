"""Where a request comes from, and where it goes afterwards."""

from __future__ import annotations

import pytest

from gatewayd.admin.origin import START, is_own, is_secure, login_path, safe_target

HOST = {"host": "gw.example:8080"}


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "same-origin"},
        {"origin": "http://gw.example:8080"},
        {"origin": "https://GW.example:8080"},
        {"origin": "https://public.example"},
        {"origin": "https://public.example:443"},
    ],
)
def test_a_page_of_ours_is_known(headers: dict[str, str]) -> None:
    assert is_own(HOST | headers, "https://public.example")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://evil.example"},
        {"origin": "http://gw.example:8081"},
        {"origin": "http://gw.example:8080.evil.example"},
        {"origin": "ftp://gw.example:8080"},
        {"origin": "http://[gw.example:8080"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": ""},
        {"sec-fetch-site": "cross-site", "origin": "http://gw.example:8080"},
    ],
)
def test_another_page_is_not(headers: dict[str, str]) -> None:
    assert not is_own(HOST | headers, "https://public.example")
    assert not is_own({**headers, "host": ""}, None)


@pytest.mark.parametrize(
    "target", ["/logs?gateway=a&status=200", "/gateways/demo/edit", "/sessions/a%20b", "/gateways", "/usage"]
)
def test_a_page_of_ours_is_come_back_to(target: str) -> None:
    assert safe_target(target) == target
    assert login_path(target).startswith("/login?next=/")


@pytest.mark.parametrize(
    "target",
    [
        None, "", "logs", "//evil.example", "/\\evil.example", "/\\/evil.example", "https://evil.example",
        "/%2fevil.example", "/a\\b", "/a\r\nset-cookie: x=1", "/ü", "javascript:alert(1)", "/login?next=/login",
        "/logout", "/gateway/a/v1/models",
    ],
)  # fmt: skip
def test_nothing_else_is(target: str | None) -> None:
    assert safe_target(target) == START
    assert login_path(target or "") == "/login"


def test_tls_is_told_by_the_browser_and_the_operator_not_by_a_header_that_anyone_can_send() -> None:
    assert is_secure(HOST, "https", None)
    assert is_secure(HOST | {"origin": "https://gw.example:8080"}, "http", None)
    assert is_secure({"host": "public.example"}, "http", "https://public.example")
    assert not is_secure(HOST, "http", "https://public.example")
    assert not is_secure(HOST | {"x-forwarded-proto": "https", "forwarded": "proto=https"}, "http", None)
