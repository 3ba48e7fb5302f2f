"""/dashboard: sums of the last 24 hours, what needs attention, the first run."""

from __future__ import annotations

import re

import httpx
import pytest

from gatewayd.admin.attention import of_configuration, of_gateways, of_log
from gatewayd.admin.figures import by_hour, hours_until, requests_chart, tokens_chart, total
from gatewayd.gateways import ActiveGateway, Gateway
from gatewayd.observe.metrics import State
from gatewayd.store.usage import HOUR, Usage, UsageRow
from tests.admin.conftest import HOSTILE, OpenPage, Ui
from tests.admin.pages import told

session = pytest.mark.asyncio(loop_scope="session")
NOW = 1_700_000_000_000


def row(at: int, gateway: str = "a", **counts: int) -> UsageRow:
    return UsageRow(at, gateway, None, None, Usage(**{"requests": 1, **counts}))


def test_hours_are_24_and_the_last_is_the_present_one() -> None:
    hours = hours_until(NOW)
    assert len(hours) == 24
    assert hours[-1] <= NOW < hours[-1] + HOUR
    assert hours[0] == hours[-1] - 23 * HOUR


def test_every_hour_has_a_bar_and_they_add_up() -> None:
    hours = hours_until(NOW)
    rows = [
        row(hours[0], requests=5, errors=1, cancelled=1),
        row(hours[0], "b", requests=2),
        row(hours[3], output_tokens=7),
    ]
    requests = requests_chart(by_hour(rows, hours), hours)
    assert requests[0] == (hours[0], 5, 1, 1)
    assert [sum(bar[1:]) for bar in requests] == [7, 0, 0, 1, *[0] * 20]
    assert tokens_chart(by_hour(rows, hours), hours)[3] == (hours[3], 0, 0, 7)


def test_a_cost_that_nobody_knows_is_none_and_not_zero() -> None:
    assert total([row(0, requests=3, unpriced=3)]).cost is None
    assert total([row(0, requests=3, unpriced=1, cost_nano=5)]).cost == 5
    assert total([]).cost is None


def test_what_needs_attention_is_told_with_its_place() -> None:
    gateway = Gateway.model_validate({"upstream": {"base_url": "http://a.example"}})
    fine = ActiveGateway("fine", gateway, gateway.upstream.resolve_dialect(), token_hashes={b"x": "t"})
    lacking = ActiveGateway("lacking", gateway, gateway.upstream.resolve_dialect(), missing_secret="A_API_KEY")
    found = of_gateways([fine, lacking], {"fine": total([row(0, requests=10, errors=5)])})
    assert [(each.title, each.href) for each in found] == [
        ("fine: requests fail", "/gateways/fine"),
        ("lacking: no provider key", "/gateways/lacking"),
        ("lacking: no client token", "/gateways/lacking/connect"),
    ]
    assert of_gateways([fine], {"fine": total([row(0, requests=2, errors=2)])}) == []
    problem = "configs/a.yaml:3:5: gateways.a: unknown key"
    told_of = of_configuration([problem], State(drifted=2, conflicts=1))
    assert told_of[0].text == problem
    assert len(told_of) == 3
    assert of_log(State()) == []
    assert "7 rows" in of_log(State(log_dropped=7))[0].text


def test_the_day_is_summed_up(ui: Ui) -> None:
    def requests(response: httpx.Response) -> int:
        return int(re.search(r"Requests (\d+)", told(response))[1])

    page = ui.eventually("/dashboard", lambda response: requests(response) >= 8)
    text = told(page)
    for word in ("in flight", "First token", "p95", "Needs attention", "unset: no provider key", "NOT_SET_API_KEY"):
        assert word in text
    assert "/gateway/demo" in text
    assert len(re.findall(r'<time [^>]*data-step="hour"', page.text)) == 48
    assert HOSTILE not in page.text


def test_a_file_with_an_error_is_told_with_its_line(own_ui: Ui) -> None:
    broken = own_ui.folder / "configs" / "broken.yaml"
    broken.write_text("version: 1\ngateways:\n  x: {upstream: {base_url: 'ftp://x'}}\n")
    page = own_ui.eventually("/dashboard", lambda response: "configuration file has an error" in response.text)
    assert f"{broken}:3:" in told(page)
    assert own_ui.message().status_code == 200


@session
async def test_the_first_run_card_goes_when_the_first_request_has_come(own_ui: Ui, open_page: OpenPage) -> None:
    page = await open_page("/dashboard", of=own_ui)
    assert await page.get_by_text("Point Claude Code here").is_visible()
    assert "ANTHROPIC_BASE_URL=" in await page.get_by_label("Lines for a shell").inner_text()
    assert own_ui.message().status_code == 200
    await page.get_by_text("The first request has arrived").wait_for()


@session
async def test_charts_are_drawn_from_the_tables_beneath_them(ui: Ui, open_page: OpenPage) -> None:
    page = await open_page("/dashboard")
    await page.locator("figure.drawn canvas").first.wait_for()
    assert await page.locator("figure.drawn").count() == 2
    assert await page.locator("figure details[open]").count() == 0
    await page.get_by_text("Data as a table").first.click()
    assert await page.locator("figure details[open]").count() == 1


@session
async def test_without_scripts_the_tables_are_there(ui: Ui, open_page: OpenPage) -> None:
    page = await open_page("/dashboard", scripts=False)
    assert await page.locator("figure table").first.is_visible()
    assert "UTC" in await page.locator("figure time").first.inner_text()
