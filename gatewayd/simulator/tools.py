"""Which of the offered tools fits a prompt, and the arguments that its schema asks for. Pure.

Order of fit: the tool that `tool_choice` names; one that the prompt calls by its long name; a command in backticks; a
search of the web; a file tool for a path that the prompt names; a tool whose name the prompt speaks of; a tool that
takes the answer itself; a tool that lists a folder. Under `required` there is always one: the first.
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
_SEARCHERS = ("web_search", "search_web")
_ANSWERERS = ("structured_output",)
_LONG_NAME = 30  # characters that no word of a prompt has by chance
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


def choose_wishes(turn: Turn, body: Mapping[str, Any], count: int) -> list[Wish]:
    """At most `count` calls for the turn; none where the tools, or `tool_choice`, do not allow or fit one."""
    tools = {tool["function"]["name"]: tool["function"].get("parameters", {}) for tool in body.get("tools") or ()}
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


_EDIT = re.compile(r"edit (\S+): replace [\"“]([^\"”]+)[\"”] (?:with|by) [\"“]([^\"”]+)[\"”]", re.IGNORECASE)


def choose_edit(turn: Turn, body: Mapping[str, Any]) -> Wish | None:
    """For `Edit PATH: replace "a" with "b"`: the edit, once the file has been read."""
    wanted = _EDIT.search(turn.prompt)
    editor = next((t["function"] for t in body.get("tools") or () if _plain(t["function"]["name"]) == "edit"), None)
    called = {call["function"]["name"] for m in body["messages"] for call in m.get("tool_calls") or ()}
    if not wanted or not editor or not turn.results or editor["name"] in called:
        return None
    hints = dict.fromkeys(_PATH_FIELDS, turn.paths[0]) | {"old_string": wanted[2], "new_string": wanted[3]}
    return _fill(editor["name"], editor.get("parameters", {}), turn, hints)


def _fitting(turn: Turn, tools: dict[str, Any]) -> list[Wish]:
    by_name = {_plain(name): name for name in reversed(tools)}

    def pick(names: tuple[str, ...]) -> str | None:
        return next((by_name[name] for name in names if name in by_name), None)

    if named := _called_by_name(turn.prompt, tools):
        return [_fill(named, tools[named], turn, {})]
    searcher = pick(_SEARCHERS)
    if searcher and "search the web" in turn.prompt.lower():
        return [_fill(searcher, tools[searcher], turn, {})]
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


def _called_by_name(prompt: str, tools: dict[str, Any]) -> str | None:
    """By its beginning: a gateway may have shortened the name that the person knows."""
    words = [word[:_LONG_NAME] for word in re.findall(r"[\w-]{30,}", prompt)]
    return next((name for name in tools if name[:_LONG_NAME] in words), None)


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
