"""A bad line between a host and a simulated pen: drops, delays, holds and doubles bytes, exactly as told.

Deterministic and without a clock: the time of each call is the pen's, in ms. Faults drawn at random are made by whoever
holds an rng and calls these.
"""

from bisect import insort
from collections import deque
from collections.abc import Callable, Iterable
from operator import itemgetter

from cobs.cobs import DecodeError
from cobs.cobs import decode as cobs_decode

from firmware_bridge.wire.framing import DELIMITER, WIRE_MAX_BYTES

Fate = Callable[[bytes], Iterable[tuple[int, bytes]]]
"""What becomes of a piece of traffic: nothing, or one or more pieces, each with ms by which others overtake it."""

_arrival = itemgetter(0)  # pieces that arrive at the same time keep their order


class Lane:
    """One direction of the line.

    ``delay_ms`` is added to everything that comes from now on; ``dropping`` loses it; ``doubling`` delivers it twice.
    While ``holding``, bytes pile up and come out in one go afterwards, as from a buffer somebody forgot to empty.
    ``fate``, where there is one, decides what becomes of each piece.
    """

    __slots__ = (
        "_late", "_losses", "_piece", "_queue", "delay_ms", "doubling", "dropping", "fate", "holding", "lost_bytes",
    )  # fmt: skip

    def __init__(self) -> None:
        self.delay_ms = 0
        self.dropping = False
        self.doubling = False
        self.holding = False
        self.lost_bytes = 0
        self.fate: Fate | None = None
        self._late: list[tuple[int, bytes]] = []
        self._losses: dict[int, int] = {}
        self._piece = b""
        self._queue: deque[tuple[int, bytes]] = deque()

    def lose(self, kind: int, times: int) -> None:
        """Loses the next ``times`` whole frames of this kind (the message table's number); 0 ends it."""
        if times:
            self._losses[kind] = times
        else:
            self._losses.pop(kind, None)

    @property
    def idle(self) -> bool:
        """Nothing waits in this lane."""
        return not self._queue and not self._late

    @property
    def losing(self) -> bool:
        """Frames are still to be lost."""
        return bool(self._losses)

    @property
    def due_ms(self) -> int | None:
        """When the next bytes arrive, or None where none are on their way."""
        if self.holding:
            return None
        if self._late:
            return min(self._late[0][0], self._queue[0][0]) if self._queue else self._late[0][0]
        return self._queue[0][0] if self._queue else None

    def push(self, data: bytes, now_ms: int) -> None:
        """Bytes enter at ``now_ms``."""
        if self._losses or self._piece:
            data = self._without_losses(data)
        if self.dropping:
            self.lost_bytes += len(data)
            return
        if not data:
            return
        if self.fate is not None:
            for late_ms, piece in self.fate(data):
                if late_ms:
                    insort(self._late, (now_ms + self.delay_ms + late_ms, piece), key=_arrival)
                else:
                    self._queue.append((now_ms + self.delay_ms, piece))
            return
        self._queue.append((now_ms + self.delay_ms, data + data if self.doubling else data))

    def pull(self, now_ms: int) -> bytes:
        """Bytes that have arrived at the other end by ``now_ms``, in order; what was overtaken comes last."""
        out = b""
        if self.holding:
            return out
        while self._queue and self._queue[0][0] <= now_ms:
            out += self._queue.popleft()[1]
        while self._late and self._late[0][0] <= now_ms:
            out += self._late.pop(0)[1]
        return out

    def _without_losses(self, data: bytes) -> bytes:
        """Whole pieces, those to be lost left out; an unfinished piece waits, up to a frame's size."""
        *pieces, rest = (self._piece + data).split(DELIMITER)
        kept = b"".join(piece + DELIMITER for piece in pieces if not self._loses(piece))
        if self._losses and len(rest) <= WIRE_MAX_BYTES:
            self._piece = rest
            return kept
        self._piece = b""
        return kept + rest

    def _loses(self, piece: bytes) -> bool:
        try:
            content = cobs_decode(piece)
        except DecodeError:
            return False
        if not content or not self._losses.get(content[0]):
            return False
        self._losses[content[0]] -= 1
        if not self._losses[content[0]]:
            del self._losses[content[0]]
        self.lost_bytes += len(piece) + len(DELIMITER)
        return True


class Line:
    """Both directions between one medium and the pen."""

    __slots__ = ("to_host", "to_pen")

    def __init__(self) -> None:
        self.to_pen = Lane()
        self.to_host = Lane()
