"""A YAML text, its nodes, and what they should say instead -> the text with only that changed. Pure.

Each node is written anew from its own source: what is equal is copied, what differs is replaced, and what stands
between is kept: comments, order, style, blank lines. A comment that loses its neighbour stays, on a line of its own.
Values are compared as the loader normalises them, so that a default that is written out is no difference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from enum import Enum
from itertools import pairwise
from typing import Any

import yaml

from gatewayd.config.emit import Path, is_block, write_flow, write_pair, write_scalar
from gatewayd.errors import ConfigurationError

_COMMENT_BEHIND = re.compile(r"[ \t]+#[^\r\n]*")
_ALIAS = re.compile(r"(?:[\s,:\[?-]|#[^\n]*)*(\*[^\s,\[\]{}]+)")
_DASH = re.compile(r"(?:\s|#[^\n]*|&\S+)*-")
_COMMA = re.compile(r"((?:\s|#[^\n]*\n)*),")


Collection = yaml.MappingNode | yaml.SequenceNode


class Absent(Enum):
    ABSENT = "absent"


ABSENT = Absent.ABSENT


def splice(text: str, root: yaml.Node, old: Any, new: Any) -> str:
    """old: what the nodes below `root` mean, normalised; new: what they should mean.

    ConfigurationError when the place of a change is shared by an anchor.
    """
    splicer = _Splicer(text, root)
    written = splicer.write(root, old, new, ())
    return text[: root.start_mark.index] + written.text + text[splicer.end(root) :]


@dataclass(frozen=True, slots=True)
class _Written:
    """replaced: not made from the node's own source, but in one line."""

    text: str
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class _Item:
    """A pair of a mapping or an entry of a list, by its places in the text: [start, end), its value from `value` on."""

    start: int
    value: int
    end: int
    node: yaml.Node
    key: str | None
    key_end: int
    is_alias: bool


@dataclass(slots=True)
class _Slot:
    """What becomes of an item (None: it goes), and what comes new behind it."""

    text: str | None
    behind: list[str] = field(default_factory=list)


