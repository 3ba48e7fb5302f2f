"""/logs/ID: how one request went, both requests and answers side by side, its context, and what may be taken away."""

from __future__ import annotations

import html
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.async_api import expect

from tests.admin.axe import violations
from tests.admin.conftest import HOSTILE, OpenPage, Ui, run_ui
from tests.servers import RunningSimulator
from tests.store.sessions import agent_session

session = pytest.mark.asyncio(loop_scope="session")
VIEWS = ("", "?view=compare", "?view=answer", "?view=context")
SECRET = "ghp_" + "A1" * 18


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, shared_simulator: RunningSimulator) -> Iterator[Ui]:
    """With the bodies of all requests."""
    env = {"GATEWAYD_LOG_BODIES": "all"}
    with run_ui(tmp_path_factory.mktemp("recorded"), shared_simulator, env) as ui:
        ui.message(model="sim-thinking", stream=True, messages=[{"role": "user", "content": "Think well"}])
        ui.message(
            model="claude-opus-4-5",
            unheard_of={"x": HOSTILE},
            system=f"Be kind. {SECRET}",
            tools=[{"name": "Read", "description": HOSTILE, "input_schema": {"type": "object", "properties": {}}}],
            messages=[{"role": "user", "content": HOSTILE}],
        )
        ui.message(model="sim-error-429")
        ui.message(model="no-such-model")
        ui.eventually("/logs.json", lambda response: len(response.json()["rows"]) == 4)
        yield ui


def request_id(ui: Ui, model: str) -> str:
    found: list[dict[str, Any]] = ui.get(f"/logs.json?model={model}&limit=1").json()["rows"]
    return str(found[0]["id"])


def page(ui: Ui, model: str, view: str = "") -> str:
    response = ui.get(f"/logs/{request_id(ui, model)}{view}")
    assert response.status_code == 200
    return response.text


def test_the_request_id_that_the_client_was_told_is_the_address(ui: Ui) -> None:
    told = ui.message().headers["request-id"]
    found = ui.eventually(f"/logs/{told}", lambda response: response.status_code == 200)
    assert told in found.text


def test_the_overview_tells_how_it_went(recorded: Ui) -> None:
    text = page(recorded, "sim-thinking")
    for words in ("Waiting for the provider", "Thinking", "Text", "First token", "end_turn", "as the provider told it"):
        assert words in text
    assert text.count('<rect x="') >= 3


def test_of_a_failure_it_tells_the_error_and_every_attempt(recorded: Ui) -> None:
    text = page(recorded, "sim-error-429")
    assert "Rate limit reached" in text
    assert "Failed attempt: rate_limit_error" in text
    assert "Attempts</h2>" in text
    assert text.count("<td>429</td>") == 2


def test_what_no_provider_was_asked_has_no_timeline_and_says_why_there_are_no_bodies(recorded: Ui) -> None:
    assert "No timeline" in page(recorded, "no-such-model")
    assert "It was refused before it was read" in page(recorded, "no-such-model", "?view=compare")


def test_both_requests_stand_side_by_side_with_the_notes_where_they_belong(recorded: Ui) -> None:
    text = page(recorded, "claude-opus-4-5", "?view=compare")
    assert "model: claude-opus-4-5" in text
    assert "model: sim-fast" in text
    fields, tools = text.index("Other fields"), text.index('<h2 id="tools">')
    assert fields < text.index("fields.dropped") < tools
    assert "unheard_of" in text[fields:tools]
    assert tools < text.index("<span>Read</span>")


def test_both_answers_stand_side_by_side(recorded: Ui) -> None:
    text = page(recorded, "sim-thinking", "?view=answer")
    assert "stop_reason: end_turn" in text
    assert "finish_reason: stop" in text
    assert "chunks: " in text


def test_the_context_is_told_by_system_tool_and_message(recorded: Ui) -> None:
    text = page(recorded, "claude-opus-4-5", "?view=context")
    for words in ("System prompt", "Read", "0 user", "Provider counted"):
        assert words in text


@pytest.mark.parametrize("view", VIEWS)
def test_hostile_text_is_escaped_and_no_secret_is_shown(recorded: Ui, view: str) -> None:
    text = page(recorded, "claude-opus-4-5", view)
    assert "<script>alert(1)" not in text
    assert "<img src=x" not in text
    assert SECRET not in text
    assert recorded.token not in text
    assert "sk-simulated" not in text


@pytest.mark.parametrize("view", VIEWS[1:])
def test_bodies_that_are_not_stored_are_explained_with_what_to_do(ui: Ui, view: str) -> None:
    text = page(ui, "kimi-k2", view)
    assert "bodies of failures alone" in text
    assert 'href="/gateways/demo"' in text


def test_the_command_can_be_run_and_holds_no_token(recorded: Ui) -> None:
    text = page(recorded, "sim-thinking")
    command = html.unescape(re.search(r"<code>(curl .*?)</code>", text, re.DOTALL)[1])  # type: ignore[index]
    words = shlex.split(command.replace("\\\n", " "))
    assert words[1] == f"{recorded.root}/gateway/demo/v1/messages"
    answer = recorded.anyone.post(
        words[1], content=words[-1], headers={"x-api-key": recorded.token, "content-type": "application/json"}
    )
    assert answer.status_code == 200


