"""A tiny MCP server over standard input and output; its one tool has a name longer than any provider takes."""

from __future__ import annotations

import json
import sys
from typing import Any

TOOL = "find_the_nest_of_the_grey_heron_in_the_reeds_behind_the_old_mill"
WIRE_LIMIT = 64  # characters of a function's name at providers
NEST = "The nest on the {river} is the seventh from the left."


def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
    if method == "initialize":
        server = {"name": "nests", "version": "1.0.0"}
        return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": server}
    if method == "tools/list":
        schema = {"type": "object", "properties": {"river": {"type": "string"}}, "required": ["river"]}
        return {"tools": [{"name": TOOL, "description": "Finds the nest on a river", "inputSchema": schema}]}
    if method == "tools/call" and params["name"] == TOOL:
        return {"content": [{"type": "text", "text": NEST.format(**params["arguments"])}]}
    return {}


def main() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message:
            result = answer(message["method"], message.get("params") or {})
            print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)


if __name__ == "__main__":
    main()
