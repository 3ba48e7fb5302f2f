"""Tools, `tool_choice` and parallel calls: Anthropic's to functions of Chat Completions.

Tools that the provider would have to run (`web_search_20250305`, …) are not functions: they are dropped with a note, or
refused where the gateway says so. Order is the client's; nothing here depends on the conversation's length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gatewayd.errors import InvalidRequest
from gatewayd.protocol.chat.dialect import Dialect
from gatewayd.protocol.chat.schemas import clean_parameters
from gatewayd.protocol.chat.target import Target
from gatewayd.protocol.names import wire_name
from gatewayd.protocol.notes import Notes

# Claude Code names so the tool that only reserves a place for tools loaded later; it cannot be called.
_PLACEHOLDER = "DeferredToolPlaceholder"
_UNFORWARDED = ("strict", "input_examples")


@dataclass(frozen=True, slots=True)
class ToolFields:
    """body: the fields for the request body; names: name sent -> the client's, where they differ; single_call: the
    client wants one call at most and the body does not say so; forced: the body demands a call."""

    body: dict[str, Any]
    names: dict[str, str]
    single_call: bool
    forced: bool


def build_tools(request: dict[str, Any], target: Target, server_tools: str, *, thinking: bool) -> ToolFields:
    """thinking: the answer will begin with thinking, which some providers cannot combine with a forced call.

    Raises InvalidRequest for a server tool when server_tools is `reject`, and for a choice of an unknown tool.
    """
    offered = [*(request.get("tools") or ()), *_added_tools(request)]
    functions = _functions(offered, target, server_tools)
    names = {sent: name for name, sent in functions.sent_names.items() if sent != name}
    if names:
        target.notes.add("tools.renamed", ", ".join(f"{name} -> {sent}" for sent, name in names.items()))
    asked = request.get("tool_choice") or {}
    choice = _choose(asked, functions, target, thinking) if functions.entries else None
    if not functions.entries and asked.get("type") in ("any", "tool"):
        target.notes.add("tool_choice.dropped", "no tools to choose from")
    if choice == "none" and not target.dialect.tool_choice:
        target.notes.add("tools.withheld", "the provider has no tool_choice none")
        return ToolFields({}, names, False, False)
    body: dict[str, Any] = {"tools": functions.entries} if functions.entries else {}
    if choice is not None:
        body["tool_choice"] = choice
    single = bool(functions.entries and asked.get("disable_parallel_tool_use") and choice != "none")
    if single and target.dialect.parallel_tool_calls:
        body["parallel_tool_calls"] = single = False
    elif single:
        target.notes.add("parallel_tool_calls.enforced_locally")
    return ToolFields(body, names, single, choice not in (None, "none"))


@dataclass(frozen=True, slots=True)
class _Functions:
    """entries: as sent; sent_names: the client's name -> the name sent; dropped: names of tools left out."""

    entries: list[dict[str, Any]]
    sent_names: dict[str, str]
    dropped: set[str]


def _added_tools(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Tools defined by system messages in mid-conversation, in order, without those that `tools` has already."""
    known = {tool.get("name") for tool in request.get("tools") or ()}
    added = []
    for message in request["messages"]:
        if message["role"] != "system" or isinstance(message["content"], str):
            continue
        for block in message["content"]:
            tool = block.get("tool") if block["type"] == "tool_addition" else None
            definition = tool.get("definition") if isinstance(tool, dict) else None
            if not isinstance(definition, dict) or not isinstance(definition.get("input_schema"), dict):
                continue
            name = definition.get("name")
            if isinstance(name, str) and name and name not in known:
                known.add(name)
                added.append(definition)
    return added


def _functions(offered: list[dict[str, Any]], target: Target, server_tools: str) -> _Functions:
    functions = _Functions([], {}, set())
    for index, tool in enumerate(offered):
        name = tool.get("name") or tool.get("type") or ""
        if tool.get("input_schema") is None or (tool.get("defer_loading") and name == _PLACEHOLDER):
            functions.dropped.add(name)
            _note_dropped(tool, index, target.notes, server_tools)
            continue
        functions.sent_names[name] = wire_name(name)
        functions.entries.append(_function(tool, name, functions.sent_names[name], target))
    return functions


def _note_dropped(tool: dict[str, Any], index: int, notes: Notes, server_tools: str) -> None:
    kind = tool.get("type") or "custom"
    if kind == "custom":
        notes.add("tools.placeholder_dropped", tool["name"])
    elif server_tools == "reject":
        raise InvalidRequest(f"tools.{index}: the tool {kind!r} runs at Anthropic and is not available here")
    else:
        notes.add("server_tools.dropped", kind)


def _function(tool: dict[str, Any], name: str, sent: str, target: Target) -> dict[str, Any]:
    parameters, widened = clean_parameters(tool["input_schema"], target.dialect)
    if widened:
        target.notes.add("tools.schema_cleaned", name)
    for key in _UNFORWARDED:
        if tool.get(key):
            target.notes.add(f"tools.{key}_dropped", name)
    function = {"name": sent, "description": tool.get("description") or "", "parameters": parameters}
    if not function["description"]:
        del function["description"]
    return {"type": "function", "function": function}


def _choose(
    asked: dict[str, Any], functions: _Functions, target: Target, thinking: bool
) -> str | dict[str, Any] | None:
    """The value of `tool_choice`, or None to leave it out (which means auto everywhere)."""
    kind, name = asked.get("type", "auto"), asked.get("name")
    if kind in ("auto", "none"):
        return "none" if kind == "none" else None
    if kind == "tool" and name not in functions.sent_names:
        if name not in functions.dropped:
            raise InvalidRequest(f"tool_choice.name: no tool is named {str(name)[:64]!r}")
        target.notes.add("tool_choice.downgraded", f"{name} was dropped")
        return None
    if thinking and not target.dialect.tool_choice_thinking:
        target.notes.add("tool_choice.downgraded", f"{kind} -> auto: the provider cannot force a call while thinking")
        return None
    forced = _forced(name if kind == "tool" else None, functions.sent_names, target.dialect)
    if forced is None:
        target.notes.add("tool_choice.downgraded", f"{kind} -> auto")
    return forced


def _forced(name: str | None, sent_names: dict[str, str], dialect: Dialect) -> str | dict[str, Any] | None:
    """The demand for tool `name`, or for some tool, in words that the dialect has. With one tool both are the same."""
    if not dialect.tool_choice:
        return None
    only = next(iter(sent_names)) if len(sent_names) == 1 else None
    by_name = name or (None if dialect.tool_choice_required else only)
    if by_name and dialect.tool_choice_named:
        return {"type": "function", "function": {"name": sent_names[by_name]}}
    if dialect.tool_choice_required and (name is None or only):
        return dialect.tool_choice_required
    return None
