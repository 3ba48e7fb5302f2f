"""/login and /logout of a served gateway, and what holds for every answer of the UI."""

from __future__ import annotations

import re
import socket
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from gatewayd.admin.routes import ROUTES
from tests.admin.conftest import HOSTILE, USERNAME, OpenPage, Ui, run_ui
from tests.servers import RunningSimulator

PAGES = [
    re.sub(r"<\w+>", "demo", route.path)
    for route in ROUTES
    if route.method == "GET" and not route.open and not route.path.endswith("/live")  # an answer that does not end
]
FORMS = [re.sub(r"<\w+>", "demo", route.path) for route in ROUTES if route.method == "POST" and not route.open]
session = pytest.mark.asyncio(loop_scope="session")


def test_logging_in_sets_a_cookie_and_leads_on(ui: Ui) -> None:
    with ui.new_client() as client:
        response = client.post(
            "/login", data={"username": USERNAME, "password": ui.password, "next": "/gateways?state=deleted"}
        )
        assert (response.status_code, response.headers["location"]) == (303, "/gateways?state=deleted")
        cookie = response.headers["set-cookie"]
        assert re.fullmatch(r"gatewayd=[\w-]{43}; Path=/; HttpOnly; SameSite=Lax", cookie)
        assert client.get("/dashboard").status_code == 200
        assert client.get("/login").headers["location"] == "/dashboard"


def test_on_https_the_cookie_is_for_that_alone(ui: Ui) -> None:
    host = ui.root.removeprefix("http://")
    with httpx.Client(base_url=ui.root, trust_env=False) as client:
        form = {"username": USERNAME, "password": ui.password}
        cookie = client.post("/login", data=form, headers={"origin": f"https://{host}"}).headers["set-cookie"]
    assert re.fullmatch(r"__Host-gatewayd=[\w-]{43}; Path=/; HttpOnly; SameSite=Lax; Secure", cookie)


def test_a_wrong_password_says_so_and_keeps_the_name_alone(ui: Ui) -> None:
    with ui.new_client() as client:
        response = client.post("/login", data={"username": HOSTILE, "password": "wrong-" + "x" * 20, "next": "/logs"})
        assert response.status_code == 401
        assert "not right" in response.text
        assert "<script>alert" not in response.text
        assert "wrong-xxxx" not in response.text
        assert 'name="next" value="/logs"' in response.text
        assert "set-cookie" not in response.headers


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_it_leads_to_no_other_site(ui: Ui, target: str) -> None:
    with ui.new_client() as client:
        form = {"username": USERNAME, "password": ui.password, "next": target}
        assert client.post("/login", data=form).headers["location"] == "/dashboard"
        assert target not in client.get("/login", params={"next": target}).text


def test_after_the_logout_the_cookie_is_worth_nothing(ui: Ui) -> None:
    with ui.new_client() as client:
        ui.log_in(client)
        cookie = client.cookies["gatewayd"]
        assert client.get("/logout").status_code == 405
        response = client.post("/logout")
        assert (response.status_code, response.headers["location"]) == (303, "/login")
        assert "Max-Age=0" in response.headers["set-cookie"]
        assert ui.anyone.get("/dashboard", headers={"cookie": f"gatewayd={cookie}"}).status_code == 303


def test_each_login_has_a_cookie_of_its_own(ui: Ui) -> None:
    with ui.new_client() as client:
        ui.log_in(client)
        first = client.cookies["gatewayd"]
        ui.log_in(client)
        assert client.cookies["gatewayd"] != first
        assert ui.anyone.get("/dashboard", headers={"cookie": f"gatewayd={first}"}).status_code == 303


@pytest.mark.parametrize("path", PAGES)
def test_every_page_needs_a_login(ui: Ui, path: str) -> None:
    for headers in (
        {},
        {"cookie": "gatewayd=" + "x" * 43},
        {"x-api-key": ui.token},
        {"authorization": f"Bearer {ui.token}"},
    ):
        response = ui.anyone.get(path, headers=headers)
        assert response.status_code == 303
        assert response.headers["location"].startswith("/login")


@pytest.mark.parametrize("path", FORMS)
def test_every_form_needs_a_login(ui: Ui, path: str) -> None:
    for headers in ({}, {"x-api-key": ui.token}, {"authorization": f"Bearer {ui.token}"}):
        response = ui.anyone.post(path, headers=headers, data={"a": "b"})
        assert (response.status_code, response.headers["location"]) == (303, "/login")


@pytest.mark.parametrize("path", [*FORMS, "/login"])
def test_every_form_must_come_from_a_page_of_ours(ui: Ui, path: str) -> None:
    cookie = {"cookie": f"gatewayd={ui.client.cookies['gatewayd']}"}
    with httpx.Client(base_url=ui.root, trust_env=False, headers=cookie) as client:
        for headers in (
            {},
            {"origin": "null"},
            {"origin": "https://evil.example"},
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "cross-site", "origin": ui.root},
            {"sec-fetch-site": "same-site"},
            {"sec-fetch-site": "none"},
            {"referer": ui.root},
        ):
            assert client.post(path, headers=headers, data={"username": "a"}).status_code == 403, headers


@pytest.mark.parametrize("path", PAGES)
def test_a_page_takes_no_other_method(ui: Ui, path: str) -> None:
    if path not in FORMS:
        response = ui.client.post(path)
        assert response.status_code == 405
        assert "GET" in response.headers["allow"]
    assert ui.client.request("TRACE", path).status_code in (400, 405)
    assert ui.client.put(path).status_code == 405


