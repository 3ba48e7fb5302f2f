"""The simulated model's mind: a checked request in, the planned answer out. Pure and deterministic.

What asks for JSON, a title or a summary gets that, shortly. Calls that a prompt spells out are made; on any other first
prompt it calls a fitting tool if one is offered; when results come back it answers about them. Everything else is
answered in a sentence or two.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import Any

import orjson

from gatewayd.simulator.behaviours import Behaviour
from gatewayd.simulator.orders import due_wishes
from gatewayd.simulator.samples import sample
from gatewayd.simulator.tools import Wish, choose_wishes
from gatewayd.simulator.turn import Turn, first_prompt, read_turn

CHARACTERS_PER_TOKEN = 4
_MAX_QUOTED = 4_000
_SUMMARY_REQUEST = re.compile(
    r"\b(summar(y|ise|ize) (of )?(the|this|our) conversation|create a detailed summary)", re.IGNORECASE
)
_TITLE_REQUEST = re.compile(r"\b(write|generate|create|give|suggest)\b[^.\n]{0,60}\btitle\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call; `arguments` is the JSON text as it goes out."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says, in order of appearance: reasoning, text, calls. finish: OpenAI's finish_reason."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[Call, ...] = ()
    finish: str = "stop"


def plan(body: dict[str, Any], behaviour: Behaviour) -> Answer:
    """The answer to a checked request. The same request and behaviour give the same answer."""
    turn = read_turn(body["messages"])
    answer = _plan_turn(body, turn, behaviour)
    if behaviour.think:
        thought = "read what the tools returned" if turn.results else f"work out what “{_title(turn.prompt)}” needs"
        answer = replace(answer, reasoning=f"The user wants an answer. First I {thought}, then I say what comes of it.")
    return _limit(answer, body)


def _plan_turn(body: dict[str, Any], turn: Turn, behaviour: Behaviour) -> Answer:
    if (wanted := body.get("response_format") or {}).get("type", "text") != "text":
        return Answer(text=_json_answer(wanted, turn))
    if _SUMMARY_REQUEST.search(turn.prompt):
        return Answer(text=_summary(body["messages"]))
    if "tools" not in body and _TITLE_REQUEST.search(turn.system):
        return Answer(text=_title_answer(turn))
    if orders := due_wishes(body):
        return _calls(body, orders, behaviour)
    forced = body.get("tool_choice", "auto") not in ("auto", "none", None)
    if turn.results and not forced:
        return Answer(text=_about_results(turn))
    if turn.notice and not turn.first and not forced:
        return Answer(text=f"It was told:\n\n{_quote(turn.notice)}")
    wanted_now = forced or turn.first or turn.paths
    if wanted_now and (wishes := choose_wishes(turn, body, 2 if behaviour.parallel else 1)):
        return _calls(body, wishes, behaviour)
    return Answer(text=_about_prompt(turn, str(body["model"])))


def _calls(body: dict[str, Any], wishes: list[Wish], behaviour: Behaviour) -> Answer:
    seed = orjson.dumps(body["messages"])
    calls = []
    for index, wish in enumerate(wishes):
        arguments = orjson.dumps(wish.arguments).decode()
        identity = hashlib.sha256(b"%d:%s" % (index, seed)).hexdigest()[:24]
        calls.append(Call(f"call_{identity}", wish.name, arguments[:-1] if behaviour.bad_json else arguments))
    return Answer(text="", calls=tuple(calls), finish="tool_calls")


def _about_results(turn: Turn) -> str:
    said = [_quote(result) for result in turn.results]
    words = f"\n\nWith it came these words:\n\n{_quote(turn.attached)}" if turn.attached else ""
    images = f"\n\nWith it came {turn.images} image(s)." if turn.images else ""
    opening = "The tool returned:" if len(said) == 1 else f"The {len(said)} tools returned:"
    return f"{opening}\n\n" + "\n\n".join(said) + words + images + "\n\nThat answers the question."


def _quote(text: str) -> str:
    return text if len(text) <= _MAX_QUOTED else text[:_MAX_QUOTED] + " …"


def _about_prompt(turn: Turn, model: str) -> str:
    images = f" and {turn.images} image(s)" if turn.images else ""
    quoted = turn.prompt[:_MAX_QUOTED]
    return f"You wrote “{quoted}”{images}. This is {model}, a simulated model: the words are canned, the wire is real."


def _json_answer(wanted: dict[str, Any], turn: Turn) -> str:
    schema = wanted["json_schema"]["schema"] if wanted["type"] == "json_schema" else {}
    words = _title(turn.prompt)
    return orjson.dumps(sample(schema, words) if schema else {"answer": words}).decode()


def _title_answer(turn: Turn) -> str:
    title = _title(turn.prompt)
    return orjson.dumps({"title": title}).decode() if "json" in turn.system.lower() else title


def _summary(messages: list[dict[str, Any]]) -> str:
    asked = _title(first_prompt(messages))
    called = [call["function"]["name"] for m in messages for call in m.get("tool_calls") or ()]
    tools = f" The tools {', '.join(dict.fromkeys(called))} were called." if called else ""
    return (
        "<analysis>\nThe conversation is short and was read whole.\n</analysis>\n\n"
        f"<summary>\nThe user asked: {asked}.{tools} {len(messages)} messages were exchanged and nothing is pending.\n"
        "</summary>"
    )


def _title(prompt: str) -> str:
    """Six words of the prompt, without markup and punctuation."""
    words = re.findall(r"[\w'./-]+", re.sub(r"<[^>]*>", " ", prompt))
    return " ".join(words[:6])[:60].strip(" .") or "Simulated conversation"


def _limit(answer: Answer, body: dict[str, Any]) -> Answer:
    """The answer cut at the first stop sequence and at the token limit."""
    stops = body.get("stop") or []
    cuts = [at for stop in ([stops] if isinstance(stops, str) else stops) if (at := answer.text.find(stop)) >= 0]
    if cuts:
        answer = replace(answer, text=answer.text[: min(cuts)], calls=(), finish="stop")
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    if limit is None:
        return answer
    room = limit * CHARACTERS_PER_TOKEN
    if len(answer.reasoning) + len(answer.text) <= room:
        return answer
    text = answer.text[: max(0, room - len(answer.reasoning))]
    return replace(answer, reasoning=answer.reasoning[:room], text=text, calls=(), finish="length")
