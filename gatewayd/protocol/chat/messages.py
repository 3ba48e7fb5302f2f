"""The conversation: Anthropic's messages to Chat Completions messages.

Invariants of the result, whatever the client sent:
- one system message first (if any), then user and assistant messages in turn, never two of one role in a row;
- every assistant message has text or calls; every call is followed by exactly one tool message, in the order of the
  calls, before any other message; every tool message answers a call of the assistant message before it;
- each message depends only on the messages up to its turn, so that a longer conversation begins with the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

import orjson

from gatewayd.errors import InvalidRequest
from gatewayd.protocol.chat.content import Part, build_parts, is_blank, join_parts, note_unknown, places, text_part
from gatewayd.protocol.chat.results import NO_RESULT, build_result
from gatewayd.protocol.chat.target import Target
from gatewayd.protocol.chat.thinking import replay_thinking
from gatewayd.protocol.names import wire_id, wire_name

OPENING = "[Earlier messages are not shown.]"
_ATTACHMENT = "[An attachment was here.]"  # assistant messages hold text only
_BILLING = "x-anthropic-billing-header"
_THINKING = frozenset({"thinking", "redacted_thinking"})
_CONTENT = frozenset({"text", "image", "document", "search_result", "tool_reference"})
_SPEAKING = _CONTENT | {"tool_use", "tool_result"}


class Item(NamedTuple):
    """One block where it stands: place as in error messages, the role of its message, the block."""

    place: str
    role: str
    block: dict[str, Any]


class Call(NamedTuple):
    """A tool call of the last assistant message that waits for its result."""

    client_id: str
    wire_id: str
    name: str


def build_messages(request: dict[str, Any], target: Target, *, instruction: str = "") -> list[dict[str, Any]]:
    """All messages of the body. instruction: a text of the gateway's own for the end of the system message."""
    messages = request["messages"]
    leading = messages[:1] if messages[0]["role"] == "system" else []
    spoken = (_items(index, messages[index]) for index in range(len(leading), len(messages)))
    turns = [items for items in spoken if _says_something(items, target)]
    conversation = _Conversation(target)
    for assistant, run in groupby(turns, key=lambda items: items[0].role == "assistant"):
        (conversation.add_assistant if assistant else conversation.add_user)(list(run))
    system = _system(request.get("system"), leading, instruction, target)
    return [*system, *conversation.finish()]


def _items(index: int, message: dict[str, Any]) -> list[Item]:
    role = message["role"]
    return [Item(place, role, block) for place, block in places(message["content"], f"messages.{index}.content")]


def _says_something(items: list[Item], target: Target) -> bool:
    """False for a message that vanishes, so that its neighbours become one."""
    says = False
    for item in items:
        kind = item.block["type"]
        if kind == "text":
            says = says or not is_blank(item.block["text"])
        elif kind in _SPEAKING or (item.role == "system" and kind in _TOOL_CHANGES):
            says = True
        elif kind not in _THINKING:
            note_unknown(kind, target)
    return says


# --- the system message ----------------------------------------------------------------------------------------------


def _system(
    system: str | list[dict[str, Any]] | None, leading: list[dict[str, Any]], instruction: str, target: Target
) -> list[dict[str, Any]]:
    blocks = [block for _place, block in places(system or [], "system")]
    for message in leading:
        blocks += [block for _place, block in places(message["content"], "messages.0.content")]
    parts = []
    for block in blocks:
        text = _without_billing(block["text"], target) if block["type"] == "text" else ""
        if not is_blank(text):
            parts.append(text_part(text, block))
    if instruction:
        parts.append(text_part(instruction))
    return [{"role": target.dialect.system_role, "content": join_parts(parts, target)}] if parts else []


def _without_billing(text: str, target: Target) -> str:
    """Claude Code's billing line changes from call to call: it would defeat the provider's prefix cache."""
    if not text.startswith(_BILLING):
        return text
    target.notes.add("system.billing_header_removed")
    return text.partition("\n")[2]


# --- late system messages --------------------------------------------------------------------------------------------

_TOOL_CHANGES = {"tool_addition": "is available now", "tool_removal": "is no longer available"}


def _late_system(items: list[Item], target: Target) -> str:
    texts = []
    for item in items:
        block = item.block
        if block["type"] == "text" and not is_blank(block["text"]):
            texts.append(block["text"])
        elif block["type"] in _TOOL_CHANGES:
            texts.append(f"Tool {wire_name(_changed_tool(block))} {_TOOL_CHANGES[block['type']]}.")
    text = "\n\n".join(texts)
    if target.dialect.late_system:
        return text
    target.notes.add("system.late_folded")
    return text if text.startswith("<system-reminder>") else f"<system-reminder>\n{text}\n</system-reminder>"


def _changed_tool(block: dict[str, Any]) -> str:
    tool = block.get("tool")
    tool = tool if isinstance(tool, dict) else {}
    definition = tool.get("definition")
    name = definition.get("name") if isinstance(definition, dict) else tool.get("name") or tool.get("tool_name")
    return name if isinstance(name, str) and name else "unknown"


# --- turns -----------------------------------------------------------------------------------------------------------


