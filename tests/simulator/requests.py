"""Requests as a gateway sends them, for the tests of the simulated provider."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

READ = {
    "type": "object",
    "properties": {
        "file_path": {"type": "string", "description": "The absolute path"},
        "limit": {"type": "integer", "exclusiveMinimum": 0},
    },
    "required": ["file_path"],
    "additionalProperties": False,
}
BASH = {
    "type": "object",
    "properties": {"command": {"type": "string"}, "timeout": {"type": "number"}},
    "required": ["command"],
    "additionalProperties": False,
}
WRITE = {
    "type": "object",
    "properties": {"file_path": {"type": "string"}, "content": {"type": "string"}},
    "required": ["file_path", "content"],
}
GLOB = {
    "type": "object",
    "properties": {"pattern": {"type": "string"}, "path": {"type": "string"}},
    "required": ["pattern"],
}
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "fahrenheit"]}},
    "required": ["city", "unit"],
}


def tool(name: str, parameters: Json) -> Json:
    return {"type": "function", "function": {"name": name, "description": f"The {name} tool", "parameters": parameters}}


READ_TOOL, BASH_TOOL, WRITE_TOOL = tool("Read", READ), tool("Bash", BASH), tool("Write", WRITE)
GLOB_TOOL, WEATHER_TOOL = tool("Glob", GLOB), tool("get_weather", WEATHER)


def user(content: Any) -> Json:
    return {"role": "user", "content": content}


def system(text: str) -> Json:
    return {"role": "system", "content": text}


def call(*ids: str, name: str = "Read", arguments: Any = '{"file_path":"/a"}') -> Json:
    calls = [{"id": i, "type": "function", "function": {"name": name, "arguments": arguments}} for i in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(identity: str, content: Any = "done") -> Json:
    return {"role": "tool", "tool_call_id": identity, "content": content}


def request(*messages: Json, tools: list[Json] | None = None, **fields: Any) -> Json:
    body: Json = {"model": "sim-fast", "messages": list(messages) or [user("hello")], **fields}
    return body if tools is None else {**body, "tools": tools}
