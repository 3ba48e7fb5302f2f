"""Anthropic's Messages request: from bytes to a plain dict whose shape later code may rely on.

Strict where a wrong shape could not be translated: every refusal is an `InvalidRequest` that names the place as
Anthropic does (`messages.3.content.0.tool_use_id: Field required`), and no input raises anything else. Lenient
elsewhere: unknown fields, betas and block types pass. What holds afterwards is written at `parse_request`.

https://docs.anthropic.com/en/api/messages
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from gatewayd.errors import InvalidRequest
from gatewayd.protocol.shapes import (
    Check,
    check_boolean,
    check_fraction,
    check_list,
    check_name,
    check_object,
    check_shallow,
    check_string,
    integer_from,
    object_with,
)

MAX_STOP_SEQUENCES = 64
MAX_MESSAGES = 100_000


def parse_request(body: bytes, *, path: str = "messages") -> dict[str, Any]:
    """The validated request.

    path: `messages`, or `count_tokens`, which needs no `max_tokens`.

    Holds afterwards: no lone surrogate and no NUL in any text; numbers are finite; `model` is a text, `messages` a list
    of {role, content} with content a text or a list of blocks; every block is an object with a text `type`, and the
    fields of the known types have their types; `tools` have names, and schemas that are objects no deeper than
    `shapes.MAX_DEPTH`. Optional fields may be null.
    """
    request = _load(body)
    for name, check in _FIELDS.items():
        if (value := request.get(name)) is not None:
            check(value, name)
        elif name in _REQUIRED and not (name == "max_tokens" and path == "count_tokens"):
            raise InvalidRequest(f"{name}: Field required")
    return request


# --- bytes -----------------------------------------------------------------------------------------------------------

_ESCAPES = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD][89a-fA-F][0-9a-fA-F]{2}|u0000|.)", re.DOTALL
)


def _load(body: bytes) -> dict[str, Any]:
    if b"0000" in body and b"\\u0000" in body:  # a search that begins with a backslash is 30 times slower
        body = _mend(body)
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError:
        request = _load_mended(body)
    if not isinstance(request, dict):
        raise InvalidRequest("The request body is not a JSON object")
    return request


def _load_mended(body: bytes) -> Any:
    """Lone surrogates are all that can be put right; whatever else is wrong is told to the client."""
    try:
        return orjson.loads(_mend(body))
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The request body is not valid JSON: {error}") from None


def _mend(body: bytes) -> bytes:
    """`body` with escaped NUL and lone surrogates replaced by U+FFFD. Backslashes occur in JSON in strings only."""
    return _ESCAPES.sub(lambda match: rb"\ufffd" if len(match[0]) == 6 else match[0], body)


# --- shapes -----------------------------------------------------------------------------------------------------------


def _stop_sequences(value: Any, place: str) -> None:
    check_list(value, place)
    if len(value) > MAX_STOP_SEQUENCES:
        raise InvalidRequest(f"{place}: List should have at most {MAX_STOP_SEQUENCES} items")
    for index, item in enumerate(value):
        check_string(item, f"{place}.{index}")
        if not item.strip():
            raise InvalidRequest(f"{place}.{index}: each stop sequence must contain non-whitespace")


# --- content ---------------------------------------------------------------------------------------------------------

_IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")


def _source(kinds: dict[str, Check], label: str) -> Check:
    """The `source` of an image or document: one of `kinds`; places carry the block's type, by which clients find it."""

    def check(block: Any, place: str) -> None:
        place = f"{place}.{label}.source"
        source = block.get("source")
        if source is None:
            raise InvalidRequest(f"{place}: Field required")
        check_object(source, place)
        kind = source.get("type")
        if not isinstance(kind, str) or kind not in kinds:
            expected = ", ".join(repr(known) for known in kinds)
            raise InvalidRequest(f"{place}.type: this gateway takes sources of type {expected}")
        kinds[kind](source, f"{place}.{kind}")

    return check


def _media_type(*accepted: str) -> Check:
    def check(value: Any, place: str) -> None:
        if value not in accepted:
            raise InvalidRequest(f"{place}: Input should be {' or '.join(repr(kind) for kind in accepted)}")

    return check


def _web_address(value: Any, place: str) -> None:
    check_string(value, place)
    if not value.startswith(("https://", "http://")):
        raise InvalidRequest(f"{place}: Only http and https URLs are supported")


def _block_content(value: Any, place: str) -> None:
    """Content inside a block: text, or blocks of text and media; no calls, no results."""
    if isinstance(value, str):
        return
    check_list(value, place)
    for index, block in enumerate(value):
        _block(block, f"{place}.{index}", "inner")


_IMAGE = _source(
    {
        "base64": object_with(media_type=_media_type(*_IMAGE_TYPES), data=check_string),
        "url": object_with(url=_web_address),
    },
    "image",
)
_DOCUMENT = _source(
    {
        "base64": object_with(media_type=_media_type("application/pdf"), data=check_string),
        "text": object_with(media_type_=check_string, data=check_string),
        "content": object_with(content=_block_content),
        "url": object_with(url=_web_address),
    },
    "document",
)


def _document(block: Any, place: str) -> None:
    object_with(title_=check_string, context_=check_string)(block, place)
    _DOCUMENT(block, place)


_TOOL_RESULT = object_with(tool_use_id=check_name, is_error_=check_boolean)


def _tool_result(block: Any, place: str) -> None:
    _TOOL_RESULT(block, place)
    if (content := block.get("content")) is not None:
        _block_content(content, f"{place}.tool_result.content")


