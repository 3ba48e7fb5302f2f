"""/usage: sums of what was used, by hour and day, gateway, model and token; charts with their tables; files."""

from __future__ import annotations

import csv
import io

import pytest
from playwright.async_api import expect

from tests.admin.axe import violations
from tests.admin.conftest import HOSTILE, OpenPage, Ui

session = pytest.mark.asyncio(loop_scope="session")


def test_it_sums_up_all_requests(ui: Ui) -> None:
    rows = ui.get("/usage.json?range=day").json()["rows"]
    assert sum(row["requests"] for row in rows) >= 9
    text = ui.get("/usage").text
    assert "<figcaption>Tokens</figcaption>" in text
    assert "<figcaption>Cost</figcaption>" in text
    assert "without a price" in text


@pytest.mark.parametrize("by", ["gateway", "model", "token"])
def test_it_is_grouped_by_what_is_asked_for(ui: Ui, by: str) -> None:
    text = ui.get(f"/usage?by={by}&range=month").text
    assert f"<figcaption>Tokens by {by}</figcaption>" in text
    name = {"gateway": "demo", "model": "sim-fast", "token": "tests"}[by]
    assert f">{name}</a>" in text
    assert {row[by] for row in ui.get(f"/usage.json?by={by}").json()["rows"]} >= {name}


def test_filters_and_the_link_of_a_group_narrow_it_down(ui: Ui) -> None:
    assert 'href="/usage?model=kimi-k2"' in ui.get("/usage?by=model").text
    rows = ui.get("/usage.json?model=kimi-k2&gateway=demo&token=tests").json()["rows"]
    assert sum(row["unpriced"] for row in rows) == sum(row["requests"] for row in rows) >= 1
    assert "no price set" in ui.get("/usage?model=kimi-k2").text
    assert "<figcaption>Cost" not in ui.get("/usage?model=kimi-k2").text
    assert "Nothing was used" in ui.get("/usage?gateway=none").text


@pytest.mark.parametrize(("name", "steps"), [("day", 24), ("week", 168), ("month", 30), ("quarter", 90), ("year", 365)])
def test_every_range_has_a_row_for_each_of_its_steps(ui: Ui, name: str, steps: int) -> None:
    text = ui.get(f"/usage?range={name}&model=kimi-k2").text
    assert text.count('<tr><th scope="row"><time') == 2 * steps
    assert len(text) < 200_000


def test_hostile_names_are_escaped(ui: Ui) -> None:
    text = ui.get("/usage?by=model").text
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>alert(1)" not in text
    assert "<script>alert" not in ui.client.get("/usage", params={"gateway": HOSTILE}).text


@pytest.mark.parametrize("query", ["range=x", "by=x", "by=at", "range=&by=", "gateway=%00"])
def test_an_address_that_is_not_understood_does_no_harm(ui: Ui, query: str) -> None:
    for path in ("/usage", "/usage.json", "/usage.csv"):
        assert ui.get(f"{path}?{query}").status_code == 200


def test_as_csv(ui: Ui) -> None:
    response = ui.get("/usage.csv?by=model&range=month")
    table = list(csv.DictReader(io.StringIO(response.text)))
    assert {row["model"] for row in table} >= {"kimi-k2", HOSTILE}
    assert response.headers["content-disposition"] == 'attachment; filename="usage.csv"'


@session
async def test_charts_are_drawn_from_their_tables(open_page: OpenPage) -> None:
    page = await open_page("/usage?range=day")
    await expect(page.locator("figure.drawn canvas")).to_have_count(3)
    await expect(page.locator("figure details").first).not_to_have_attribute("open", "")
    await page.get_by_label("Grouped by").select_option("model")
    await page.wait_for_url("**/usage?range=day&by=model")
    await expect(page.locator("figure.drawn canvas")).to_have_count(3)


@session
async def test_without_scripts_the_tables_are_there(open_page: OpenPage) -> None:
    page = await open_page("/usage?range=day", scripts=False)
    await expect(page.locator("figure table").first).to_be_visible()
    await page.get_by_label("Time").select_option("month")
    await page.get_by_role("button", name="Show").click()
    assert "range=month" in page.url


@session
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("path", ["/usage?by=model&range=month", "/usage?gateway=none"])
async def test_it_is_accessible(open_page: OpenPage, path: str, dark: bool) -> None:
    page = await open_page(path, dark=dark)
    assert await violations(page) == []


@session
@pytest.mark.parametrize("width", [390, 1024, 1600])
async def test_it_fits(open_page: OpenPage, width: int) -> None:
    for path in ("/usage", "/usage?by=model"):
        page = await open_page(path, width=width)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
