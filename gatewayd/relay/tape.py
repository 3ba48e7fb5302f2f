"""The tape of an exchange: the beginning and the end of what the provider said, to be stored; bounded in memory."""

from __future__ import annotations

from collections import deque


class Tape:
    """first, last: how many bytes are kept of the beginning and of the end, give or take a piece."""

    __slots__ = ("_beginning", "_end", "_end_size", "_first", "_last", "_room", "omitted")

    def __init__(self, first: int, last: int) -> None:
        self._first, self._last = first, last
        self.rewind()

    def rewind(self) -> None:
        """Another answer begins."""
        self._room = self._first
        self._beginning: list[bytes] = []
        self._end: deque[bytes] = deque()
        self._end_size = 0
        self.omitted = 0  # bytes between the two

    def add(self, piece: bytes) -> None:
        if self._room > 0:
            self._beginning.append(piece)
            self._room -= len(piece)
            return
        self._end.append(piece)
        self._end_size += len(piece)
        while self._end_size > self._last and len(self._end) > 1:
            gone = len(self._end.popleft())
            self._end_size -= gone
            self.omitted += gone

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return self._first - self._room + self._end_size

    @property
    def pieces(self) -> list[bytes]:
        return [*self._beginning, *self._end]
