"""What the last turn of a conversation asks for, read from the request's messages. Pure.

A request is a real prompt when a person's words end it, and an answer to tools when results follow the last assistant
message; what stands between tags like `<system-reminder>` is a client's own talk and counts as neither.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_REMINDER = re.compile(r"<([a-z]+(?:-[a-z]+)+)>.*?</\1>", re.DOTALL)
_PATH = re.compile(
    r"(?<![\w/.:~-])(?:~|\.{1,2})?/[\w@%+=:,.~/-]*[\w/]|(?<![\w/.-])[\w-]+(?:/[\w.-]+)*\.[A-Za-z][\w]{0,7}\b"
)
_FOLDER = re.compile(r"working directory:\s*(/[^\n]*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Turn:
    """prompt: the person's words of this turn, or of the latest turn that has any; results: the texts of tool messages
    that nobody has answered yet; attached: the words behind them; notice: what a client tells of its own accord, where
    this turn has neither words nor results; first: the assistant has said nothing so far; images: how many came with
    this turn."""

    system: str
    prompt: str
    results: tuple[str, ...]
    attached: str
    notice: str
    first: bool
    images: int

    @property
    def paths(self) -> list[str]:
        """The paths that the prompt names, absolute where the system prompt tells the working directory."""
        folder = _FOLDER.search(self.system)
        paths = dict.fromkeys(match[0] for match in _PATH.finditer(self.prompt))
        if folder is None:
            return list(paths)
        return [path if path[0] in "/~" else f"{folder[1].strip().rstrip('/')}/{path}" for path in paths]


def read_turn(messages: list[dict[str, Any]]) -> Turn:
    """The turn that the (already checked) messages end with."""
    last = max((i for i, message in enumerate(messages) if message["role"] == "assistant"), default=-1)
    tail = messages[last + 1 :]
    results = tuple(m["content"] for m in tail if m["role"] == "tool")
    told = [m["content"] for m in tail if m["role"] == "user"]
    words = "\n\n".join(said for content in told if (said := words_of(content)))
    return Turn(
        system="\n\n".join(text_of(m["content"]) for m in messages if m["role"] in ("system", "developer")),
        prompt=_prompt(messages),
        results=results,
        attached=words if results else "",
        notice="" if results or words else "\n\n".join(map(text_of, told)).strip(),
        first=last < 0,
        images=sum(map(_images, told)),
    )


def text_of(content: Any) -> str:
    """The text of a message's content, its parts joined by a blank line."""
    if isinstance(content, str):
        return content
    return "\n\n".join(part["text"] for part in content or () if part["type"] == "text")


def first_prompt(messages: list[dict[str, Any]]) -> str:
    """The person's first words in the conversation."""
    return next((words for m in messages if m["role"] == "user" and (words := words_of(m["content"]))), "")


def _prompt(messages: list[dict[str, Any]]) -> str:
    users = [m["content"] for m in messages if m["role"] == "user"]
    spoken = (words for content in reversed(users) if (words := words_of(content)))
    return next(spoken, text_of(users[-1]).strip() if users else "")


def words_of(content: Any) -> str:
    """The person's words in a message's content: its text without reminders."""
    return _REMINDER.sub("", text_of(content)).strip()


def _images(content: Any) -> int:
    return sum(part["type"] == "image_url" for part in content) if isinstance(content, list) else 0