def test_the_bundle_holds_all_but_people_and_secrets(recorded: Ui) -> None:
    found = request_id(recorded, "claude-opus-4-5")
    response = recorded.get(f"/logs/{found}/bundle.json")
    assert response.headers["content-disposition"] == f'attachment; filename="{found}.json"'
    bundle = response.json()
    assert bundle["request"]["messages"] == [{"role": "user", "content": HOSTILE}]
    assert bundle["upstream_request"]["model"] == "sim-fast"
    assert bundle["upstream_answer"]["completion"]["object"] == "chat.completion"
    assert bundle["answer"]["type"] == "message"
    assert {"code": "fields.dropped", "text": "unheard_of"} in bundle["notes"]
    assert SECRET not in response.text
    assert "127.0.0.1" not in response.text
    bare = recorded.get(f"/logs/{found}/bundle.json?texts=no").text
    assert "onerror" not in bare
    assert '"sim-fast"' in bare


def test_the_request_alone_can_be_downloaded_where_it_is_stored(recorded: Ui, ui: Ui) -> None:
    response = recorded.get(f"/logs/{request_id(recorded, 'claude-opus-4-5')}/request.json")
    assert response.json()["messages"] == [{"role": "user", "content": HOSTILE}]
    assert ui.get(f"/logs/{request_id(ui, 'kimi-k2')}/request.json").status_code == 404


@pytest.mark.parametrize(
    "path",
    ["req_none", "%00", "x" * 300, "%3Cscript%3E", "req_none/bundle.json", "req_none/request.json", "'%20OR%201=1"],
)
def test_an_id_that_is_none_is_a_friendly_404(ui: Ui, path: str) -> None:
    response = ui.get(f"/logs/{path}")
    assert response.status_code == 404
    assert "There is no such page" in response.text
    assert "<script>" not in response.text


def test_a_view_that_is_none_is_a_404(ui: Ui) -> None:
    assert ui.get(f"/logs/{request_id(ui, 'kimi-k2')}?view=x").status_code == 404


def test_a_page_stays_small_however_large_the_request_is(recorded: Ui) -> None:
    request = list(agent_session(60))[-1][0]
    request["messages"][-1]["content"][0].pop("cache_control", None)
    told = recorded.message(**{**request, "model": "sim-fast", "max_tokens": 100})
    assert told.status_code == 200, told.text
    found = told.headers["request-id"]
    recorded.eventually(f"/logs/{found}", lambda response: response.status_code == 200)
    for view in VIEWS:
        assert len(recorded.get(f"/logs/{found}{view}").content) < 200_000
    assert "more characters are in the bundle" in recorded.get(f"/logs/{found}?view=compare").text
    assert "request.json" in recorded.get(f"/logs/{found}").text


@session
async def test_the_views_are_reached_with_scripts_and_without(recorded: Ui, open_page: OpenPage) -> None:
    for scripts in (True, False):
        opened = await open_page(f"/logs/{request_id(recorded, 'claude-opus-4-5')}", scripts=scripts, of=recorded)
        for title in ("Compare", "Answer", "Context", "Overview"):
            await opened.get_by_role("link", name=title, exact=True).click()
            await expect(opened.locator('.tabs [aria-current="page"]')).to_have_text(title)


@session
async def test_from_a_request_without_bodies_the_next_ones_are_recorded(ui: Ui, open_page: OpenPage) -> None:
    opened = await open_page(f"/logs/{request_id(ui, 'kimi-k2')}?view=compare")
    await opened.get_by_role("button", name="Record the next 10 requests").click()
    await expect(opened.locator("main")).to_contain_text("The next requests will be recorded")

    def has_bodies(_: object) -> bool:
        told = ui.message().headers["request-id"]
        found = ui.eventually(f"/logs/{told}?view=compare", lambda response: response.status_code == 200)
        return "model: sim-fast" in found.text

    ui.eventually("/logs", has_bodies)
    assert ui.post("/gateways/demo/record", count="0").status_code == 303


@session
async def test_the_command_is_copied(recorded: Ui, open_page: OpenPage) -> None:
    opened = await open_page(f"/logs/{request_id(recorded, 'sim-thinking')}", of=recorded)
    await opened.get_by_role("button", name="Copy").click()
    await expect(opened.get_by_role("button", name="Copied")).to_be_visible()
    assert (await opened.evaluate("navigator.clipboard.readText()")).startswith("curl http://127.0.0.1")


@session
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("view", VIEWS)
async def test_it_is_accessible(recorded: Ui, open_page: OpenPage, view: str, dark: bool) -> None:
    for model in ("claude-opus-4-5", "sim-error-429", "no-such-model"):
        opened = await open_page(f"/logs/{request_id(recorded, model)}{view}", dark=dark, of=recorded)
        assert await violations(opened) == []


@session
@pytest.mark.parametrize("width", [390, 1024, 1600])
async def test_it_fits(recorded: Ui, open_page: OpenPage, width: int) -> None:
    for view in VIEWS:
        opened = await open_page(f"/logs/{request_id(recorded, 'claude-opus-4-5')}{view}", width=width, of=recorded)
        assert await opened.evaluate("document.documentElement.scrollWidth") <= width, view
