"""/logs: the list, its filters, its pages, its files; and the live tail, in a browser and without scripts."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest
from playwright.async_api import expect

from tests.admin.axe import violations
from tests.admin.conftest import HOSTILE, OpenPage, Ui

session = pytest.mark.asyncio(loop_scope="session")
SESSION = "11111111-aaaa-4aaa-8aaa-111111111111"


def rows(ui: Ui, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ui.get(f"/logs.json?{query}").json()["rows"]
    return found


def ids(text: str) -> list[str]:
    return re.findall(r'<tr id="(req_\w+)"', text)


def test_it_shows_the_latest_requests_with_what_they_took_and_cost(ui: Ui) -> None:
    page = ui.get("/logs")
    assert page.status_code == 200
    for text in (
        "claude-haiku-4-5",
        "→ sim-fast",
        "end_turn",
        "rate_limit_error",
        "TTFT",
        "tok/s",
        "$0.0",
        SESSION[:8],
    ):
        assert text in page.text
    assert len(ids(page.text)) == min(len(rows(ui)), 50)


def test_hostile_text_is_escaped(ui: Ui) -> None:
    text = ui.get("/logs").text
    assert "<script>alert(1)" not in text
    assert "<img src=x" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{7*7}}" in text


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ("outcome=error", lambda row: row["outcome"] == "error"),
        ("model=kimi-k2", lambda row: row["model"] == "kimi-k2"),
        ("gateway=demo&token=tests&model=sim-fast", lambda row: row["model"] == "sim-fast"),
        (f"session={SESSION}", lambda row: row["session"] == SESSION),
        ("seconds=0.9", lambda row: row["duration_ms"] >= 900),
        ("error=RATE LIMIT", lambda row: "Rate limit" in row["error"]),
        ("since=2020-01-01T00:00", lambda row: True),
    ],
)
def test_a_filter_shows_what_it_says_and_nothing_else(ui: Ui, query: str, holds: Any) -> None:
    found = rows(ui, query)
    assert found
    assert all(map(holds, found))
    assert ids(ui.get(f"/logs?{query}").text) == [row["id"] for row in found][:50]


def test_what_nothing_is_like_finds_nothing_and_says_so(ui: Ui) -> None:
    for query in ("gateway=none", "until=2020-01-01T00:00:00Z", "error=%25_nowhere", "session=x"):
        page = ui.get(f"/logs?{query}")
        assert "No request matches" in page.text
        assert ids(page.text) == []


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("since", "yesterday", "Not a time"),
        ("seconds", "-1", "Not a number of seconds"),
        ("outcome", "fine", "One of ok"),
        ("until", "2026-13-01", "Not a time"),
    ],
)
def test_a_filter_that_is_not_understood_is_told_and_for_programs_refused(
    ui: Ui, name: str, value: str, told: str
) -> None:
    page = ui.client.get("/logs", params={name: value})
    assert page.status_code == 200
    if name != "outcome":
        assert told in page.text
    assert ui.client.get("/logs.json", params={name: value}).status_code == 400
    assert ui.client.get("/logs.csv", params={name: value}).status_code == 400


def test_pages_follow_each_other_without_gap_or_repetition(ui: Ui) -> None:
    wanted = [row["id"] for row in rows(ui, f"session={SESSION}")]
    assert len(wanted) >= 4
    found, after = [], ""
    while True:
        page = ui.get(f"/logs.json?session={SESSION}&limit=1&after={after}").json()
        found += [row["id"] for row in page["rows"]]
        after = page["next"] or ""
        if not after:
            break
    assert found == wanted


@pytest.mark.parametrize("after", ["x", "1~", "~", "9" * 40, "1~<script>", "1~a' OR 1=1", "%00"])
def test_a_cursor_that_is_none_leads_to_the_beginning(ui: Ui, after: str) -> None:
    page = ui.client.get("/logs", params={"after": after})
    assert page.status_code == 200
    assert ids(page.text) == ids(ui.get("/logs").text)


def test_as_csv_it_opens_in_a_spreadsheet_harmlessly(ui: Ui) -> None:
    ui.message(model="=HYPERLINK(1)")
    response = ui.eventually("/logs.csv", lambda response: "HYPERLINK" in response.text)
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"] == 'attachment; filename="requests.csv"'
    table = list(csv.DictReader(io.StringIO(response.text)))
    assert {row["model"] for row in table} >= {"'=HYPERLINK(1)", "kimi-k2", HOSTILE}
    assert [row["id"] for row in table] == [row["id"] for row in rows(ui, "limit=1000")]


def test_the_live_tail_asks_for_a_login_and_takes_a_filter_that_is_understood(ui: Ui) -> None:
    assert ui.anyone.get("/logs/live").status_code == 303
    assert ui.client.get("/logs/live", params={"since": "x"}).status_code == 400
    assert ui.client.post("/logs/live").status_code == 405


def test_the_live_tail_sends_new_rows_alone_and_escaped(ui: Ui) -> None:
    newest = rows(ui, "limit=1")[0]
    cursor = f"{newest['ended_at']}~{newest['id']}"
    with ui.client.stream("GET", f"/logs/live?after={cursor}") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["content-security-policy"]
        lines = response.iter_lines()
        ui.message(model=HOSTILE)
        ui.message(model="kimi-k2")
        event = ""
        while not {"kimi-k2", "onerror"} <= set(re.findall(r"kimi-k2|onerror", event)):
            event += next(lines) + "\n"
    assert newest["id"] not in event
    assert "event: rows" in event
    assert re.search(r"^id: \d+~req_\w+$", event, re.MULTILINE)
    assert "&lt;script&gt;alert(1)" in event
    assert "<script>" not in event


def test_who_logs_out_sees_no_more(ui: Ui) -> None:
    with ui.new_client() as client:
        ui.log_in(client)
        with client.stream("GET", "/logs/live") as response:
            lines = response.iter_lines()
            next(lines)
            cookie = {"cookie": f"gatewayd={client.cookies['gatewayd']}"}
            assert ui.anyone.post("/logout", headers=cookie).status_code == 303
            assert "event: end" in list(lines)  # within the 15 s between two signs of life


def test_a_sixth_watcher_is_told_to_wait_and_a_place_becomes_free(ui: Ui) -> None:
    streams = [ui.new_client() for _ in range(5)]
    for client in streams:
        client.cookies = ui.client.cookies
    opened = [client.stream("GET", "/logs/live?gateway=none") for client in streams]
    for each in opened:
        assert each.__enter__().status_code == 200
    assert ui.get("/logs/live").status_code == 503
    opened[0].__exit__(None, None, None)

    def is_free(_: Any) -> bool:
        with ui.client.stream("GET", "/logs/live") as response:
            return response.status_code == 200

    ui.eventually("/logs.json?limit=1", is_free)
    for each in opened[1:]:
        each.__exit__(None, None, None)
    for client in streams:
        client.close()


@session
async def test_a_request_arrives_in_the_live_tail_and_can_be_opened(ui: Ui, open_page: OpenPage) -> None:
    page = await open_page("/logs")
    live = page.get_by_role("button", name="Live")
    await live.click()
    await expect(live).to_have_attribute("aria-pressed", "true")
    ui.message(model="claude-opus-4-5", messages=[{"role": "user", "content": "Do you arrive?"}])
    row = page.locator("tbody tr").first
    await expect(row).to_contain_text("claude-opus-4-5", timeout=5000)
    await expect(page.locator("[data-live-said]")).to_have_text("1 new")
    await live.click()
    await expect(live).to_have_attribute("aria-pressed", "false")
    await row.get_by_role("link").first.click()
    await expect(page.locator("h1")).to_contain_text("req_")
    await expect(page.locator("main")).to_contain_text("claude-opus-4-5")


@session
async def test_without_scripts_the_list_is_filtered_and_a_request_opened(ui: Ui, open_page: OpenPage) -> None:
    page = await open_page("/logs", scripts=False)
    assert not await page.get_by_role("button", name="Live").is_visible()
    await page.get_by_label("Outcome").select_option("error")
    await page.get_by_role("button", name="Filter").click()
    assert "outcome=error" in page.url
    await expect(page.locator("tbody tr").first).to_contain_text("rate_limit_error")
    await page.locator("tbody tr a").first.click()
    await expect(page.locator("main")).to_contain_text("Rate limit reached")


@session
async def test_with_scripts_a_filter_is_sent_when_it_changes_and_keys_move(ui: Ui, open_page: OpenPage) -> None:
    page = await open_page("/logs")
    await page.get_by_label("Outcome").select_option("error")
    await page.wait_for_url("**/logs?outcome=error")
    await page.keyboard.press("j")
    await expect(page.locator("tr.chosen")).to_have_count(1)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/logs/req_*")


@session
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("path", ["/logs?outcome=error&since=x", "/logs?gateway=none"])
async def test_it_is_accessible(open_page: OpenPage, path: str, dark: bool) -> None:
    page = await open_page(path, dark=dark)
    assert await violations(page) == []


@session
@pytest.mark.parametrize("width", [390, 1024, 1600])
async def test_it_fits(open_page: OpenPage, width: int) -> None:
    page = await open_page("/logs", width=width)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