class _Splicer:
    def __init__(self, text: str, root: yaml.Node) -> None:
        self._text = text
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._seen: dict[int, int] = {}
        self._count(root)

    def _count(self, node: yaml.Node) -> None:
        self._seen[id(node)] = self._seen.get(id(node), 0) + 1
        if self._seen[id(node)] == 1 and not isinstance(node, yaml.ScalarNode):
            for child in _children(node):
                self._count(child)

    def end(self, node: yaml.Node) -> int:
        """Behind the node's last character; of a block behind the comment in its last line, too."""
        end = int(node.end_mark.index)
        if not isinstance(node, Collection):
            return len(self._text[:end].rstrip()) if getattr(node, "style", None) in ("|", ">") else end
        if node.flow_style:
            return end
        end = self._items(node)[-1].end
        comment = _COMMENT_BEHIND.match(self._text, end)
        return comment.end() if comment else end

    def _items(self, node: Collection) -> list[_Item]:
        items: list[_Item] = []
        boundary = int(node.start_mark.index)
        for child in node.value:
            key, value = child if isinstance(node, yaml.MappingNode) else (None, child)
            items.append(self._item(node, key, value, boundary))
            boundary = items[-1].end
        return items

    def _item(self, parent: Collection, key: yaml.Node | None, value: yaml.Node, boundary: int) -> _Item:
        if key is not None:
            start, boundary = int(key.start_mark.index), int(key.end_mark.index)
        elif parent.flow_style:
            start = -1
        else:
            dash = _DASH.match(self._text, boundary)
            assert dash is not None
            start, boundary = dash.end() - 1, dash.end()
        place, end, is_alias = int(value.start_mark.index), 0, False
        if place < boundary:
            alias = _ALIAS.match(self._text, boundary)
            assert alias is not None
            place, end, is_alias = alias.start(1), alias.end(1), True
        else:
            end = self.end(value)
        name = str(key.value) if key is not None else None
        return _Item(place if start < 0 else start, place, end, value, name, boundary, is_alias)

    def write(self, node: yaml.Node, old: Any, new: Any, path: Path) -> _Written:
        """The text of the node's place."""
        if _same(old, new):
            return _Written(self._text[node.start_mark.index : self.end(node)])
        if self._seen[id(node)] > 1:
            line = node.start_mark.line + 1
            raise ConfigurationError(
                f"the value in line {line} is used elsewhere by its anchor; write it out there first"
            )
        if isinstance(node, yaml.MappingNode) and isinstance(new, Mapping):
            return self._mapping(node, old if isinstance(old, Mapping) else {}, new, path)
        if isinstance(node, yaml.SequenceNode) and isinstance(new, list) and isinstance(old, list):
            return self._sequence(node, old, new, path)
        return _Written(write_flow(new), replaced=True)

    def _mapping(self, node: yaml.MappingNode, old: Mapping[str, Any], new: Mapping[str, Any], path: Path) -> _Written:
        items = self._items(node)
        slots = []
        for item in items:
            name = item.key or ""
            if name in new:
                slots.append(_Slot(self._pair(node, item, old.get(name, ABSENT), new[name], (*path, name))))
            else:  # a default that is written out stays
                slots.append(_Slot(None if name in old else self._text[item.start : item.end]))
        known = {item.key for item in items}
        added = [self._new_pair(node, (*path, name), value) for name, value in new.items() if name not in known]
        if all(slot.text is None for slot in slots):
            return _Written(write_flow(new), replaced=True) if slots or not node.flow_style else self._fill(node, added)
        slots[-1].behind = added
        return _Written(self._join(node, items, slots))

    def _sequence(self, node: yaml.SequenceNode, old: list[Any], new: list[Any], path: Path) -> _Written:
        items = self._items(node)
        slots = [_Slot(None) for _ in items]
        first: list[str] = []
        matcher = SequenceMatcher(None, [_key(item) for item in old], [_key(item) for item in new], autojunk=False)
        for kind, old_from, old_to, new_from, new_to in matcher.get_opcodes():
            both = 0 if kind in ("insert", "delete") else min(old_to - old_from, new_to - new_from)
            for index in range(both):
                at = old_from + index
                slots[at].text = self._entry(node, items[at], old[at], new[new_from + index], (*path, at))
            added = [self._new_entry(node, item) for item in new[new_from + both : new_to]]
            last = old_from + both - 1
            (slots[last].behind if last >= 0 else first).extend(added)
        if all(slot.text is None for slot in slots):
            return _Written(write_flow(new), replaced=True)
        return _Written(self._join(node, items, slots, first))

    def _pair(self, parent: Collection, item: _Item, old: Any, new: Any, path: Path) -> str:
        if _same(old, new):
            return self._text[item.start : item.end]
        written = self._value(item, old, new, path)
        key, between = self._text[item.start : item.key_end], self._text[item.key_end : item.value]
        if not written.replaced:
            return key + between + written.text
        before, _, after = between.partition(":")
        comment = after.rstrip() if "#" in after else ""
        if parent.flow_style:
            return f"{key}{before}:{after if comment else ' '}{written.text}"
        if is_block(path, new) and new and not comment:
            return self._new_pair(parent, path, new)
        return f"{key}{before}: {written.text}{comment}"

    def _entry(self, parent: Collection, item: _Item, old: Any, new: Any, path: Path) -> str:
        if _same(old, new):
            return self._text[item.start : item.end]
        written = self._value(item, old, new, path)
        dash = "" if parent.flow_style else "- " if written.replaced else self._text[item.start : item.value]
        return dash + written.text

    def _value(self, item: _Item, old: Any, new: Any, path: Path) -> _Written:
        if item.is_alias:
            return _Written(write_flow(new), replaced=True)
        return self.write(item.node, old, new, path)

    def _new_pair(self, parent: Collection, path: Path, value: Any) -> str:
        if parent.flow_style:
            return f"{write_scalar(path[-1])}: {write_flow(value)}"
        return (self._newline + self._indent(parent)).join(write_pair(path, value))

    def _new_entry(self, parent: Collection, value: Any) -> str:
        return write_flow(value) if parent.flow_style else f"- {write_flow(value)}"

    def _indent(self, node: Collection) -> str:
        """Of the items of a block."""
        start = self._items(node)[0].start
        return " " * (start - self._text.rfind("\n", 0, start) - 1)

    def _fill(self, node: yaml.Node, added: Sequence[str]) -> _Written:
        """An empty mapping in braces."""
        source = self._text[node.start_mark.index : self.end(node)]
        opening, inside = source[: source.index("{") + 1], source[source.index("{") + 1 : -1]
        return _Written(f"{opening}{', '.join(added)}{inside if '#' in inside else ''}}}")

    def _join(self, node: Collection, items: list[_Item], slots: list[_Slot], first: Sequence[str] = ()) -> str:
        start, end = int(node.start_mark.index), self.end(node)
        gaps = [self._text[one.end : other.start] for one, other in pairwise(items)]
        prefix, suffix = self._text[start : items[0].start], self._text[items[-1].end : end]
        if node.flow_style:
            return _join_flow(prefix, slots, [*gaps, ""], suffix, first)
        line = self._newline + self._indent(node)
        return prefix + _join_block(slots, [*gaps, suffix + line], line, first)


