"""/sessions and /sessions/ID: sums, the agents as a tree, turns, growth of the context, the first failure."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.async_api import expect

from gatewayd.admin.sessions import MAIN, Agent, build_tree, chart_context, view_turns
from gatewayd.store.sessions import Turn
from tests.admin.axe import violations
from tests.admin.conftest import HOSTILE, OpenPage, Ui

session = pytest.mark.asyncio(loop_scope="session")
SESSION = "11111111-aaaa-4aaa-8aaa-111111111111"
FAILING = "22222222-bbbb-4bbb-8bbb-222222222222"


def turn(number: int, agent: str = "", caller: str = "", **fields: object) -> Turn:
    values: dict[str, object] = {
        "ended_at": 1000 * number, "id": f"req_{number}", "gateway": "g", "token": "t", "model": "m",
        "upstream_model": None, "status": 200, "outcome": "ok", "stop_reason": None, "error": None, "ttft_ms": 1,
        "duration_ms": 5, "input_tokens": 10 * number, "cache_read": 0, "cache_write": 0, "output_tokens": 1,
        "cost_nano": 7, "agent": agent or None, "parent_agent": caller or None,
    }  # fmt: skip
    return Turn(**(values | fields))  # type: ignore[arg-type]


def shape(agent: Agent) -> tuple[str, int, list[object]]:
    return agent.id, agent.turns, [shape(child) for child in agent.children]


def test_agents_stand_below_those_that_called_them() -> None:
    tree = build_tree([turn(1), turn(2, "a"), turn(3, "b", "a"), turn(4, "a"), turn(5), turn(6, "c")])
    assert shape(tree) == (MAIN, 2, [("a", 2, [("b", 1, [])]), ("c", 1, [])])
    assert (tree.context_max, tree.cost_nano, tree.children[0].first_at) == (50, 14, 2000)


def test_agents_that_call_each_other_or_are_called_by_nobody_stand_at_the_main_conversation() -> None:
    tree = build_tree([turn(1, "a", "b"), turn(2, "b", "a"), turn(3, "c", "gone"), turn(4, "d", "d")])
    assert shape(tree) == (MAIN, 0, [("a", 1, []), ("b", 1, []), ("c", 1, []), ("d", 1, [])])


AGENTS = st.sampled_from(["", "a", "b", "c", "d", "e"])


@given(st.lists(st.tuples(AGENTS, AGENTS), max_size=30))
def test_every_turn_is_in_the_tree_once(calls: list[tuple[str, str]]) -> None:
    def count(agent: Agent) -> int:
        return agent.turns + sum(map(count, agent.children))

    assert count(build_tree([turn(number, *call) for number, call in enumerate(calls)])) == len(calls)


def test_growth_is_against_the_agents_own_turn_before() -> None:
    views = view_turns(
        [
            turn(1),
            turn(2, "a"),
            turn(3),
            turn(4, "a"),
            turn(5, input_tokens=None, cache_read=None, cache_write=None),
            turn(6),
        ]
    )
    assert [view.growth for view in views] == [None, None, 20, 20, None, 30]
    assert views[4].context is None


def test_the_chart_has_a_column_for_each_agent_and_a_row_for_each_turn() -> None:
    columns, rows = chart_context(view_turns([turn(1), turn(2, "a"), turn(3)]))
    assert columns == [("Main", 1), ("Agent a", 2)]
    assert rows == [(1000, 10, None), (2000, None, 20), (3000, 30, None)]
    many = chart_context(view_turns([turn(number, f"a{number}") for number in range(20)]))
    assert len(many[0]) == 6


@pytest.fixture(scope="module")
def failing(ui: Ui) -> str:
    headers = {"x-claude-code-session-id": FAILING}
    for model in ("sim-fast", "sim-error-429", "sim-fast"):
        ui.message(model=model, headers=headers)
    ui.message(headers={**headers, "x-claude-code-agent-id": "helper-1"})
    nested = {"x-claude-code-agent-id": "helper-2", "x-claude-code-parent-agent-id": "helper-1"}
    ui.message(headers={**headers, **nested}, model="claude-haiku-4-5")
    ui.eventually(f"/sessions/{FAILING}", lambda response: "helper-2" in response.text)
    return FAILING


def test_the_list_shows_sessions_with_their_sums(ui: Ui, failing: str) -> None:
    text = ui.get("/sessions").text
    assert f'href="/sessions/{SESSION}"' in text
    assert f'href="/sessions/{failing}"' in text
    assert "1 failed" in text
    assert text.index(failing) < text.index(SESSION)
    assert "1 by agents" in text


def test_filters(ui: Ui, failing: str) -> None:
    failed = ui.get("/sessions?failed=yes").text
    assert failing in failed
    assert SESSION not in failed
    assert "No session matches" in ui.get("/sessions?gateway=none").text
    assert "No session matches" in ui.get("/sessions?until=2020-01-01").text
    assert SESSION in ui.get("/sessions?gateway=demo&since=2020-01-01").text


def test_a_session_tells_its_agents_turns_and_first_failure(ui: Ui, failing: str) -> None:
    text = ui.get(f"/sessions/{failing}").text
    assert "Turn 2 was the first that failed" in text
    assert "Rate limit reached" in text
    helper, nested = text.index(">helper-1<"), text.index(">helper-2<")
    assert "<ul>" in text[helper:nested]
    assert text.count('<th scope="row" class="nowrap"><a href="/logs/req_') == 5
    assert "2 by 2 agents" in text


def test_as_files(ui: Ui, failing: str) -> None:
    sessions = ui.get("/sessions.json").json()["sessions"]
    assert {each["id"] for each in sessions} >= {failing, SESSION}
    assert next(each for each in sessions if each["id"] == failing)["requests"] == 5
    table = list(csv.DictReader(io.StringIO(ui.get("/sessions.csv").text)))
    assert [row["id"] for row in table] == [each["id"] for each in sessions]
    turns = ui.get(f"/sessions/{failing}/turns.json").json()
    assert [each["outcome"] for each in turns["turns"]] == ["ok", "error", "ok", "ok", "ok"]
    assert len(list(csv.DictReader(io.StringIO(ui.get(f"/sessions/{failing}/turns.csv").text)))) == 5


def test_what_is_no_session_id_makes_no_session(ui: Ui) -> None:
    ui.message(headers={"x-claude-code-session-id": "<script>"}, model="sim-fast")
    ui.message(headers={"x-claude-code-session-id": SESSION, "user-agent": HOSTILE}, model=HOSTILE)
    text = ui.eventually(f"/sessions/{SESSION}", lambda response: "onerror" in response.text).text
    assert "<script>alert(1)" not in text
    assert "<script>" not in ui.get("/sessions").text.replace('<script type="module"', "")


@pytest.mark.parametrize("path", ["none", "%00", "x" * 300, "%3Cscript%3E", "none/turns.csv", "none/turns.json"])
def test_an_id_that_is_none_is_a_friendly_404(ui: Ui, path: str) -> None:
    response = ui.get(f"/sessions/{path}")
    assert response.status_code == 404
    assert "There is no such page" in response.text


@pytest.mark.parametrize("query", ["after=x", "failed=maybe", "since=never", "turns=-1", "turns=99999999999999999999"])
def test_an_address_that_is_not_understood_does_no_harm(ui: Ui, query: str) -> None:
    assert ui.get(f"/sessions?{query}").status_code == 200
    assert ui.get(f"/sessions/{SESSION}?{query}").status_code == 200


@session
async def test_a_session_leads_to_its_requests_with_scripts_and_without(
    ui: Ui, failing: str, open_page: OpenPage
) -> None:
    for scripts in (True, False):
        page = await open_page("/sessions?failed=yes", scripts=scripts)
        await page.get_by_role("link", name=failing[:8]).click()
        await expect(page.locator("h1")).to_have_text(failing)
        await expect(page.get_by_role("cell", name="tool").or_(page.get_by_text("Context by turn"))).to_be_visible()
        await page.locator("tbody a[href^='/logs/']").first.click()
        await expect(page.locator("h1")).to_contain_text("req_")


@session
@pytest.mark.parametrize("dark", [False, True])
async def test_they_are_accessible(failing: str, open_page: OpenPage, dark: bool) -> None:
    for path in ("/sessions?gateway=none", f"/sessions/{failing}"):
        page = await open_page(path, dark=dark)
        assert await violations(page) == []


@session
@pytest.mark.parametrize("width", [390, 1024, 1600])
async def test_they_fit(failing: str, open_page: OpenPage, width: int) -> None:
    for path in ("/sessions", f"/sessions/{failing}"):
        page = await open_page(path, width=width)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
