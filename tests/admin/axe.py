"""axe-core in a page: what it finds against WCAG 2.2 AA and its best practices."""

from __future__ import annotations

from playwright.async_api import Page

from tests.tools import need


async def violations(page: Page) -> list[str]:
    """One line for each: the rule, and the first element that breaks it."""
    found = next(need("axe").rglob("axe.min.js"))
    await page.evaluate(found.read_text(encoding="utf-8"))
    result = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in result["violations"]]
