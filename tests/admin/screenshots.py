"""Serves realistic data and takes pictures of its pages: `python -m tests.admin.screenshots [DIR]`.

Every page at three widths in both themes goes to DIR (default: `screenshots` in the temporary directory); the upper
parts of those in DOCUMENTED go to `docs/images`.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, async_playwright

from gatewayd.store import Store
from tests.admin.conftest import Ui, make_traffic, run_ui
from tests.admin.history import write_history
from tests.servers import PROVIDER_KEY, run_simulator
from tests.store.sessions import agent_session
from tests.tools import ROOT, need

WIDTHS = (390, 1024, 1600)
DOCUMENTED = {
    "login": "light",
    "dashboard": "light",
    "gateways": "light",
    "gateways-demo": "light",
    "gateways-demo-connect": "dark",
    "gateways-demo-edit": "light",
    "logs": "light",
    "request": "dark",
    "compare": "light",
    "context": "light",
    "sessions": "light",
    "session": "dark",
    "usage": "light",
    "config": "light",
    "system": "dark",
}
_GATEWAY_PAGES = ("", "/new", "/demo", "/demo/connect", "/demo/edit", "/demo/usage", "/demo/history", "/demo/test")
_DOCUMENTED_SIZE = {"width": 1180, "height": 760}
_SESSION = "6f1d2b90-52c4-4e1b-9a52-3f6f2a3f1c77"


def make_requests(ui: Ui) -> None:
    """What is looked at in detail: a long conversation with agents, thinking, a failure, hostile text."""
    make_traffic(ui)
    headers = {"x-claude-code-session-id": _SESSION, "user-agent": "claude-cli/2.1.197 (external, cli)"}
    for number, (request, _, _) in enumerate(agent_session(6)):
        for message in request["messages"]:
            for block in message["content"]:
                block.pop("cache_control", None)
        agent = {"x-claude-code-agent-id": "explore-1"} if number in (2, 3) else {}
        fields = {**request, "model": "claude-opus-4-5", "stream": True, "context_management": {"edits": []}}
        ui.message(headers={**headers, **agent}, **fields)
    ui.message(headers=headers, model="sim-error-429")


def pages(ui: Ui) -> dict[str, str]:
    sessions: list[dict[str, Any]] = ui.get("/sessions.json").json()["sessions"]
    longest = max(sessions, key=lambda each: int(each["requests"]))["id"]
    rows: list[dict[str, Any]] = ui.get("/logs.json?limit=100").json()["rows"]
    answered = next(row for row in rows if row["session"] == _SESSION and row["outcome"] == "ok")
    failed = next(row for row in rows if row["outcome"] == "error")
    return {
        "dashboard": "/dashboard",
        "logs": "/logs",
        "logs-errors": "/logs?outcome=error",
        "request": f"/logs/{answered['id']}",
        "request-failed": f"/logs/{failed['id']}",
        "compare": f"/logs/{answered['id']}?view=compare",
        "answer": f"/logs/{answered['id']}?view=answer",
        "context": f"/logs/{answered['id']}?view=context",
        "sessions": "/sessions",
        "session": f"/sessions/{longest}",
        "usage": "/usage?range=month",
        "usage-by-model": "/usage?range=month&by=model",
        "config": "/config",
        "system": "/system",
        **{f"gateways{path.replace('/', '-')}": f"/gateways{path}" for path in _GATEWAY_PAGES},
    }


async def open_context(browser: Browser, ui: Ui, size: dict[str, int], theme: str) -> BrowserContext:
    viewport: Any = size
    scheme: Any = theme
    context = await browser.new_context(base_url=ui.root, viewport=viewport, color_scheme=scheme, locale="en-GB")
    cookies: Any = [{"name": name, "value": value, "url": ui.root} for name, value in ui.client.cookies.items()]
    await context.add_cookies(cookies)
    return context


async def take(context: BrowserContext, path: str, target: Path, *, whole: bool) -> None:
    page = await context.new_page()
    response = await page.goto(path)
    assert response is not None
    assert response.ok, path
    await page.wait_for_load_state("networkidle")
    await page.screenshot(path=target, full_page=whole)
    await page.close()


async def take_all(ui: Ui, folder: Path) -> None:
    async with Store(f"sqlite:///{ui.folder}/gatewayd.db") as store:
        await write_history(store, days=28, sessions=220)
    wanted = pages(ui)
    images = ROOT / "docs" / "images"
    images.mkdir(exist_ok=True)
    program = need("chromium") / "chromium"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program.resolve(), args=["--no-sandbox"])
        for width in WIDTHS:
            for theme in ("light", "dark"):
                context = await open_context(browser, ui, {"width": width, "height": 1000}, theme)
                for name, path in wanted.items():
                    await take(context, path, folder / f"{name}-{width}-{theme}.png", whole=True)
                await context.clear_cookies()
                await take(context, "/login", folder / f"login-{width}-{theme}.png", whole=True)
                await context.close()
        for name, theme in DOCUMENTED.items():
            context = await open_context(browser, ui, _DOCUMENTED_SIZE, theme)
            if name == "login":
                await context.clear_cookies()
            await take(context, wanted.get(name, "/login"), images / f"{name}.png", whole=False)
            await context.close()
        await browser.close()


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(tempfile.gettempdir()) / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    with (
        run_simulator(api_key=PROVIDER_KEY) as simulator,
        tempfile.TemporaryDirectory() as home,
        run_ui(Path(home), simulator, {"GATEWAYD_LOG_BODIES": "all"}) as ui,
    ):
        make_requests(ui)
        ui.eventually("/logs.json", lambda response: any(row["session"] == _SESSION for row in response.json()["rows"]))
        time.sleep(1)  # for the last rows to be written
        asyncio.run(take_all(ui, folder))
    print(folder)


if __name__ == "__main__":
    main()