@pytest.mark.parametrize("path", [path for path in FORMS if path not in PAGES])
def test_what_changes_something_is_not_asked_for_by_get(ui: Ui, path: str) -> None:
    response = ui.get(path)
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize("path", [*PAGES, "/login", "/no-such-page"])
def test_every_answer_has_the_headers_that_protect_it(ui: Ui, path: str) -> None:
    for client in (ui.client, ui.anyone):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
        assert "unsafe" not in policy
        assert {"form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"} <= set(policy.split("; "))
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
        assert not {"server", "x-powered-by", "access-control-allow-origin"} & headers.keys()


class Inline(HTMLParser):
    """What a policy without `unsafe-inline` does not let run or apply, by the tags that have it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        scripted = [name for name, value in attrs if name.startswith("on") or (value or "").startswith("javascript:")]
        if scripted or "style" in values or tag == "style" or (tag == "script" and "src" not in values):
            self.found.append(f"{tag} {values}")


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_inline(ui: Ui, path: str) -> None:
    response = ui.get(path)
    if response.headers["content-type"].startswith("text/html"):
        page = Inline()
        page.feed(response.text)
        assert page.found == []


def test_an_unknown_page_is_friendly_and_an_unknown_route_of_clients_is_theirs(ui: Ui) -> None:
    page = ui.get("/no-such-page")
    assert page.status_code == 404
    assert "There is no such page" in page.text
    assert ui.anyone.get("/gateway/demo/nothing").json()["error"]["type"] == "not_found_error"
    assert ui.anyone.get("/health").json() == {"status": "ok"}
    assert ui.anyone.post("/health").json()["type"] == "error"
    for path in ("/docs", "/docs/openapi.json", "/.env", "/.git/config", "/static/"):
        assert ui.anyone.get(path).status_code == 404


def test_a_form_that_is_too_large_or_broken_is_refused(ui: Ui) -> None:
    assert ui.client.post("/login", content=b"a=" + b"x" * 2_000_000).status_code == 413
    assert ui.client.post("/login", content="&".join(f"a{n}=1" for n in range(6000))).status_code == 400
    assert ui.client.post("/login", content=b"a=%ff").status_code == 400
    assert ui.client.post("/login", content="a=ü".encode()).status_code == 400


def test_nobody_reads_a_stranger_s_form(ui: Ui) -> None:
    """The answer comes before the body does."""
    host, port = ui.root.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        head = f"POST /logout HTTP/1.1\r\nHost: {host}\r\nSec-Fetch-Site: cross-site\r\nContent-Length: 500000\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 403")


def test_thirty_wrong_passwords_are_throttled_whatever_they_say_where_they_come_from(own_ui: Ui) -> None:
    statuses = []
    for number in range(30):
        headers = {"x-forwarded-for": f"198.51.100.{number}", "forwarded": f"for=198.51.100.{number}"}
        form = {"username": USERNAME, "password": f"wrong password {number}"}
        response = own_ui.anyone.post("/login", data=form, headers=headers)
        statuses.append(response.status_code)
    assert statuses == [401] * 5 + [429] * 25
    assert 0 < int(response.headers["retry-after"]) <= 900
    assert own_ui.get("/dashboard").status_code == 200  # who is logged in stays so
    assert own_ui.message().status_code == 200


def test_another_password_ends_all_logins(tmp_path: Path, simulator: RunningSimulator) -> None:
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    database = {"DATABASE_URL": f"sqlite:///{tmp_path}/gatewayd.db", "GATEWAYD_CONFIG_MODE": "off"}
    with run_ui(tmp_path / "a", simulator, database) as ui:
        cookie = ui.client.cookies["gatewayd"]
        assert ui.get("/dashboard").status_code == 200
    with run_ui(tmp_path / "b", simulator, database) as ui:
        assert ui.anyone.get("/dashboard", headers={"cookie": f"gatewayd={cookie}"}).status_code == 303


@session
@pytest.mark.parametrize("scripts", [True, False])
async def test_one_logs_in_and_out_in_a_browser(ui: Ui, open_page: OpenPage, scripts: bool) -> None:
    page = await open_page("/dashboard", scripts=scripts)
    await page.get_by_role("button", name="Log out").click()
    await page.wait_for_url("**/login")
    await page.goto("/dashboard?of=today")
    assert page.url.endswith("/login?next=/dashboard%3Fof%3Dtoday")
    await page.get_by_label("Name").fill(USERNAME)
    await page.get_by_label("Password").fill(ui.password)
    await page.get_by_role("button", name="Log in").click()
    await page.wait_for_url("**/dashboard?of=today")
    ui.log_in(ui.client)  # the one that was logged out


@session
async def test_logging_in_works_over_plain_http_from_another_machine(ui: Ui, open_page: OpenPage) -> None:
    """There browsers send no Fetch Metadata, and the Origin is all that says where a form comes from."""
    page = await open_page("/login")
    root = ui.root.replace("127.0.0.1", "plain.example")
    await page.goto(f"{root}/login")
    await page.get_by_label("Name").fill(USERNAME)
    await page.get_by_label("Password").fill(ui.password)
    await page.get_by_role("button", name="Log in").click()
    await page.wait_for_url("**/dashboard")