class _Conversation:
    """The messages so far, and the calls of the last assistant message that wait for results."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._messages: list[dict[str, Any]] = []
        self._waiting: list[Call] = []

    def add_assistant(self, run: list[list[Item]]) -> None:
        """One assistant message from consecutive ones."""
        if not self._messages:
            self._target.notes.add("messages.opened", "the first message is the assistant's")
            self._messages.append({"role": "user", "content": OPENING})
        calls: dict[str, dict[str, Any]] = {}
        for item in (item for items in run for item in items if item.block["type"] == "tool_use"):
            self._add_call(item, calls)
        message: dict[str, Any] = {"role": "assistant", "content": self._said(run, bool(calls))}
        if calls:
            message["tool_calls"] = list(calls.values())
        thinking = [item.block for items in run for item in items if item.block["type"] in _THINKING]
        replay_thinking(message, thinking, calls, self._target)
        self._messages.append(message)

    def _said(self, run: list[list[Item]], has_calls: bool) -> str | None:
        """The text. Blocks of a message were one text once, so they join without a seam, messages with a blank line."""
        texts = []
        for items in run:
            shown = [(item.place, item.block) for item in items if item.block["type"] in _CONTENT]
            if all(block["type"] == "text" for _place, block in shown):
                text = "".join(block["text"] for _place, block in shown)
            else:
                parts = build_parts(shown, self._target)
                text = "\n\n".join(part["text"] if part["type"] == "text" else _ATTACHMENT for part in parts)
            if not is_blank(text):
                texts.append(text)
        if not texts and has_calls:
            return None if self._target.dialect.null_content else ""
        return "\n\n".join(texts)

    def _add_call(self, item: Item, calls: dict[str, dict[str, Any]]) -> None:
        block = item.block
        client_id = block["id"]
        if client_id in calls:
            raise InvalidRequest(f"{item.place}.id: `tool_use` ids must be unique")
        arguments = orjson.dumps(block["input"]).decode()
        sent_id, name = wire_id(client_id, self._target.dialect.tool_ids), wire_name(block["name"])
        calls[client_id] = {"id": sent_id, "type": "function", "function": {"name": name, "arguments": arguments}}
        self._waiting.append(Call(client_id, sent_id, name))

    def add_user(self, run: list[list[Item]]) -> None:
        """Tool messages, then what else the user (and late system messages) said, from consecutive messages."""
        answered = self._match_results(run)
        parts = self._answer_calls(answered)
        for items in run:
            if items[0].role == "system":
                parts = self._add_late_system(items, parts)
            else:
                parts += self._user_parts(items, answered)
        self._add_message("user", parts)

    def _match_results(self, run: list[list[Item]]) -> dict[str, Item]:
        """The first result of each waiting call, by the client's id."""
        waiting = {call.client_id for call in self._waiting}
        results: dict[str, Item] = {}
        for item in (item for items in run for item in items if item.block["type"] == "tool_result"):
            if (client_id := item.block["tool_use_id"]) in waiting:
                results.setdefault(client_id, item)
        return results

    def _answer_calls(self, results: dict[str, Item]) -> list[Part]:
        """Adds a tool message for each waiting call; gives what the results have for the user message."""
        attached: list[Part] = []
        for call in self._waiting:
            part = text_part(NO_RESULT)
            if item := results.get(call.client_id):
                part, more = build_result(item.block, item.place, f"{call.name}, call {call.wire_id}", self._target)
                attached += more
            else:
                self._target.notes.add("tool_results.synthetic", call.client_id)
            content = join_parts([part], self._target)
            self._messages.append({"role": "tool", "tool_call_id": call.wire_id, "content": content})
        self._waiting = []
        return attached

    def _user_parts(self, items: list[Item], answered: dict[str, Item]) -> Iterator[Part]:
        for item in items:
            if item.block["type"] != "tool_result":
                yield from build_parts([(item.place, item.block)], self._target)
            elif answered.get(item.block["tool_use_id"]) is not item:
                yield from self._orphan(item)

    def _orphan(self, item: Item) -> Iterator[Part]:
        self._target.notes.add("tool_results.orphan", item.place)
        call = f"a call that is not shown ({wire_id(item.block['tool_use_id'], self._target.dialect.tool_ids)})"
        part, attached = build_result(item.block, item.place, call, self._target)
        yield text_part(f"[Result of {call}:]\n{part['text']}", item.block)
        yield from attached

    def _add_late_system(self, items: list[Item], parts: list[Part]) -> list[Part]:
        """What is still to be said after the system message."""
        part = text_part(_late_system(items, self._target), items[-1].block)
        if not self._target.dialect.late_system:
            return [*parts, part]
        self._add_message("user", parts)
        self._add_message(self._target.dialect.system_role, [part])
        return []

    def _add_message(self, role: str, parts: list[Part]) -> None:
        if parts:
            self._messages.append({"role": role, "content": join_parts(parts, self._target)})

    def finish(self) -> list[dict[str, Any]]:
        self._answer_calls({})
        if all(message["role"] == self._target.dialect.system_role for message in self._messages):
            raise InvalidRequest("messages: at least one message must have content")
        last, flag = self._messages[-1], self._target.dialect.prefill_flag
        if last["role"] == "assistant" and "tool_calls" not in last:
            self._target.notes.add("messages.prefill", "the provider may not continue the assistant's text")
            if flag:
                last[flag] = True
        return self._messages
