"""A recording served as a pen, in real time; see :mod:`simulators.replay` for what it does and what it cannot."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.errors import CodecError
from firmware_bridge.wire.capture import CapturedBytes, CaptureReader, lines_of
from firmware_bridge.wire.dissection import dissect
from firmware_bridge.wire.messages import Hello, Welcome
from proving.wire.offering import Place, check_places, offer
from simulators.recorded_steps import steps_of
from simulators.replay import Deviation, RecordedPen

TICK_S = 0.002
LAST_WORDS_S = 0.2
"""What was said last reaches a host before the port is taken away."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a recording, as far as it says whether it can be played."""

    pen_url: str
    started: str
    pieces: int
    last_us: int
    truncated: bool


@dataclass(frozen=True, slots=True)
class Played:
    """How a replay went. ``waited_for`` is what the host never did, in words; empty where all was played."""

    acts: int
    frames: int
    deviations: int
    waited_for: str

    @property
    def as_recorded(self) -> bool:
        """The host did what it did when it was recorded."""
        return not self.deviations and not self.waited_for


@contextmanager
def opened(path: Path, read: Callable[[int], None] = lambda _bytes: None) -> Iterator[CaptureReader]:
    """The capture in a file; ``read`` is told of bytes read. Raises OSError, and CodecError that names the file."""
    with path.open(encoding="utf-8", errors="replace") as file:

        def told() -> Iterator[str]:
            size = 0
            for line in lines_of(file):
                size += len(line)
                read(size)
                yield line

        try:
            yield CaptureReader(told())
        except CodecError as error:
            raise CodecError(f"{path}: {error}") from error


def examined(path: Path, read: Callable[[int], None] = lambda _bytes: None) -> Contents:
    """Reads a recording through. Raises CodecError where it is damaged or has no handshake, so nothing to answer."""
    pieces, last_us, shaken, hello = 0, 0, False, False
    with opened(path, read) as capture:

        def counted() -> Iterator[CapturedBytes]:
            nonlocal pieces, last_us
            for piece in capture:
                pieces, last_us = pieces + 1, piece.time_us
                yield piece

        for one in dissect(counted()):
            hello = hello or isinstance(one.message, Hello)
            shaken = shaken or (hello and isinstance(one.message, Welcome))
        if not shaken:
            raise CodecError(
                "no host shakes hands with the pen in this recording, so no host could be answered. Begin to record "
                "before the host connects."
            )
        return Contents(capture.pen_url, capture.started, pieces, last_us, capture.truncated)


class _Way:
    """One host's way to the recording."""

    def __init__(self, player: "_Player", number: int, send: Callable[[bytes], None]) -> None:
        self._player = player
        self.number = number
        self.send = send

    def received(self, data: bytes) -> None:
        self._player.heard(self, data)

    def detach(self) -> None:
        self._player.leave(self)


class _Player:
    """Moves a recorded pen on in real time."""

    def __init__(self, pen: RecordedPen, clock_ns: Callable[[], int]) -> None:
        self.pen = pen
        self._clock_ns = clock_ns
        self._began_ns = clock_ns()
        self._ways: dict[int, _Way] = {}
        self._next = 1

    def attach(self, send: Callable[[bytes], None]) -> _Way:
        way = self._ways[self._next] = _Way(self, self._next, send)
        self._next += 1
        return way

    def leave(self, way: _Way) -> None:
        self._ways.pop(way.number, None)
        self.pen.forget(way.number)

    def heard(self, way: _Way, data: bytes) -> None:
        self.move()
        self.pen.receive(way.number, data)
        self.move()

    def move(self) -> None:
        self.pen.advance((self._clock_ns() - self._began_ns) // 1000)
        for number, way in list(self._ways.items()):
            said = self.pen.take(number)
            if said:
                way.send(said)


async def replay(
    path: Path,
    *,
    pty: bool = True,
    link: Path | None = None,
    tcp: str | None = None,
    patience_s: float,
    ready: Callable[[Place], None],
    deviated: Callable[[Deviation], None],
    waiting: Callable[[str, float], None] = lambda _words, _for_s: None,
    clock_ns: Callable[[], int] = time.monotonic_ns,
) -> Played:
    """Serves the recording at ``path`` as a pen until it has ended, or the host was waited for ``patience_s``.

    ``ready`` is called once, when a host can open it; ``deviated`` for each deviation; ``waiting`` with what the host
    did next in the recording and how long it has been waited for, empty when it is not.

    Raises CodecError for a recording that cannot be played, OSError, EndpointError when it cannot be offered as asked.
    """
    check_places(pty=pty, link=link, tcp=tcp)
    count = 0

    def told(deviation: Deviation) -> None:
        nonlocal count
        count += 1
        deviated(deviation)

    with opened(path) as capture:
        pen = RecordedPen(steps_of(dissect(capture)), told)
        player = _Player(pen, clock_ns)
        async with AsyncExitStack() as stack:
            ready(await offer(player, stack, pty=pty, link=link, tcp=tcp))
            while not pen.ended and pen.waited_us < patience_s * 1_000_000:
                await asyncio.sleep(TICK_S)
                player.move()
                waiting(pen.waiting_for, pen.waited_us / 1_000_000)
            await asyncio.sleep(LAST_WORDS_S)
        return Played(pen.acts, pen.frames, count, pen.waiting_for)


__all__ = ["Contents", "Deviation", "Played", "examined", "opened", "replay"]
