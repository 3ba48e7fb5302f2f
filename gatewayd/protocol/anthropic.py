"""Anthropic's Messages request: from bytes to a plain dict whose shape later code may rely on.

Strict where a wrong shape could not be translated: every refusal is an `InvalidRequest` that names the place as
Anthropic does (`messages.3.content.0.tool_use_id: Field required`), and no input raises anything else. Lenient
elsewhere: unknown fields, betas and block types pass. What holds afterwards is written at `parse_request`.

https://docs.anthropic.com/en/api/messages
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson

from gatewayd.errors import InvalidRequest

MAX_DEPTH = 100
MAX_STOP_SEQUENCES = 64
MAX_MESSAGES = 100_000

Check = Callable[[Any, str], None]


def parse_request(body: bytes, *, path: str = "messages") -> dict[str, Any]:
    """The validated request.

    path: `messages`, or `count_tokens`, which needs no `max_tokens`.

    Holds afterwards: no lone surrogate and no NUL in any text; numbers are finite; `model` is a text, `messages` a list
    of {role, content} with content a text or a list of blocks; every block is an object with a text `type`, and the
    fields of the known types have their types; `tools` have names, and schemas that are objects no deeper than
    MAX_DEPTH. Optional fields may be null.
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
    if b"\\u0000" in body:
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


# --- shapes ----------------------------------------------------------------------------------------------------------


def _string(value: Any, place: str) -> None:
    if not isinstance(value, str):
        raise InvalidRequest(f"{place}: Input should be a valid string")


def _name(value: Any, place: str) -> None:
    _string(value, place)
    if not value:
        raise InvalidRequest(f"{place}: String should have at least 1 character")
    if len(value) > 256:
        raise InvalidRequest(f"{place}: String should have at most 256 characters")


def _object(value: Any, place: str) -> None:
    if not isinstance(value, dict):
        raise InvalidRequest(f"{place}: Input should be an object")


def _list(value: Any, place: str) -> None:
    if not isinstance(value, list):
        raise InvalidRequest(f"{place}: Input should be a valid list")


def _boolean(value: Any, place: str) -> None:
    if not isinstance(value, bool):
        raise InvalidRequest(f"{place}: Input should be a valid boolean")


def _integer(least: int) -> Check:
    def check(value: Any, place: str) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            raise InvalidRequest(f"{place}: Input should be a valid integer")
        if value < least:
            raise InvalidRequest(f"{place}: Input should be greater than or equal to {least}")

    return check


def _fraction(value: Any, place: str) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidRequest(f"{place}: Input should be a valid number")
    if not 0 <= value <= 1:
        raise InvalidRequest(f"{place}: Input should be between 0 and 1")


def _shallow(value: Any, place: str) -> None:
    """An object of the client's own making, no deeper than MAX_DEPTH, so that walking it cannot exhaust the stack."""
    _object(value, place)
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for node in level
            for item in (node.values() if isinstance(node, dict) else node)
            if isinstance(item, dict | list)
        ]
        if not level:
            return
    raise InvalidRequest(f"{place}: Input is nested deeper than {MAX_DEPTH} levels")


def _fields(**checks: Check) -> Check:
    """An object whose fields are there and pass; a name that ends in `_` is optional (and may be null)."""
    table = tuple((name.removesuffix("_"), not name.endswith("_"), check) for name, check in checks.items())

    def check(value: Any, place: str) -> None:
        _object(value, place)
        for name, required, check_field in table:
            if (item := value.get(name)) is not None:
                check_field(item, f"{place}.{name}")
            elif required:
                raise InvalidRequest(f"{place}.{name}: Field required")

    return check


def _stop_sequences(value: Any, place: str) -> None:
    _list(value, place)
    if len(value) > MAX_STOP_SEQUENCES:
        raise InvalidRequest(f"{place}: List should have at most {MAX_STOP_SEQUENCES} items")
    for index, item in enumerate(value):
        _string(item, f"{place}.{index}")
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
        _object(source, place)
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
    _string(value, place)
    if not value.startswith(("https://", "http://")):
        raise InvalidRequest(f"{place}: Only http and https URLs are supported")


def _block_content(value: Any, place: str) -> None:
    """Content inside a block: text, or blocks of text and media; no calls, no results."""
    if isinstance(value, str):
        return
    _list(value, place)
    for index, block in enumerate(value):
        _block(block, f"{place}.{index}", "inner")


