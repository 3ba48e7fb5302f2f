"""axe-core in a page: what it finds against WCAG 2.2 AA and its best practices."""

from __future__ import annotations

from playwright.async_api import Page

from tests.tools import need

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


async def violations(page: Page) -> list[str]:
    source = (need("axe") / "node_modules" / "axe-core" / "axe.min.js").read_text()
    await page.evaluate(source)  # the page's policy lets no script in by an element
    found = await page.evaluate("tags => axe.run({runOnly: {type: 'tag', values: tags}})", TAGS)
    return [
        f"{each['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for each in found["violations"]
        for node in each["nodes"]
    ]
