"""The arguments of one tool call: text in pieces that must end as one JSON object.

Rule: what was passed on can always be completed to an object. So pieces flow on at once while they are the beginning of
an object, but what could still turn out wrong is held back until the next characters confirm it: keys, numbers, commas,
closing quotes, the last brace. Whatever does not parse in the end is repaired (by a function that is passed in), or
closed where it was.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from gatewayd.protocol.json import MAX_DEPTH, clean, parse_json

Repair = Callable[[str], Any]  # broken JSON -> what was meant, None where that cannot be said

_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'(?:[^"\\\x00-\x1f]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*')
_PARTIAL_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_SCALAR = re.compile(r"[-+.0-9A-Za-z]+")
_CUT_SCALAR = re.compile(
    r"-?(?:0|[1-9][0-9]*)?(?:(?<=[0-9])\.[0-9]*)?(?:(?<=[0-9])[eE][-+]?[0-9]*)?|t(?:r(?:ue?)?)?|f(?:a(?:l(?:se?)?)?)?"
    r"|n(?:u(?:ll?)?)?"
)
_WHOLE_SCALAR = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null")
_CLOSER = {"{": "}", "[": "]"}

# What may come next. Each state names the token that the scanner waits for.
_ROOT, _VALUE, _VALUE_OR_END, _KEY, _KEY_OR_END, _COLON, _NEXT, _IN_KEY, _IN_STRING, _WHOLE, _BROKEN = range(11)


class Arguments:
    """One call's arguments. `feed` and `finish` return the text to pass on; all of it together parses to an object."""

    __slots__ = ("_closers", "_end", "_pending", "_pieces", "_repair", "_safe_end", "_sent", "_state", "repaired")

    def __init__(self, repair: Repair | None = None) -> None:
        self._repair = repair or repair_nothing
        self._pieces: list[str] = []  # everything that came
        self._pending = ""  # what came and was not passed on
        self._end = 0  # how far in _pending the scanner got
        self._state = _ROOT
        self._closers = ""  # what closes the brackets that are open, innermost first
        self._safe_end = ""  # what completes the text that was passed on
        self._sent: list[str] = []
        self.repaired = False

    @property
    def whole(self) -> bool:
        """One object has come, to its last brace."""
        return self._state == _WHOLE

    def feed(self, piece: str) -> str:
        self._pieces.append(piece)
        if self._state in (_BROKEN, _WHOLE):
            if piece.strip():
                self._state = _BROKEN
            self._pending += piece
            return ""
        self._pending += piece
        safe = self._scan()
        passed, self._pending = self._pending[:safe], self._pending[safe:]
        self._end -= safe
        if passed:
            self._sent.append(passed)
        return passed

    def finish(self, *, cut: bool = False) -> str:
        """The rest. `cut`: the length limit ended the call; its text goes out as it came, as a native endpoint does, up
        to where it is no longer the beginning of an object: parsers of partial JSON raise on anything else."""
        if cut:
            return self._beginning()
        raw, sent = "".join(self._pieces), "".join(self._sent)
        end = _object_end(raw)
        if end > 0:
            self.repaired = bool(raw[end:].strip())
            return raw[len(sent) : end] if self.repaired else self._pending
        self.repaired = raw.strip() not in ("", "null")
        value = parse_arguments(raw, self._repair)
        for separators in ((",", ":"), (", ", ": ")):
            text = json.dumps(value, separators=separators, ensure_ascii=False)
            if text.startswith(sent):
                return text[len(sent) :]
        return self._safe_end

    def _beginning(self) -> str:
        scanned, tail = self._pending[: self._end], self._pending[self._end :]
        in_text = self._state in (_IN_STRING, _IN_KEY)  # the tail is an escape that is not whole
        in_scalar = self._state in (_VALUE, _VALUE_OR_END) and _CUT_SCALAR.fullmatch(tail)
        passed = scanned + (tail if in_text or in_scalar else "")
        return passed if self._sent or passed.strip() else ""

    def _scan(self) -> int:
        """Reads on in _pending; -> how much of it may be passed on."""
        text, at, safe = self._pending, self._end, 0
        while at < len(text):
            if self._state in (_IN_STRING, _IN_KEY):
                at = _run(_STRING, text, at)
                if self._state == _IN_STRING:
                    safe, self._safe_end = at, '"' + self._closers
                if at == len(text) or _PARTIAL_ESCAPE.match(text, at):
                    break
                if text[at] != '"':
                    self._state = _BROKEN
                    break
                self._state = _COLON if self._state == _IN_KEY else _NEXT
                at += 1
                continue
            at = _run(_SPACE, text, at)
            if at == len(text):
                break
            step = self._token(text, at)
            if step == 0:
                break
            at += step
            if self._state in (_KEY_OR_END, _VALUE_OR_END, _IN_STRING) or (step == 1 and text[at - 1] in "]}"):
                if self._state == _WHOLE:
                    break
                safe, self._safe_end = at, ('"' if self._state == _IN_STRING else "") + self._closers
        self._end = at
        return safe

    def _token(self, text: str, at: int) -> int:
        """Takes one token at `at`; -> its length, 0 when it is not whole yet or breaks the object."""
        char, state = text[at], self._state
        if char == '"' and state in (_KEY, _KEY_OR_END):
            self._state = _IN_KEY
        elif char == '"' and state in (_VALUE, _VALUE_OR_END):
            self._state = _IN_STRING
        elif len(self._closers) < MAX_DEPTH and (
            (char == "{" and state in (_ROOT, _VALUE, _VALUE_OR_END))
            or (char == "[" and state in (_VALUE, _VALUE_OR_END))
        ):
            self._closers = _CLOSER[char] + self._closers
            self._state = _KEY_OR_END if char == "{" else _VALUE_OR_END
        elif char == ":" and state == _COLON:
            self._state = _VALUE
        elif char == "," and state == _NEXT:
            self._state = _KEY if self._closers[0] == "}" else _VALUE
        elif char in "]}" and self._closers[:1] == char and state in (_NEXT, _KEY_OR_END, _VALUE_OR_END):
            self._closers = self._closers[1:]
            self._state = _NEXT if self._closers else _WHOLE
        elif state in (_VALUE, _VALUE_OR_END) and (scalar := _SCALAR.match(text, at)):
            if scalar.end() == len(text):
                return 0  # more of it may follow
            if not _WHOLE_SCALAR.fullmatch(scalar.group()):
                self._state = _BROKEN
                return 0
            self._state = _NEXT
            return len(scalar.group())
        else:
            self._state = _BROKEN
            return 0
        return 1


