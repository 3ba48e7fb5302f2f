"""/sessions: Claude Code's sessions, and one of them: its agents as a tree, its turns, how its context grew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sanic import HTTPResponse

from gatewayd.admin.queries import (
    SESSION_FIELDS,
    Query,
    read_query,
    read_session_cursor,
    session_filter,
    show_cursor,
)
from gatewayd.admin.visit import NoSuchPage, Visit
from gatewayd.store.sessions import (
    FAILURES,
    MAX_TURNS,
    ClientSession,
    Turn,
    list_sessions,
    list_turns,
    read_session,
)

PAGE_SESSIONS = 50
FILE_SESSIONS = 1000
PAGE_TURNS = 120
_CHARTED_AGENTS = 5  # beside the main conversation
_MAX_DEPTH = 12
_GATEWAYS_TO_CHOOSE_FROM = 200
MAIN = ""


class TurnView(NamedTuple):
    """context: input tokens, cached ones included; growth: against the turn before of the same agent."""

    number: int
    turn: Turn
    context: int | None
    growth: int | None


@dataclass(slots=True)
class Agent:
    """Sums over one agent's turns; id MAIN: the conversation itself. children: those that it called."""

    id: str
    model: str = ""
    turns: int = 0
    failed: int = 0
    output_tokens: int = 0
    context_max: int = 0
    cost_nano: int | None = None
    first_at: int = 0
    last_at: int = 0
    children: list[Agent] = field(default_factory=list)


async def show(visit: Visit) -> HTTPResponse:
    query, after = _query(visit), read_session_cursor(visit.argument("after"))
    wanted = session_filter(query)
    async with visit.admin.store.read() as session:
        page = await list_sessions(session, wanted, after, PAGE_SESSIONS)
    return await visit.page(
        "sessions/list.html",
        query=query,
        sessions=page.sessions,
        gateways=sorted(visit.admin.live.current.gateways)[:_GATEWAYS_TO_CHOOSE_FROM],
        filtered=bool(query.values),
        next=query.address("/sessions", after=show_cursor(page.next)) if page.next else "",
        newest=query.address("/sessions") if after else "",
    )


async def show_json(visit: Visit) -> HTTPResponse:
    """`{"sessions": […], "next": cursor or null}`; `after` a cursor."""
    async with visit.admin.store.read() as session:
        after = read_session_cursor(visit.argument("after"))
        page = await list_sessions(session, session_filter(_query(visit)), after, FILE_SESSIONS)
    return visit.json({"sessions": [each._asdict() for each in page.sessions], "next": show_cursor(page.next) or None})


async def show_csv(visit: Visit) -> HTTPResponse:
    async with visit.admin.store.read() as session:
        page = await list_sessions(session, session_filter(_query(visit)), None, FILE_SESSIONS)
    return visit.csv("sessions", ClientSession._fields, page.sessions)


async def show_one(visit: Visit, session_id: str) -> HTTPResponse:
    known, turns = await _read(visit, session_id)
    views = view_turns(turns)
    last = visit.argument("turns")
    end = min(int(last), len(views)) if last.isdecimal() and len(last) < 6 else len(views)
    begin = max(end - PAGE_TURNS, 0)
    path = f"/sessions/{known.id}"
    agents = build_tree(turns)
    failed = next((view for view in views if view.turn.outcome in FAILURES), None)
    return await visit.page(
        "sessions/show.html",
        session=known,
        agents=agents,
        agent_count=sum(1 for turn in {turn.agent for turn in turns} if turn),
        turns=views[begin:end][::-1],
        held=len(views),
        most=MAX_TURNS,
        first=views[0] if views else None,
        last=next((view for view in reversed(views) if not view.turn.agent and view.context), None),
        failed=failed,
        chart=chart_context(views[begin:end]),
        here=path,
        older=f"{path}?turns={begin}" if begin else "",
        newest=path if end < len(views) else "",
        context_window=_window(visit, known),
    )


async def show_one_json(visit: Visit, session_id: str) -> HTTPResponse:
    known, turns = await _read(visit, session_id)
    return visit.json({"session": known._asdict(), "turns": [turn._asdict() for turn in turns]})


