"""`<think>…</think>` at the start of the text: split off as thinking, also when the tags are cut across chunks.

Only at the start, after white space: tags further on are the model's own words.
"""

from __future__ import annotations

from collections.abc import Iterator

from gatewayd.protocol.parts import Part, Text, Thinking

_OPEN = ("<think>", "<thinking>")
_CLOSE = ("</think>", "</thinking>")


class ThinkTags:
    """repeated: the tagged text says again what the reasoning field said (MiniMax); it is dropped where that field was
    used (`seen_reasoning`)."""

    def __init__(self, *, repeated: bool) -> None:
        self._repeated = repeated
        self.seen_reasoning = False
        self._held = ""  # the start of what may be a tag
        self._state = "start"  # start -> inside -> after -> text

    def feed(self, text: str) -> Iterator[Part]:
        if self._state == "text":
            yield Text(text)
            return
        self._held += text
        if self._state == "start":
            yield from self._start()
        if self._state == "inside":
            yield from self._inside()
        if self._state == "after":
            yield from self._after()

    def finish(self) -> Iterator[Part]:
        """The text has ended or something else follows: what was held is what it is."""
        held, self._held = self._held, ""
        if held and self._state == "inside":
            yield from self._thinking(held)
        elif held and self._state == "start":
            yield Text(held)
        self._state = "text" if self._state != "start" or held else "start"

    def _start(self) -> Iterator[Part]:
        text = self._held.lstrip()
        tag = next((tag for tag in _OPEN if text.startswith(tag)), None)
        if tag:
            self._held = text[len(tag) :]
            self._state = "inside"
        elif not any(tag.startswith(text) for tag in _OPEN):
            held, self._held, self._state = self._held, "", "text"
            yield Text(held)

    def _inside(self) -> Iterator[Part]:
        found = min(((at, tag) for tag in _CLOSE if (at := self._held.find(tag)) >= 0), default=None)
        if found:
            at, tag = found
            thinking, self._held = self._held[:at], self._held[at + len(tag) :]
            self._state = "after"
        else:
            keep = _possible_tag(self._held)
            thinking, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        if thinking:
            yield from self._thinking(thinking)

    def _after(self) -> Iterator[Part]:
        """White space between the tag and the text belongs to neither."""
        text, self._held = self._held.lstrip(), ""
        if text:
            self._state = "text"
            yield Text(text)

    def _thinking(self, text: str) -> Iterator[Part]:
        if not (self._repeated and self.seen_reasoning):
            yield Thinking(text)


def _possible_tag(text: str) -> int:
    """How many characters at the end may be the start of a closing tag."""
    at = text.rfind("<", -len(_CLOSE[1]))
    return len(text) - at if at >= 0 and any(tag.startswith(text[at:]) for tag in _CLOSE) else 0
