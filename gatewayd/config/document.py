"""One YAML file as plain values, with the place of every key and value. Strict: what could be misread is a problem.

Scalars mean what YAML 1.2's core schema says (`on` and `no` are texts, 0123 is 123). Tags, merge keys, duplicate keys,
several documents, endless aliases and characters that no setting can carry are refused. Nothing is ever constructed
from a tag, and every problem is collected, not only the first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

MAXIMUM_BYTES = 1024 * 1024
_MAXIMUM_DEPTH = 50
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
    """value: what the file says (None when it cannot be read at all); keys, values: places by path."""

    file: str
    value: Any = None
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place_of_key(self, path: Path) -> Place:
        """Of the key, or of the nearest one around it."""
        while path and path not in self.keys:
            path = path[:-1]
        return self.keys.get(path, Place())

    def place_of_value(self, path: Path) -> Place:
        return self.values.get(path) or self.place_of_key(path)

    def report(self, place: Place, path: Path, message: str) -> None:
        problem = Problem(self.file, place, show_path(path), message)
        if problem not in self.problems:
            self.problems.append(problem)


def show_path(path: Path) -> str:
    shown = ""
    for step in path:
        shown += f"[{step}]" if isinstance(step, int) else f".{step}" if shown else step
    return shown


def parse_document(file: str, content: bytes) -> Document:
    """Never raises: what is wrong with the file is in its `problems`."""
    document = Document(file)
    if len(content) > MAXIMUM_BYTES:
        document.report(Place(), (), f"the file is larger than {MAXIMUM_BYTES // 1024} KiB; split it")
        return document
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        document.report(Place(line), (), "not UTF-8 text; save the file as UTF-8")
        return document
    node = _compose(document, text)
    if node is not None:
        _Converter(document, node).run()
    return document


def _compose(document: Document, text: str) -> yaml.Node | None:
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        document.report(_place(mark) if mark else Place(), (), _syntax(error))
        return None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - (text.rfind("\n", 0, error.position) + 1) + 1
        document.report(Place(line, column), (), "a character that YAML does not allow; remove it")
        return None
    except RecursionError:
        document.report(Place(), (), "nested too deeply")
        return None
    for mark, message in loader.refused:
        document.report(_place(mark), (), message)
    if node is None:
        document.report(Place(), (), "the file is empty; write version: 1, or remove the file")
    return node


def _syntax(error: yaml.MarkedYAMLError) -> str:
    """PyYAML's own words, save for the commonest mistakes."""
    problem = error.problem or "not YAML"
    if "\\t" in problem or "'\t'" in problem:
        return "a tab cannot indent YAML; use spaces"
    if problem.startswith("but found another document"):
        return "one document per file; put the second one into a file of its own"
    if "mapping values are not allowed" in problem:
        return "a second ': ' in one line; check the indentation, or put the value into quotes"
    if "undefined alias" in problem:
        return problem.replace("found undefined alias", "no anchor is named")
    context = f"{error.context}: " if error.context else ""
    return f"not YAML: {context}{problem}"


def _place(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1)


class _Loader(yaml.SafeLoader):
    """Composes nodes only. Its resolver knows the core schema's few types; explicit tags are noted and refused."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own attribute

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.refused: list[tuple[Any, str]] = []

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML's stubs leave it out
        tag = getattr(event, "tag", None)
        if tag is not None:
            self.refused.append((event.start_mark, f"the tag {tag.replace('tag:yaml.org,2002:', '!!')} is refused"))
        return super().compose_node(parent, index)


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+0123456789.")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)


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
        self._document.values[path] = _place(node.start_mark)
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
        if len(path) > _MAXIMUM_DEPTH:
            self._report(node, path[:4], f"nested more than {_MAXIMUM_DEPTH} levels deep")
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
            key = str(key_node.value)
            place = (*path, key)
            if key in result:
                first = self._document.keys[place].line
                self._report(key_node, place, f"this key is written twice, first in line {first}; remove one")
                continue
            self._document.keys[place] = _place(key_node.start_mark)
            self._check_characters(key_node, place)
            result[key] = self._convert(value_node, place)
        return result

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        text, kind = str(node.value), node.tag.rpartition(":")[2]
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        if kind in ("int", "float"):
            return self._number(node, text, kind, path)
        self._check_characters(node, path)
        return text

    def _number(self, node: yaml.Node, text: str, kind: str, path: Path) -> Any:
        number = float(text) if kind == "float" else int(text, _BASES.get(text[:2], 10)) if len(text) < 40 else None
        if number is None or number in (float("inf"), float("-inf")):
            self._report(node, path, "this number is too large")
            return 1
        return number

    def _check_characters(self, node: yaml.Node, path: Path) -> None:
        if _UNUSABLE.search(str(node.value)):
            self._report(node, path, "holds a control character; remove it")

    def _report(self, node: yaml.Node, path: Path, message: str) -> None:
        self._document.report(_place(node.start_mark), path, message)


_BASES = {"0x": 16, "0o": 8}
_UNUSABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
