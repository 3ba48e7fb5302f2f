"""Every page of the UI: no violation of WCAG 2.2 AA that axe finds, none that scrolls sideways, in both themes."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Request

from gatewayd.admin.routes import ROUTES
from tests.admin.axe import violations
from tests.admin.conftest import OpenPage, Ui

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGES = sorted(
    {re.sub(r"<gateway_id>", "demo", route.path) for route in ROUTES if route.method == "GET" and route.path != "/"}
)
PAGES = [path for path in PAGES if not re.search(r"\.\w+$|<|/live$", path)] + ["/no-such-page", "/gateways/unset"]


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_accessible_in_both_themes(ui: Ui, open_page: OpenPage, path: str) -> None:
    page = await open_page(path, ignore="404")
    assert await violations(page) == []
    await page.emulate_media(color_scheme="dark")
    assert await violations(page) == []


@pytest.mark.parametrize("width", [320, 390, 768, 1024, 1600])
async def test_no_page_scrolls_sideways(ui: Ui, open_page: OpenPage, width: int) -> None:
    page = await open_page("/login", width=width, ignore="404")
    for path in PAGES:
        await page.goto(path)
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, path


async def test_a_form_with_errors_is_accessible(ui: Ui, open_page: OpenPage) -> None:
    page = await open_page("/gateways/new", ignore="422")
    await page.get_by_label("Context window, row 1").fill("big")
    await page.get_by_role("button", name="Create").click()
    await page.get_by_text("to correct").wait_for()
    assert await violations(page) == []


@pytest.mark.parametrize("path", [path for path in PAGES if path != "/login"])
async def test_a_page_is_three_requests_and_200_kilobytes_at_most(ui: Ui, open_page: OpenPage, path: str) -> None:
    page = await open_page("/dashboard", ignore="404")
    finished: list[Request] = []
    page.on("requestfinished", lambda request: finished.append(request))
    await page.goto(path, wait_until="networkidle")
    sizes = [await request.sizes() for request in finished]
    assert 1 <= len(sizes) <= 3
    assert sum(each["responseBodySize"] + each["responseHeadersSize"] for each in sizes) <= 200_000
