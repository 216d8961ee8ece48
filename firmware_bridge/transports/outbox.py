"""Bytes that wait for a port: whole pieces, in order, urgent ones first.

A piece is what one ``write`` was given, normally one frame. A piece of which a byte has left is finished before
anything else leaves, because half a frame followed by STOP is a STOP nobody can read.
"""

from collections import deque

UNSENT_LIMIT_BYTES = 1 << 20
"""A port that leaves this much waiting is not a line to a pen any more: at 115 200 baud it is a minute and a half of
bytes, and a pen answers within milliseconds. Beyond it the transport counts as lost instead of eating memory."""


class Outbox:
    """Pieces that have not left yet. Pure: the transport that owns it does the sending."""

    __slots__ = ("_begun", "_normal", "_urgent", "size")

    def __init__(self) -> None:
        self._begun: memoryview | None = None
        self._urgent: deque[memoryview] = deque()
        self._normal: deque[memoryview] = deque()
        self.size = 0
        """Bytes waiting."""

    def push(self, data: bytes, *, urgent: bool = False) -> None:
        """Appends a piece; an empty one is nothing."""
        if data:
            (self._urgent if urgent else self._normal).append(memoryview(data))
            self.size += len(data)

    def begin(self, rest: memoryview) -> None:
        """Puts the rest of a piece whose first bytes left without waiting. Only for an empty outbox."""
        self._begun = rest
        self.size += len(rest)

    def head(self) -> memoryview:
        """What leaves next: the rest of a begun piece, else the oldest urgent one, else the oldest. Empty when none."""
        if self._begun is not None:
            return self._begun
        if self._urgent:
            return self._urgent[0]
        if self._normal:
            return self._normal[0]
        return memoryview(b"")

    def sent(self, count: int) -> None:
        """``count`` bytes of :meth:`head` have left; the piece is begun, or gone."""
        if count == 0:
            return
        piece = self._begun
        if piece is None:
            piece = self._urgent.popleft() if self._urgent else self._normal.popleft()
        self.size -= count
        self._begun = piece[count:] if count < len(piece) else None

    def clear(self) -> None:
        """Drops everything."""
        self._begun = None
        self._urgent.clear()
        self._normal.clear()
        self.size = 0
