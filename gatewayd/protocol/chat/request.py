"""An Anthropic request to a Chat Completions body, for one dialect.

The body holds no volatile part, and its keys stand in a fixed order: the same conversation prefix gives the same bytes
turn after turn, which is what the providers' prefix caches need. Whatever is dropped or changed leaves a note.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from gatewayd.protocol.chat.dialect import Dialect
from gatewayd.protocol.chat.messages import build_messages
from gatewayd.protocol.chat.target import ReadPdf, Target, Unseal, read_no_pdf, unseal_nothing
from gatewayd.protocol.chat.thinking import build_thinking, wants_thinking
from gatewayd.protocol.chat.tools import build_tools
from gatewayd.protocol.notes import Notes


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A body, and what the answer side needs to know of how it was made.

    body         `orjson.dumps(body)` is what goes out
    tool_names   name sent upstream -> the client's, where they differ
    local_stops  stop sequences that the gateway has to enforce itself
    stops        all stop sequences of the client
    single_call  keep only the first tool call of the answer
    thinking     the answer may hold thinking: the client did not disable it
    tool_ids     tool_use ids of the history, as the client knows them
    """

    body: dict[str, Any]
    tool_names: dict[str, str]
    local_stops: tuple[str, ...]
    stops: tuple[str, ...]
    single_call: bool
    thinking: bool
    tool_ids: frozenset[str]


def build_request(
    request: dict[str, Any],
    *,
    upstream_model: str,
    dialect: Dialect,
    notes: Notes,
    max_output_tokens: int | None = None,
    vision: bool = True,
    server_tools: str = "drop",
    unseal: Unseal = unseal_nothing,
    read_pdf: ReadPdf = read_no_pdf,
) -> ChatRequest:
    """The Chat Completions request for a parsed Anthropic request.

    max_output_tokens: the model's limit, None: unknown; vision: it sees images; server_tools: `drop` or `reject`;
    unseal: signature of a thinking block -> the provider data packed in it. Raises InvalidRequest for what cannot be
    translated.
    """
    target = Target(dialect, notes, vision, unseal, read_pdf)
    thinking = wants_thinking(request)
    tools = build_tools(request, target, server_tools, thinking=bool(thinking))
    limits = [limit for limit in (max_output_tokens, dialect.max_output_tokens) if limit]
    limit = _output_limit(request, min(limits, default=None), notes)
    answer_format, instruction = _answer_format(request, target)
    stops = tuple(request.get("stop_sequences") or ())
    sent_stops = stops[: dialect.max_stop]
    body: dict[str, Any] = {"model": upstream_model}
    body["messages"] = build_messages(request, target, instruction=instruction)
    body |= tools.body
    body |= {dialect.max_tokens_field: limit} if limit is not None else {}
    body |= _sampling(request, target)
    body |= {"stop": list(sent_stops)} if sent_stops else {}
    body |= answer_format
    body |= build_thinking(request, target, limit=limit, forced=tools.forced)
    body |= dialect.extra_body
    body |= _stream(request, dialect)
    if len(sent_stops) < len(stops):
        notes.add("stop_sequences.enforced_locally", f"{len(stops) - len(sent_stops)} of {len(stops)}")
    _note_unforwarded(request, notes)
    return ChatRequest(
        body=body,
        tool_names=tools.names,
        local_stops=stops[len(sent_stops) :],
        stops=stops,
        single_call=tools.single_call,
        thinking=thinking is not False,
        tool_ids=_tool_ids(request),
    )


def _output_limit(request: dict[str, Any], maximum: int | None, notes: Notes) -> int | None:
    limit: int | None = request.get("max_tokens")
    if limit is not None and maximum is not None and limit > maximum:
        notes.add("max_tokens.clamped", f"{limit} -> {maximum}")
        return maximum
    return limit


def _sampling(request: dict[str, Any], target: Target) -> dict[str, Any]:
    body = {}
    for name, sent in (
        ("temperature", target.dialect.temperature),
        ("top_p", target.dialect.top_p),
        ("top_k", target.dialect.top_k),
    ):
        if (value := request.get(name)) is None:
            continue
        if sent:
            body[name] = value
        else:
            target.notes.add(f"{name}.dropped", str(value))
    return body


def _stream(request: dict[str, Any], dialect: Dialect) -> dict[str, Any]:
    if not request.get("stream"):
        return {"stream": False}
    return {"stream": True, "stream_options": {"include_usage": True}} if dialect.stream_options else {"stream": True}


def _answer_format(request: dict[str, Any], target: Target) -> tuple[dict[str, Any], str]:
    """`response_format`, and the instruction for the system message where the provider cannot hold to a schema."""
    wanted = (request.get("output_config") or {}).get("format") or {}
    schema = wanted.get("schema")
    if wanted.get("type") != "json_schema" or schema is None:
        return {}, ""
    way = target.dialect.response_format
    if way == "json_schema":
        return {"response_format": {"type": way, "json_schema": {"name": "answer", "schema": schema}}}, ""
    target.notes.add("output_format.instructed", "the provider does not enforce a schema")
    instruction = (
        "Answer with one JSON object and nothing else: no explanation, no code fence. It must be valid against this "
        f"JSON Schema:\n{orjson.dumps(schema).decode()}"
    )
    return ({"response_format": {"type": way}} if way == "json_object" else {}), instruction


def _tool_ids(request: dict[str, Any]) -> frozenset[str]:
    return frozenset(
        block["id"]
        for message in request["messages"]
        if message["role"] == "assistant" and not isinstance(message["content"], str)
        for block in message["content"]
        if block["type"] == "tool_use"
    )


# --- what is read and not forwarded ----------------------------------------------------------------------------------

_KNOWN = frozenset(
    [
        "model",
        "max_tokens",
        "messages",
        "system",
        "tools",
        "tool_choice",
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
        "stream",
        "thinking",
        "output_config",
        "metadata",
        "cache_control",
        "betas",
    ]
)
# Fields whose loss a client could notice, by their own code; any other unknown field goes under one.
_NOTED = frozenset(
    {"service_tier", "context_management", "safeguards", "speed", "mcp_servers", "container", "fallbacks"}
)


def _note_unforwarded(request: dict[str, Any], notes: Notes) -> None:
    unknown = []
    for name, value in request.items():
        if name in _KNOWN or value is None or (name == "context_management" and _keeps_everything(value)):
            continue
        if name in _NOTED:
            notes.add(f"{name}.dropped")
        else:
            unknown.append(name[:64])
    if unknown:
        notes.add("fields.dropped", ", ".join(unknown[:20]))


def _keeps_everything(management: Any) -> bool:
    """Claude Code asks on every request that nothing be cleared: nothing is lost by not forwarding that."""
    edits = management.get("edits") if isinstance(management, dict) else None
    return isinstance(edits, list) and all(isinstance(edit, dict) and edit.get("keep") == "all" for edit in edits)
