"""Stop sequences that the gateway enforces itself, because the provider takes fewer than the client gave.

Text flows on except for its end while that may be the beginning of a sequence.
"""

from __future__ import annotations


class StopSequences:
    def __init__(self, sequences: tuple[str, ...]) -> None:
        self._sequences = sequences
        self._held = ""

    def feed(self, text: str) -> tuple[str, str | None]:
        """-> the text that may be shown, and the sequence that ended it, if one did."""
        text = self._held + text
        # the one that was whole first, as if each character had come alone; of two that end together, the longer one
        found = min(((at + len(s), at, s) for s in self._sequences if (at := text.find(s)) >= 0), default=None)
        if found:
            self._held = ""
            _, at, sequence = found
            return text[:at], sequence
        keep = max(_overlap(text, sequence) for sequence in self._sequences)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep], None

    def flush(self) -> str:
        """No more text follows: what was held is shown."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, sequence: str) -> int:
    """The length of the longest end of `text` that begins `sequence`."""
    return next((n for n in range(min(len(text), len(sequence) - 1), 0, -1) if text.endswith(sequence[:n])), 0)