def _join_block(slots: Sequence[_Slot], gaps: Sequence[str], line: str, first: Sequence[str]) -> str:
    """Every piece begins at its column and is followed by what leads to the next one. line: a new one, indented."""
    out = "".join(text + line for text in first)
    for slot, gap in zip(slots, gaps, strict=True):
        behind, rest = _split_gap(gap)
        if slot.text is not None:
            out += slot.text + behind + "".join(line + text for text in slot.behind) + rest
        else:
            kept = [*([behind.strip()] if behind.strip() else []), *slot.behind]
            out += "".join(text + line for text in kept) + (rest.lstrip() if "#" in rest else "")
    return out.rstrip()


def _split_gap(gap: str) -> tuple[str, str]:
    """What stands behind an item in its line, and the lines to the next one."""
    at = re.search(r"\r?\n", gap)
    return (gap[: at.start()], gap[at.start() :]) if at else (gap, "")


def _join_flow(prefix: str, slots: Sequence[_Slot], gaps: Sequence[str], suffix: str, first: Sequence[str]) -> str:
    """Every piece is followed by its gap, which holds the comma; of gaps that go only comments stay."""
    pieces: list[tuple[str, str]] = [(text, ", ") for text in first]
    for slot, gap in zip(slots, gaps, strict=True):
        texts = [*([slot.text] if slot.text is not None else []), *slot.behind]
        left = "" if texts or "#" not in gap else _COMMA.sub(r"\1", gap, count=1).lstrip(" ")
        if texts:
            pieces += [*((text, ", ") for text in texts[:-1]), (texts[-1], gap or ", ")]
        elif pieces:
            pieces[-1] = (pieces[-1][0], pieces[-1][1] + left)
        else:
            prefix += left
    *most, (last, gap) = pieces
    end = _COMMA.sub(r"\1", gap, count=1).rstrip(" ") if "#" in gap else ""
    return prefix + "".join(text + between for text, between in most) + last + end + suffix


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    for child in node.value:
        yield from child if isinstance(child, tuple) else (child,)


def _same(one: Any, other: Any) -> bool:
    return one is other or (one is not ABSENT and other is not ABSENT and _key(one) == _key(other))


def _key(value: Any) -> str:
    """Equal for equal JSON: to Python, 1 is True."""
    return json.dumps(value, sort_keys=True)
