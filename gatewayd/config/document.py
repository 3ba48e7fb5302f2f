"""One YAML file as plain values, with the place of every key and value. Strict: what could be misread is a problem.

Tags, merge keys, duplicate keys, several documents, endless aliases and characters that no setting can carry are
refused. Nothing is ever constructed from a tag, and every problem is collected, not only the first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import yaml

from gatewayd.config.nodes import MAXIMUM_DEPTH, TOO_DEEP, compose_nodes

MAXIMUM_BYTES = 1024 * 1024
MERGE_KEY = "<<"
_MAXIMUM_ALIASED_NODES = 1000

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """1-based, as editors count."""

    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing to put right. path: `gateways.demo.models[0].name`, or empty for the file as a whole."""

    file: str
    place: Place
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.place.line}:{self.place.column}: "
        return where + (f"{self.path}: " if self.path else "") + self.message


@dataclass(slots=True)
class Document:
    """value: what the file says (None when it cannot be read at all); keys, values: PyYAML's marks by path."""

    file: str
    value: Any = None
    keys: dict[Path, Any] = field(default_factory=dict)
    values: dict[Path, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place_of_key(self, path: Path) -> Place:
        """Of the key, or of the nearest one around it."""
        while path and path not in self.keys:
            path = path[:-1]
        return _place(self.keys[path]) if path else Place()

    def place_of_value(self, path: Path) -> Place:
        return _place(self.values[path]) if path in self.values else self.place_of_key(path)

    def report(self, place: Place, path: Path, message: str) -> None:
        problem = Problem(self.file, place, show_path(path), _printable(message))
        if problem not in self.problems:
            self.problems.append(problem)


def show_path(path: Path) -> str:
    shown = ""
    for step in path:
        shown += f"[{step}]" if isinstance(step, int) else f".{_printable(step)}" if shown else _printable(step)
    return shown


def _printable(text: str) -> str:
    """One line that does nothing to a terminal: what the file says may be part of it."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def parse_document(file: str, content: bytes) -> Document:
    """Never raises: what is wrong with the file is in its `problems`."""
    document = Document(file)
    if len(content) > MAXIMUM_BYTES:
        document.report(Place(), (), f"the file is larger than {MAXIMUM_BYTES // 1024} KiB; split it")
        return document
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig")
        document.report(_place_at(before, len(before)), (), "not UTF-8 text; save the file as UTF-8")
        return document
    node = _compose(document, text)
    if node is not None:
        _Converter(document, node).run()
    return document


def _compose(document: Document, text: str) -> yaml.Node | None:
    """The root node, and what was refused on the way; None, and why, where the text is no YAML."""
    try:
        node, refused = compose_nodes(text)
    except yaml.MarkedYAMLError as error:
        mark, message = _syntax(error)
        document.report(_place(mark) if mark else Place(), (), message)
        return None
    except yaml.reader.ReaderError as error:
        document.report(_place_at(text, error.position), (), "a character that YAML does not allow; remove it")
        return None
    for mark, message in refused:
        document.report(_place(mark), (), message)
    if node is None:
        document.report(Place(), (), "the file is empty; write version: 1, or remove the file")
    return node


def _syntax(error: yaml.MarkedYAMLError) -> tuple[Any, str]:
    """The place and PyYAML's own words, save for the commonest mistakes."""
    problem, context, mark = error.problem or "", error.context or "", error.problem_mark or error.context_mark
    if problem == TOO_DEEP:
        return mark, problem
    if "\\t" in problem or "'\t'" in problem:
        return mark, "a tab cannot indent YAML; use spaces"
    if problem.startswith("but found another document"):
        return mark, "one document per file; put the second one into a file of its own"
    if "mapping values are not allowed" in problem:
        return mark, "a second ': ' in one line; check the indentation, or put the value into quotes"
    if "undefined alias" in problem:
        return mark, problem.replace("found undefined alias", "no anchor is named")
    if "cannot start any token" in problem:
        return mark, f"{problem.removeprefix('found character ').split()[0]} cannot begin a value; put it into quotes"
    if "quoted scalar" in context and "end of stream" in problem:
        return error.context_mark, "this quote is never closed"
    if "flow" in context and error.context_mark and "expected ','" in problem:
        opened = _place(error.context_mark)
        return (
            mark,
            f"{problem.split(', but')[0]} here; the list or mapping that began in line {opened.line} is not closed",
        )
    if "expected <block end>" in problem:
        return mark, "this line is not indented like one above; check the indentation"
    return mark, f"not YAML: {f'{context}: ' if context else ''}{problem}"


def _place(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1)


def _place_at(text: str, position: int) -> Place:
    return Place(text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position))


class _Converter:
    """Walks the nodes of one file once, depth first."""

    def __init__(self, document: Document, root: yaml.Node) -> None:
        self._document = document
        self._root = root
        self._seen: set[int] = set()
        self._aliased = 0
        self._stopped = False

    def run(self) -> None:
        value = self._convert(self._root, ())
        self._document.value = None if self._stopped else value

    def _convert(self, node: yaml.Node, path: Path) -> Any:
        self._document.values[path] = node.start_mark
        if self._is_endless(node, path):
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._convert(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _is_endless(self, node: yaml.Node, path: Path) -> bool:
        if self._stopped:
            return True
        self._aliased += id(node) in self._seen
        self._seen.add(id(node))
        if len(path) > MAXIMUM_DEPTH:
            self._report(node, path[:4], TOO_DEEP)
            self._stopped = True
        elif self._aliased > _MAXIMUM_ALIASED_NODES:
            self._report(node, path[:4], f"aliases stand for more than {_MAXIMUM_ALIASED_NODES} values; write them out")
            self._stopped = True
        return self._stopped

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._report(key_node, path, "a key must be plain text")
                continue
            key = self._text(key_node, (*path, str(key_node.value)))
            place = (*path, key)
            if key in result:
                first = _place(self._document.keys[place]).line
                self._report(key_node, place, f"this key is written twice, first in line {first}; remove one")
                continue
            self._document.keys[place] = key_node.start_mark
            if key == MERGE_KEY:
                self._report(key_node, place, "merge keys are refused; write the keys out")
                continue
            result[key] = self._convert(value_node, place)
        return result

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        text, kind = str(node.value), node.tag.rpartition(":")[2]
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        if kind in ("int", "float"):
            return _number(text, kind)
        return self._text(node, path)

    def _text(self, node: yaml.Node, path: Path) -> str:
        text = str(node.value)
        if _UNUSABLE.search(text):
            self._report(node, path, "holds a control character; remove it")
        return _UNUSABLE.sub("?", text)

    def _report(self, node: yaml.Node, path: Path, message: str) -> None:
        self._document.report(_place(node.start_mark), path, message)


def _number(text: str, kind: str) -> int | float | str:
    """One that is too large stays a text, and is no number where one is wanted."""
    if kind == "int":
        return int(text, _BASES.get(text[:2], 10)) if len(text) < 40 else text
    number = float(text)
    return number if isfinite(number) else text


_BASES = {"0x": 16, "0o": 8}
_UNUSABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufeff]")