def _tool_addition(block: Any, place: str) -> None:
    """A tool that a system message brings in mid-conversation; by name, or defined like those of `tools`."""
    tool = block.get("tool")
    if isinstance(tool, dict) and isinstance(definition := tool.get("definition"), dict):
        _tool(definition, f"{place}.tool.definition")


# type -> (roles that may hold it, check). `inner` is the content of a tool_result or a document.
_BLOCKS: dict[str, tuple[frozenset[str], Check]] = {
    "text": (frozenset({"user", "assistant", "system", "inner"}), object_with(text=check_string)),
    "image": (frozenset({"user", "assistant", "inner"}), _IMAGE),
    "document": (frozenset({"user", "assistant", "inner"}), _document),
    "search_result": (
        frozenset({"user", "assistant", "inner"}),
        object_with(title_=check_string, source_=check_string, content=_block_content),
    ),
    "tool_use": (frozenset({"assistant"}), object_with(id=check_name, name=check_name, input=check_shallow)),
    "tool_result": (
        frozenset({"user"}),
        _tool_result,
    ),
    "tool_reference": (frozenset({"user", "inner"}), object_with(tool_name=check_name)),
    "tool_addition": (frozenset({"system", "user", "assistant", "inner"}), _tool_addition),
    "thinking": (frozenset({"assistant"}), object_with(thinking=check_string, signature_=check_string)),
    "redacted_thinking": (frozenset({"assistant"}), object_with(data=check_string)),
}


def _block(block: Any, place: str, role: str) -> None:
    check_object(block, place)
    kind = block.get("type")
    if kind is None:
        raise InvalidRequest(f"{place}.type: Field required")
    check_string(kind, f"{place}.type")
    if (known := _BLOCKS.get(kind)) is None:
        return
    roles, check = known
    if role not in roles:
        holder = "tool results and documents" if role == "inner" else f"`{role}` messages"
        raise InvalidRequest(f"{place}: `{kind}` blocks cannot be in {holder}")
    check(block, place)


def _system(value: Any, place: str) -> None:
    if isinstance(value, str):
        return
    check_list(value, place)
    for index, block in enumerate(value):
        _block(block, f"{place}.{index}", "system")


def _messages(value: Any, place: str) -> None:
    check_list(value, place)
    if not value:
        raise InvalidRequest(f"{place}: at least one message is required")
    if len(value) > MAX_MESSAGES:
        raise InvalidRequest(f"{place}: List should have at most {MAX_MESSAGES} items")
    for index, message in enumerate(value):
        _message(message, f"{place}.{index}")


def _message(message: Any, place: str) -> None:
    check_object(message, place)
    role = message.get("role")
    if role not in ("user", "assistant", "system"):
        problem = "Field required" if role is None else "Input should be 'user' or 'assistant'"
        raise InvalidRequest(f"{place}.role: {problem}")
    content = message.get("content")
    if isinstance(content, str):
        return
    if content is None:
        raise InvalidRequest(f"{place}.content: Field required")
    if not isinstance(content, list):
        raise InvalidRequest(f"{place}.content: Input should be a valid string or list")
    for index, block in enumerate(content):
        _block(block, f"{place}.content.{index}", role)


# --- tools -----------------------------------------------------------------------------------------------------------


def _tools(value: Any, place: str) -> None:
    check_list(value, place)
    seen = set()
    for index, tool in enumerate(value):
        _tool(tool, f"{place}.{index}")
        if (name := tool.get("name")) in seen:
            raise InvalidRequest(f"{place}.{index}.name: Tool names must be unique; {name[:64]!r} is there twice")
        if name is not None:
            seen.add(name)


def _tool(tool: Any, place: str) -> None:
    check_object(tool, place)
    if (kind := tool.get("type")) is not None:
        check_name(kind, f"{place}.type")
    if kind in (None, "custom"):
        _CUSTOM_TOOL(tool, place)
        if tool.get("input_schema") is None and not tool.get("defer_loading"):
            raise InvalidRequest(f"{place}.input_schema: Field required")
    else:
        _SERVER_TOOL(tool, place)


_CUSTOM_TOOL = object_with(name=check_name, description_=check_string, input_schema_=check_shallow)
_SERVER_TOOL = object_with(name_=check_name, description_=check_string, input_schema_=check_shallow)


def _tool_choice(value: Any, place: str) -> None:
    object_with(type=check_string, name_=check_name, disable_parallel_tool_use_=check_boolean)(value, place)
    if value["type"] not in ("auto", "any", "tool", "none"):
        raise InvalidRequest(f"{place}.type: Input should be 'auto', 'any', 'tool' or 'none'")
    if value["type"] == "tool" and value.get("name") is None:
        raise InvalidRequest(f"{place}.name: Field required")


_REQUIRED = frozenset({"model", "max_tokens", "messages"})
_FIELDS: dict[str, Check] = {
    "model": check_name,
    "max_tokens": integer_from(1),
    "messages": _messages,
    "system": _system,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "temperature": check_fraction,
    "top_p": check_fraction,
    "top_k": integer_from(0),
    "stop_sequences": _stop_sequences,
    "stream": check_boolean,
    "thinking": object_with(type=check_string, budget_tokens_=integer_from(1)),
    "output_config": object_with(effort_=check_string, format_=object_with(type=check_string, schema_=check_shallow)),
    "metadata": check_object,
}
