"""The UI of a served gateway: `gatewayd serve` as a process before the simulated provider, with real traffic behind it.

`ui` is looked at over HTTP, and with `open_page` in a real Chromium. What a test changes it makes itself; what is
there for all stays as it is.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

from tests.servers import PROVIDER_KEY, RunningServer, RunningSimulator, run_server, run_simulator
from tests.tools import need

USERNAME = "admin"
OWN = {"sec-fetch-site": "same-origin"}
HOSTILE = "<script>alert(1)</script>{{7*7}}'\"><img src=x onerror=alert(2)>"
_MODELS = (
    '[{name: "sim-*", price: {input: 1, output: 5, cache_read: 0.1}}, '
    '{name: "claude-*", upstream_model: sim-fast, context_window: 200000, price: {input: 3, output: 15}}, '
    "{name: kimi-k2}]"
)
_UNSET = """\
version: 1
gateways:
  unset:
    name: Waits for its key
    upstream: {base_url: "https://unset.example/v1", api_key: {env: NOT_SET_API_KEY}}
  quiet:
    upstream: {base_url: "http://127.0.0.1:9/v1"}
"""


@dataclass
class Ui:
    """A served UI. root: its address; client: a browser's requests, logged in; anyone: the same without a login."""

    root: str
    password: str
    token: str
    server: RunningServer
    simulator: RunningSimulator
    folder: Path
    anyone: httpx.Client = field(init=False)
    client: httpx.Client = field(init=False)

    def new_client(self) -> httpx.Client:
        return httpx.Client(base_url=self.root, headers=OWN, trust_env=False, timeout=30)

    def log_in(self, client: httpx.Client) -> httpx.Response:
        return client.post("/login", data={"username": USERNAME, "password": self.password})

    def get(self, path: str) -> httpx.Response:
        return self.client.get(path)

    def post(self, path: str, **form: Any) -> httpx.Response:
        return self.client.post(path, data=form)

    def message(self, gateway: str = "demo", token: str | None = None, **fields: Any) -> httpx.Response:
        """Sends one message through a gateway, as a client does."""
        headers = {"x-api-key": token or self.token, **fields.pop("headers", {})}
        body = {"model": "sim-fast", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]} | fields
        return self.anyone.post(f"/gateway/{gateway}/v1/messages", json=body, headers=headers)

    def eventually(self, path: str, holds: Callable[[httpx.Response], bool], seconds: float = 10) -> httpx.Response:
        """The page, when it shows what is written a moment later."""
        deadline = time.monotonic() + seconds
        while not holds(response := self.get(path)):
            assert time.monotonic() < deadline, response.text[:3000]
            time.sleep(0.1)  # rows are written within a second
        return response


@contextmanager
def run_ui(folder: Path, simulator: RunningSimulator, env: dict[str, str] | None = None) -> Iterator[Ui]:
    password = secrets.token_urlsafe(16)
    settings = {"ADMIN_PASSWORD": password, "GATEWAYD_CONFIG_POLL_SECONDS": "0.2", **(env or {})}
    files = {"more.yaml": _UNSET}
    with run_server(folder, "demo", simulator.base_url, _MODELS, PROVIDER_KEY, settings, files=files) as served:
        ui = Ui(served.root, password, served.token, served, simulator, folder)
        with ui.new_client() as ui.anyone, ui.new_client() as ui.client:
            assert ui.log_in(ui.client).status_code == 303
            yield ui


@pytest.fixture(scope="session")
def ui(tmp_path_factory: pytest.TempPathFactory, shared_simulator: RunningSimulator) -> Iterator[Ui]:
    """With some traffic of two sessions behind it: answers, an error, a refusal, hostile text."""
    with run_ui(tmp_path_factory.mktemp("ui"), shared_simulator) as ui:
        make_traffic(ui)
        yield ui


@pytest.fixture
def own_ui(tmp_path: Path) -> Iterator[Ui]:
    """Of this test alone, and without traffic."""
    with run_simulator(api_key=PROVIDER_KEY) as simulator, run_ui(tmp_path, simulator) as ui:
        yield ui


@pytest.fixture
def own_ui_off(tmp_path: Path) -> Iterator[Ui]:
    """Of this test alone, where no file is applied by itself."""
    env = {"GATEWAYD_CONFIG_MODE": "off"}
    with run_simulator(api_key=PROVIDER_KEY) as simulator, run_ui(tmp_path, simulator, env) as ui:
        yield ui


def make_traffic(ui: Ui) -> None:
    for turn in range(3):
        session = {"x-claude-code-session-id": "11111111-aaaa-4aaa-8aaa-111111111111"}
        ui.message(headers=session, messages=[{"role": "user", "content": f"Question {turn}"}])
    agent = {**session, "x-claude-code-agent-id": "agent-1"}
    ui.message(headers=agent, model="claude-haiku-4-5")
    ui.message(model="sim-thinking", stream=True)
    ui.message(model="kimi-k2")  # no price
    ui.message(model="sim-error-429")
    ui.message(model=HOSTILE, headers={"user-agent": HOSTILE}, messages=[{"role": "user", "content": HOSTILE}])
    ui.message(gateway="demo", model="sim-fast", max_tokens=0)
    ui.eventually("/logs.json", lambda response: len(response.json()["rows"]) >= 9)


# One browser for the run, in the session's event loop: its tests carry `pytest.mark.asyncio(loop_scope="session")`.


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    program = need("chromium") / "chromium"
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=program.resolve(),
            args=["--no-sandbox", "--host-resolver-rules=MAP plain.example 127.0.0.1"],
        )
        yield started
        await started.close()


OpenPage = Callable[..., Awaitable[Page]]


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser: Browser, ui: Ui) -> AsyncIterator[OpenPage]:
    """`await open_page(path, width=…, dark=…, scripts=…)`: logged in. Errors in its console fail the test."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    async def open_(
        path: str, *, width: int = 1280, dark: bool = False, scripts: bool = True, of: Ui = ui, ignore: str = "\0"
    ) -> Page:
        def note(message: ConsoleMessage) -> None:
            known = ("Opener-Policy header has been ignored", ignore)  # the one over plain HTTP
            if message.type == "error" and not any(text in message.text for text in known):
                errors.append(message.text)

        context = await browser.new_context(
            base_url=of.root,
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
            permissions=["clipboard-read", "clipboard-write"],
        )
        contexts.append(context)
        context.set_default_timeout(10_000)
        cookies = [{"name": name, "value": value, "url": of.root} for name, value in of.client.cookies.items()]
        await context.add_cookies(cookies)  # type: ignore[arg-type]  # the dictionaries are what it asks for
        page = await context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.goto(path)
        return page

    yield open_
    for context in contexts:
        await context.close()
    assert not errors