_IMAGE = _source(
    {
        "base64": _fields(media_type=_media_type(*_IMAGE_TYPES), data=_string),
        "url": _fields(url=_web_address),
    },
    "image",
)
_DOCUMENT = _source(
    {
        "base64": _fields(media_type=_media_type("application/pdf"), data=_string),
        "text": _fields(media_type_=_string, data=_string),
        "content": _fields(content=_block_content),
        "url": _fields(url=_web_address),
    },
    "document",
)


def _document(block: Any, place: str) -> None:
    _fields(title_=_string, context_=_string)(block, place)
    _DOCUMENT(block, place)


_TOOL_RESULT = _fields(tool_use_id=_name, is_error_=_boolean)


def _tool_result(block: Any, place: str) -> None:
    _TOOL_RESULT(block, place)
    if (content := block.get("content")) is not None:
        _block_content(content, f"{place}.tool_result.content")


# type -> (roles that may hold it, check). `inner` is the content of a tool_result or a document.
_BLOCKS: dict[str, tuple[frozenset[str], Check]] = {
    "text": (frozenset({"user", "assistant", "system", "inner"}), _fields(text=_string)),
    "image": (frozenset({"user", "assistant", "inner"}), _IMAGE),
    "document": (frozenset({"user", "assistant", "inner"}), _document),
    "search_result": (
        frozenset({"user", "assistant", "inner"}),
        _fields(title_=_string, source_=_string, content=_block_content),
    ),
    "tool_use": (frozenset({"assistant"}), _fields(id=_name, name=_name, input=_shallow)),
    "tool_result": (
        frozenset({"user"}),
        _tool_result,
    ),
    "tool_reference": (frozenset({"user", "inner"}), _fields(tool_name=_name)),
    "thinking": (frozenset({"assistant"}), _fields(thinking=_string, signature_=_string)),
    "redacted_thinking": (frozenset({"assistant"}), _fields(data=_string)),
}


def _block(block: Any, place: str, role: str) -> None:
    _object(block, place)
    kind = block.get("type")
    if kind is None:
        raise InvalidRequest(f"{place}.type: Field required")
    _string(kind, f"{place}.type")
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
    _list(value, place)
    for index, block in enumerate(value):
        _block(block, f"{place}.{index}", "system")


def _messages(value: Any, place: str) -> None:
    _list(value, place)
    if not value:
        raise InvalidRequest(f"{place}: at least one message is required")
    if len(value) > MAX_MESSAGES:
        raise InvalidRequest(f"{place}: List should have at most {MAX_MESSAGES} items")
    for index, message in enumerate(value):
        _message(message, f"{place}.{index}")


def _message(message: Any, place: str) -> None:
    _object(message, place)
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
    _list(value, place)
    seen = set()
    for index, tool in enumerate(value):
        _tool(tool, f"{place}.{index}")
        if (name := tool.get("name")) in seen:
            raise InvalidRequest(f"{place}.{index}.name: Tool names must be unique; {name[:64]!r} is there twice")
        if name is not None:
            seen.add(name)


def _tool(tool: Any, place: str) -> None:
    _object(tool, place)
    if (kind := tool.get("type")) is not None:
        _string(kind, f"{place}.type")
    if kind in (None, "custom"):
        _CUSTOM_TOOL(tool, place)
        if tool.get("input_schema") is None and not tool.get("defer_loading"):
            raise InvalidRequest(f"{place}.input_schema: Field required")
    else:
        _SERVER_TOOL(tool, place)


_CUSTOM_TOOL = _fields(name=_name, description_=_string, input_schema_=_shallow)
_SERVER_TOOL = _fields(name_=_name, input_schema_=_shallow)


def _tool_choice(value: Any, place: str) -> None:
    _fields(type=_string, name_=_name, disable_parallel_tool_use_=_boolean)(value, place)
    if value["type"] not in ("auto", "any", "tool", "none"):
        raise InvalidRequest(f"{place}.type: Input should be 'auto', 'any', 'tool' or 'none'")
    if value["type"] == "tool" and value.get("name") is None:
        raise InvalidRequest(f"{place}.name: Field required")


_REQUIRED = frozenset({"model", "max_tokens", "messages"})
_FIELDS: dict[str, Check] = {
    "model": _name,
    "max_tokens": _integer(1),
    "messages": _messages,
    "system": _system,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "temperature": _fraction,
    "top_p": _fraction,
    "top_k": _integer(0),
    "stop_sequences": _stop_sequences,
    "stream": _boolean,
    "thinking": _fields(type=_string, budget_tokens_=_integer(1)),
    "output_config": _fields(effort_=_string, format_=_fields(type=_string, schema_=_shallow)),
    "metadata": _object,
}
