"""The simulated provider as a Sanic application: routes, pace, and what goes wrong on purpose. No thought of its own.

Every application is independent of the others in the process. `app.ctx.requests` holds the latest requests as they
came, for tests that look at what reached the provider and how each exchange ended.
"""

from __future__ import annotations

import asyncio
import hmac
import itertools
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import orjson
from sanic import HTTPResponse, Request, Sanic
from sanic.config import Config
from sanic.exceptions import SanicException

from gatewayd.simulator.behaviours import BEHAVIOURS, Behaviour, behaviour_for
from gatewayd.simulator.checks import check_request
from gatewayd.simulator.habits import check_habits
from gatewayd.simulator.overflows import overflow
from gatewayd.simulator.refusals import Refused, refusal_for
from gatewayd.simulator.script import plan
from gatewayd.simulator.usage import PromptCache, measure_answer
from gatewayd.simulator.wire import Reply, build_completion, build_events, build_reply

_MAX_BODY_BYTES = 64 * 1024 * 1024
_RESPONSE_SECONDS = 3_600
_numbers = itertools.count(1)


@dataclass(slots=True)
class Received:
    """One request as it came. ended: how its exchange ended, `""` while the answer is on its way."""

    path: str
    headers: dict[str, str] = field(repr=False)
    body: Any
    ended: Literal["", "whole", "refused", "cut", "client_gone"] = ""


@dataclass(slots=True)
class State:
    """api_key: what `Authorization: Bearer` must carry, None takes anything; the delays: seconds per streamed piece."""

    api_key: str | None = field(repr=False)
    delay: float
    slow_delay: float
    requests: deque[Received]
    cache: PromptCache = field(default_factory=PromptCache)


Simulator: TypeAlias = Sanic[Config, State]
SimulatorRequest: TypeAlias = Request[Simulator, Any]


def create_simulator(
    *, api_key: str | None = None, delay: float = 0.0, slow_delay: float = 0.25, keep_requests: int = 200
) -> Simulator:
    """A new simulated provider, not yet serving.

    api_key        refuse (401) what does not carry this bearer token; None: take anything
    delay          seconds between streamed pieces; `sim-slow` waits `slow_delay` instead
    keep_requests  how many of the latest requests `app.ctx.requests` keeps
    """
    state = State(api_key, delay, slow_delay, deque(maxlen=keep_requests))
    app: Simulator = Sanic(f"simulator-{next(_numbers)}", config=Config(), ctx=state, configure_logging=False)
    app.config.update(
        AUTO_EXTEND=False,
        TOUCHUP=False,  # rewrites the server's methods for one application; a second one in the process then fails
        ACCESS_LOG=False,
        REQUEST_MAX_SIZE=_MAX_BODY_BYTES,
        RESPONSE_TIMEOUT=_RESPONSE_SECONDS,
        MOTD=False,
    )
    app.add_route(complete, "/v1/chat/completions", methods=["POST"])
    app.add_route(list_models, "/v1/models", methods=["GET"])
    app.add_route(get_model, "/v1/models/<model:str>", methods=["GET"])
    app.exception(Refused)(refuse)
    app.exception(SanicException)(refuse_unknown)
    return app


async def complete(request: SimulatorRequest) -> HTTPResponse | None:
    """`POST /v1/chat/completions`."""
    state = request.app.ctx
    received = Received(request.path, dict(request.headers), _load_body(request.body), ended="refused")
    state.requests.append(received)
    _check_key(request)
    body = check_request(received.body)
    behaviour = behaviour_for(body["model"])
    reply = _reply(state, body, behaviour)
    received.ended = ""
    try:
        await _send(request, reply, behaviour, body)
    except asyncio.CancelledError:
        received.ended = "client_gone"
        raise
    received.ended = "cut" if behaviour.cut else "whole"
    return None


async def list_models(request: SimulatorRequest) -> HTTPResponse:
    """`GET /v1/models`."""
    _check_key(request)
    return _json({"object": "list", "data": [_model(name) for name in BEHAVIOURS]})


async def get_model(request: SimulatorRequest, model: str) -> HTTPResponse:
    """`GET /v1/models/{model}`."""
    _check_key(request)
    if model not in BEHAVIOURS:
        raise refusal_for(404, model)
    return _json(_model(model))


async def refuse(_request: SimulatorRequest, refusal: Refused) -> HTTPResponse:
    return _json(refusal.build_body(), refusal.status, refusal.headers)


async def refuse_unknown(request: SimulatorRequest, error: SanicException) -> HTTPResponse:
    """What the web server itself refuses (unknown route, wrong method), in OpenAI's shape."""
    refusal = Refused(f"Invalid URL ({request.method} {request.path})", status=error.status_code)
    return await refuse(request, refusal)


def _reply(state: State, body: dict[str, Any], behaviour: Behaviour) -> Reply:
    if behaviour.error:
        raise refusal_for(behaviour.error, body["model"])
    check_habits(body, behaviour.refuses)
    tokens, cached = state.cache.measure(body)
    _check_window(behaviour, tokens, body)
    answer = plan(body, behaviour)
    return build_reply(body, answer, measure_answer(tokens, cached, answer))


def _check_window(behaviour: Behaviour, tokens: int, body: dict[str, Any]) -> None:
    output = int(body.get("max_completion_tokens") or body.get("max_tokens") or 0) if behaviour.shared else 0
    if behaviour.window and tokens + output > behaviour.window:
        raise overflow(behaviour.provider, window=behaviour.window, prompt=tokens, output=output)


async def _send(request: SimulatorRequest, reply: Reply, behaviour: Behaviour, body: dict[str, Any]) -> None:
    state = request.app.ctx
    stream = bool(body.get("stream"))
    pieces = _stream_pieces(reply, body) if stream else [orjson.dumps(build_completion(reply))]
    if behaviour.cut or (behaviour.bad_json and "tools" not in body):
        pieces = _halve(pieces)
    delay = state.slow_delay if behaviour.slow else state.delay
    if not stream:
        await asyncio.sleep(delay * len(reply.answer.text.split()))
    response = await request.respond(content_type="text/event-stream" if stream else "application/json")
    for piece in pieces:
        await response.send(piece)
        if stream and delay:
            await asyncio.sleep(delay)
    if behaviour.cut and request.transport:
        request.transport.close()  # before the closing chunk: the client sees a body that never ended
    else:
        await response.eof()


def _stream_pieces(reply: Reply, body: dict[str, Any]) -> list[bytes]:
    options = body.get("stream_options") or {}
    return build_events(reply, include_usage=bool(options.get("include_usage")))


def _halve(pieces: list[bytes]) -> list[bytes]:
    """The first half of an answer, its last piece broken in the middle."""
    kept = pieces[: len(pieces) // 2 + 1]
    return [*kept[:-1], kept[-1][: len(kept[-1]) // 2]]


def _load_body(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _check_key(request: SimulatorRequest) -> None:
    key = request.app.ctx.api_key
    if key is None:
        return
    given = request.headers.get("authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {key}".encode()):
        raise refusal_for(401, "")


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 1_767_225_600, "owned_by": "gatewayd-simulator"}


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> HTTPResponse:
    return HTTPResponse(orjson.dumps(body), status, headers=headers, content_type="application/json")