def repair_nothing(_text: str) -> None:
    """The `repair` of a caller that has none: what does not parse says nothing."""
    return


def parse_arguments(raw: str, repair: Repair = repair_nothing) -> dict[str, Any]:
    """What a provider sent as arguments -> an object: doubly encoded JSON is unwrapped, anything else repaired.

    Text that holds no object at all, or one that is nested too deeply, becomes {}.
    """
    value = _loads(raw)
    if isinstance(value, str):  # JSON inside a JSON string
        value = _loads(value)
    if value is None and raw.strip() not in ("", "null"):
        value = _repaired(raw, repair)
    return value if isinstance(value, dict) else {}


def _repaired(raw: str, repair: Repair) -> Any:
    try:
        value = clean(repair(raw))
    except (ValueError, RecursionError):
        return None
    if isinstance(value, list):  # several objects: the first that says something
        objects = [item for item in value if isinstance(item, dict)]
        value = next((item for item in objects if item), objects[0] if objects else None)
    return value


def _object_end(raw: str) -> int:
    """Where the JSON object ends with which `raw` begins; 0 where it begins with none, or with one too deep.

    An empty object before a filled one is a placeholder (`{}{…}`): then it is 0, and repair finds the filled one.
    """
    try:
        value, end = _DECODER.raw_decode(raw, _run(_SPACE, raw, 0))
    except (ValueError, RecursionError):
        return 0
    if not isinstance(value, dict) or (not value and "{" in raw[end:]):
        return 0
    return end if _loads(raw[:end]) is not None else 0


def _run(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _loads(text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        return None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
