"""YAML text -> nodes with marks. Scalars mean what YAML 1.2's core schema says.

`on`, `no`, 1_000 and 1:30 are texts, and so is 0123, which others read as octal. PyYAML's own parser says what is
valid; libyaml, where it is there, only saves time: with it or without, the same files are valid, with the same marks.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import yaml
from yaml.composer import Composer, ComposerError
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

MAXIMUM_DEPTH = 50
TOO_DEEP = f"nested more than {MAXIMUM_DEPTH} levels deep"

#: a mark, and what is wrong there
Refused = tuple[Any, str]

# Where one of these is, the two parsers do not always agree on what is YAML.
_UNEVEN = re.compile("[\t!%?&>|@`\x85\u2028\u2029\ufeff]")


class _CoreSchema(BaseResolver):
    """The core schema's few types, and no other."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own attribute


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", list("-+0123456789.")),
):
    _CoreSchema.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _first)


class _Composer(Composer):
    """Makes nodes of events. Explicit tags are noted, to be refused; depth is limited, so that no stack runs over."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: list[Refused] = []
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[attr-defined]  # of the parser that this is combined with
        tag = getattr(event, "tag", None)
        if tag is not None:
            self.refused.append((event.start_mark, f"the tag {tag.replace('tag:yaml.org,2002:', '!!')} is refused"))
        self._depth += 1
        if self._depth > MAXIMUM_DEPTH + 1:
            raise ComposerError(None, None, TOO_DEEP, event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Loader(Reader, Scanner, Parser, _Composer, _CoreSchema):
    """PyYAML's own parser: what it accepts is what is valid here."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        _Composer.__init__(self)
        _CoreSchema.__init__(self)


if yaml.__with_libyaml__:
    from yaml._yaml import CParser

    class _LibyamlLoader(_Composer, CParser, _CoreSchema):
        """The same nodes and marks by libyaml, which takes a tenth of the time."""

        def __init__(self, text: str) -> None:
            CParser.__init__(self, text)
            _Composer.__init__(self)
            _CoreSchema.__init__(self)

        def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
            node = super().compose_scalar_node(anchor)
            if not node.value and not node.style:
                raise ComposerError(None, None, "libyaml puts what is not there elsewhere", node.start_mark)
            return node

    _FastLoader: type[_LibyamlLoader] | None = _LibyamlLoader
else:
    _FastLoader = None


def compose_nodes(text: str) -> tuple[yaml.Node | None, list[Refused]]:
    """The root node, None for a file without any, and the tags that were refused, with their marks.

    By libyaml where it agrees with PyYAML's own parser, which has the last word and the better messages. They do not
    agree on where nodes end. Raises yaml.YAMLError.
    """
    if _FastLoader is not None and not _UNEVEN.search(text):
        with suppress(yaml.YAMLError):
            fast = _FastLoader(text)
            return fast.get_single_node(), fast.refused
    return compose_exactly(text)


def compose_exactly(text: str) -> tuple[yaml.Node | None, list[Refused]]:
    """The same by PyYAML's own parser, whose nodes say where they end, too."""
    loader = _Loader(text)
    return loader.get_single_node(), loader.refused
