"""Which of the offered tools fits a prompt, and the arguments that its schema asks for. Pure.

Order of fit: the tool that `tool_choice` names; a command in backticks; a file tool for a path that the prompt names; a
tool whose name the prompt speaks of; a tool that takes the answer itself; a tool that lists a folder. Under `required`
there is always one: the first.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gatewayd.simulator.samples import sample
from gatewayd.simulator.turn import Turn

_READERS = ("read", "read_file", "view", "view_file", "open_file", "cat", "get_file_contents")
_WRITERS = ("write", "write_file", "create_file")
_SHELLS = ("bash", "shell", "run_command", "execute_command", "terminal")
_LISTERS = ("ls", "list", "list_files", "list_folder", "list_directory", "list_dir", "glob", *_SHELLS)
_ANSWERERS = ("structured_output",)
_COMMAND_FIELDS = ("command", "cmd", "script")
_PATH_FIELDS = ("file_path", "path", "filename", "filepath", "file")
_FOLDER_FIELDS = ("path", "directory", "dir", "folder")
_TEXT_FIELDS = ("content", "text", "contents")
_GENERAL_WORDS = frozenset(
    "add call create delete do edit execute fetch file files find get list make output read run search send set show "
    "task todo tool update use web write".split()
)


@dataclass(frozen=True, slots=True)
class Wish:
    """A tool to call and its arguments, which fit the tool's schema."""

    name: str
    arguments: dict[str, Any]


def offered_tools(body: Mapping[str, Any]) -> dict[str, Any]:
    """The schemas of a request's tools, by name."""
    return {tool["function"]["name"]: tool["function"].get("parameters", {}) for tool in body.get("tools") or ()}


def choose_wishes(turn: Turn, body: Mapping[str, Any], count: int) -> list[Wish]:
    """At most `count` calls for the turn; none where the tools, or `tool_choice`, do not allow or fit one."""
    tools = offered_tools(body)
    choice = body.get("tool_choice", "auto")
    if not tools or choice == "none":
        return []
    if isinstance(choice, dict):
        tools = {choice["function"]["name"]: tools[choice["function"]["name"]]}
    wishes = _fitting(turn, tools)
    if not wishes and choice not in ("auto", None):
        wishes = [_fill(*next(iter(tools.items())), turn, {})]
    if body.get("parallel_tool_calls") is False:
        count = 1
    return [wishes[index % len(wishes)] for index in range(count)] if wishes else []


def _fitting(turn: Turn, tools: dict[str, Any]) -> list[Wish]:
    by_name = {_plain(name): name for name in reversed(tools)}

    def pick(names: tuple[str, ...]) -> str | None:
        return next((by_name[name] for name in names if name in by_name), None)

    shell = pick(_SHELLS)
    command = re.search(r"\brun:?\s+`([^`\n]+)`", turn.prompt, re.IGNORECASE)
    if shell and command:
        return [_fill(shell, tools[shell], turn, dict.fromkeys(_COMMAND_FIELDS, command[1]))]
    if wishes := _file_wishes(turn, tools, pick(_WRITERS), pick(_READERS), shell):
        return wishes
    if named := _spoken_of(turn.prompt, tools):
        return [_fill(named, tools[named], turn, {})]
    if answerer := pick(_ANSWERERS):
        return [_fill(answerer, tools[answerer], turn, {})]
    if lister := pick(_LISTERS):
        hints = dict.fromkeys(_required_folders(tools[lister]), ".") | dict.fromkeys(_COMMAND_FIELDS, "ls")
        return [_fill(lister, tools[lister], turn, hints | {"pattern": "*"})]
    return []


def _file_wishes(
    turn: Turn, tools: dict[str, Any], writer: str | None, reader: str | None, shell: str | None
) -> list[Wish]:
    if writer and turn.paths and re.match(r"\W*(please\s+)?(write|create|save)\b", turn.prompt, re.IGNORECASE):
        quoted = re.search(r"[\"“]([^\"”]+)[\"”]", turn.prompt)
        text = quoted[1] if quoted else "Written by the simulated provider.\n"
        hints = dict.fromkeys(_PATH_FIELDS, turn.paths[0]) | dict.fromkeys(_TEXT_FIELDS, text)
        return [_fill(writer, tools[writer], turn, hints)]
    if reader:
        return [_fill(reader, tools[reader], turn, dict.fromkeys(_PATH_FIELDS, path)) for path in turn.paths]
    if shell:
        commands = [shlex.join(["cat", path]) for path in turn.paths]
        return [_fill(shell, tools[shell], turn, dict.fromkeys(_COMMAND_FIELDS, command)) for command in commands]
    return []


def _spoken_of(prompt: str, tools: dict[str, Any]) -> str | None:
    said = set(re.findall(r"[a-z]{3,}", prompt.lower()))
    for name in tools:
        words = set(_plain(name).split("_")) - _GENERAL_WORDS
        if words and words <= said:
            return name
    return None


def _plain(name: str) -> str:
    """`mcp__files__readFile` -> `read_file`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.rsplit("__", 1)[-1]).replace("-", "_").lower()


def _required_folders(schema: Any) -> list[str]:
    return [name for name in schema.get("required") or () if name in _FOLDER_FIELDS]


def _fill(name: str, schema: Any, turn: Turn, hints: dict[str, str]) -> Wish:
    return Wish(name, sample(schema, _short(turn.prompt), hints))


def _short(prompt: str) -> str:
    return " ".join(prompt.split()[:12]) or "simulated"