async def show_one_csv(visit: Visit, session_id: str) -> HTTPResponse:
    _, turns = await _read(visit, session_id)
    return visit.csv("session", Turn._fields, turns)


async def _read(visit: Visit, session_id: str) -> tuple[ClientSession, list[Turn]]:
    async with visit.admin.store.read() as session:
        known = await read_session(session, session_id) if len(session_id) <= 256 and "\0" not in session_id else None
        if known is None:
            raise NoSuchPage("No request of a session with that id is in the log.")
        return known, await list_turns(session, known)


def _window(visit: Visit, known: ClientSession) -> int | None:
    """The context window of the session's model, where its gateway says so."""
    gateway = visit.admin.live.current.gateways.get(known.gateway)
    route = gateway.gateway.route(known.model) if gateway else None
    return route.context_window if route else None


def view_turns(turns: Sequence[Turn]) -> list[TurnView]:
    """turns: the oldest first."""
    before: dict[str, int] = {}
    views = []
    for number, turn in enumerate(turns, 1):
        counted = [value for value in (turn.input_tokens, turn.cache_read, turn.cache_write) if value is not None]
        context = sum(counted) if counted else None
        agent = turn.agent or MAIN
        growth = context - before[agent] if context is not None and agent in before else None
        if context is not None:
            before[agent] = context
        views.append(TurnView(number, turn, context, growth))
    return views


def build_tree(turns: Sequence[Turn]) -> Agent:
    """The main conversation with the agents that it called, and theirs. What calls itself, over whatever detour, or is
    called by nobody known, stands at the main conversation."""
    agents: dict[str, Agent] = {MAIN: Agent(MAIN)}
    callers: dict[str, str] = {}
    for turn in turns:
        _count(agents.setdefault(turn.agent or MAIN, Agent(turn.agent or MAIN)), turn)
        if turn.agent:
            callers.setdefault(turn.agent, turn.parent_agent or MAIN)
    for name, agent in agents.items():
        if name != MAIN:
            caller = callers.get(name, MAIN)
            agents[caller if caller in agents and _is_rooted(caller, callers) else MAIN].children.append(agent)
    return agents[MAIN]


def _is_rooted(name: str, callers: dict[str, str]) -> bool:
    for _ in range(_MAX_DEPTH):
        if name == MAIN:
            return True
        name = callers.get(name, MAIN)
    return False


def _count(agent: Agent, turn: Turn) -> None:
    agent.turns += 1
    agent.model = turn.model
    agent.failed += turn.outcome in FAILURES
    agent.output_tokens += turn.output_tokens or 0
    context = (turn.input_tokens or 0) + (turn.cache_read or 0) + (turn.cache_write or 0)
    agent.context_max = max(agent.context_max, context)
    if turn.cost_nano is not None:
        agent.cost_nano = (agent.cost_nano or 0) + turn.cost_nano
    agent.first_at = agent.first_at or turn.ended_at
    agent.last_at = turn.ended_at


def chart_context(views: Sequence[TurnView]) -> tuple[list[tuple[str, int]], list[tuple[int | None, ...]]]:
    """Columns and rows of a chart: the context of the main conversation and of the agents with the most turns."""
    counts: dict[str, int] = {}
    for view in views:
        if view.turn.agent:
            counts[view.turn.agent] = counts.get(view.turn.agent, 0) + 1
    shown = [MAIN, *sorted(counts, key=lambda name: -counts[name])[:_CHARTED_AGENTS]]
    columns = [(f"Agent {name[:12]}" if name else "Main", index) for index, name in enumerate(shown, 1)]
    rows: list[tuple[int | None, ...]] = []
    for view in views:
        agent = view.turn.agent or MAIN
        if view.context is not None and agent in shown:
            rows.append((view.turn.ended_at, *(view.context if name == agent else None for name in shown)))
    return columns, rows


def _query(visit: Visit) -> Query:
    return read_query({name: visit.argument(name) for name in SESSION_FIELDS}, SESSION_FIELDS)
