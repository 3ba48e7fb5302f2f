"""Files as people write them, for Hypothesis: any records, in blocks or braces, with comments wherever they may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from hypothesis import strategies as st

from gatewayd.config.emit import write_flow, write_scalar
from gatewayd.gateways import Gateway

Path = tuple[str | int, ...]

_words = st.sampled_from(["a", "no", "012", "b: c", "it's", "# x", "x #y", "é", "two words", "*", "claude-*", "1:30"])
_seconds = st.sampled_from([5, 30, 0.5, 300])
_count = st.none() | st.integers(1, 5)
_limits = st.fixed_dictionaries({}, optional={"requests_per_minute": _count, "concurrent": _count})
_upstream = st.fixed_dictionaries(
    {"base_url": st.sampled_from(["https://a.example/v1", "http://127.0.0.1:1/x", "https://api.deepseek.com"])},
    optional={
        "api_key": st.sampled_from([{"env": "A_API_KEY"}, {"file": "/run/secrets/a b"}]),
        "dialect": st.sampled_from(["", "vllm"]),
        "headers": st.dictionaries(st.sampled_from(["X-A", "X-B"]), st.sampled_from(["1", "a b", "{x}, y"])),
        "timeouts": st.fixed_dictionaries({}, optional={"connect": _seconds, "idle": _seconds, "total": _seconds}),
        "capabilities": st.fixed_dictionaries(
            {},
            optional={
                "images": st.booleans(),
                "max_stop": st.integers(0, 3),
                "extra_body": st.fixed_dictionaries(
                    {}, optional={"x": st.sampled_from([1, 1.0, [1, [2]], {"y": None}])}
                ),
            },
        ),
    },
)
_row = st.fixed_dictionaries(
    {"name": _words},
    optional={
        "upstream_model": _words,
        "vision": st.booleans(),
        "price": st.fixed_dictionaries({}, optional={"input": st.sampled_from([0, 1, 0.28]), "output": st.just(2)}),
    },
)
_tokens = st.lists(st.sampled_from("abc"), unique=True, max_size=3).map(
    lambda names: [{"name": name, "sha256": name * 64} for name in names]
)
raw_gateways = st.fixed_dictionaries(
    {"upstream": _upstream},
    optional={
        "name": _words,
        "models": st.lists(_row, max_size=4),
        "fallback": st.lists(st.sampled_from(["f1", "f2", "f3"]), unique=True),
        "tokens": _tokens,
        "limits": _limits,
        "logging": st.fixed_dictionaries({}, optional={"bodies": st.sampled_from(["none", "all"])}),
    },
)
gateways = raw_gateways.map(Gateway.model_validate)


@dataclass
class Written:
    """comments: number -> the path of the mapping or list that it stands in."""

    text: str = ""
    raw: dict[str, Any] = field(default_factory=dict)
    comments: dict[str, Path] = field(default_factory=dict)

    @property
    def gateways(self) -> dict[str, Gateway]:
        return {id_: Gateway.model_validate(raw) for id_, raw in self.raw.items()}

    def comments_outside(self, record: Path, live: Gateway) -> list[str]:
        """Those that a change of that record to `live` cannot touch: what they stand in goes on, at least in part."""
        old, new = self.gateways[str(record[-1])].spec(), live.spec()
        return [c for c, path in self.comments.items() if path[:2] != record or _goes_on(old, new, path[2:])]


def _goes_on(old: Any, new: Any, path: Path) -> bool:
    if old == new or not path:
        return True
    step, rest = path[0], path[1:]
    if isinstance(old, list):
        return False  # which row became which is not looked at here
    old, new = old.get(step), new.get(step)
    if old is None or new is None or type(old) is not type(new):
        return False
    if isinstance(old, list):
        return old == new or (bool(old) and bool(new) and not rest)
    return not isinstance(old, dict) or (bool(set(old) & set(new)) and _goes_on(old, new, rest))


@st.composite
def write_file(draw: Callable[[Any], Any]) -> Written:
    """A file with one to three records."""
    written = Written(
        raw=draw(st.dictionaries(st.sampled_from(["a", "b", "c-1"]), raw_gateways, min_size=1, max_size=3))
    )
    style = _Style(draw, written.comments)
    head = "".join(style.own_line("", ()) for _ in range(draw(st.integers(0, 2))))
    body = "version: 1\ngateways:" + style.value(written.raw, ("gateways",), 2, block=True)
    written.text = head + body + "\n" + style.own_line("", ())
    return written


@dataclass
class _Style:
    draw: Callable[[Any], Any]
    comments: dict[str, Path]
    numbers: Any = field(default_factory=lambda: count(1))

    def flip(self, of: int = 2) -> bool:
        return bool(self.draw(st.integers(1, of)) == 1)

    def comment(self, path: Path) -> str:
        name = f"c{next(self.numbers)}"
        self.comments[name] = path
        return f"# {name}"

    def own_line(self, indent: str, path: Path) -> str:
        blank = "\n" if self.flip(5) else ""
        return blank + (f"{indent}{self.comment(path)}\n" if self.flip(4) else "")

    def value(self, value: Any, path: Path, indent: int, *, block: bool = False) -> str:
        """With what leads to it from the colon or the dash on."""
        if isinstance(value, dict | list) and value and (block or self.flip()):
            return "\n" + self.block(value, path, " " * indent)
        if isinstance(value, dict | list) and value and self.flip(3):
            return " " + self.lines_in_braces(value, path, " " * indent)
        if isinstance(value, dict | list):
            return " " + write_flow(value)
        return " " + self.scalar(value)

    def scalar(self, value: Any) -> str:
        if isinstance(value, str) and self.flip(3):
            return "'" + value.replace("'", "''") + "'"
        return write_scalar(value)

    def block(self, value: Any, path: Path, indent: str) -> str:
        lines = []
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for step, inner in pairs:
            lead = f"{indent}{write_scalar(step)}:" if isinstance(value, dict) else f"{indent}-"
            child = (*path, step)
            if isinstance(value, list) and isinstance(inner, dict) and inner and self.flip():
                body = " " + self.block(inner, child, indent + "  ").lstrip(" ")
                body = body if not body.lstrip().startswith("#") and not body.startswith(" \n") else "\n" + body
            else:
                body = self.value(inner, child, len(indent) + 2)
            is_open = body.startswith("\n") or "\n" in body
            behind = f"  {self.comment(path)}" if not is_open and self.flip(4) else ""
            lines.append(self.own_line(indent, path) + lead + body + behind)
        return "\n".join(lines)

    def lines_in_braces(self, value: Any, path: Path, indent: str) -> str:
        opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
        pairs = list(value.items() if isinstance(value, dict) else enumerate(value))
        out = opening + "\n"
        for index, (step, inner) in enumerate(pairs):
            key = f"{write_scalar(step)}: " if isinstance(value, dict) else ""
            comma = "," if index + 1 < len(pairs) or self.flip(4) else ""
            behind = f" {self.comment(path)}" if self.flip(4) else ""
            out += f"{indent}  {key}{write_flow(inner)}{comma}{behind}\n"
        return f"{out}{indent}{closing}"
