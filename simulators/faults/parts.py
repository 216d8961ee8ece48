"""What faults are applied to. A bare pen has firmware and plant; line, plug, USB and host are brought by what serves
it, as far as there are any."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from simulators.line import Fate, Lane, Line
from simulators.pen import SimulatedPen


class PlugPart(Protocol):
    """A plug somebody can pull."""

    def unplug(self) -> None:
        """Out: whoever has the pen open sees it go. Harmless when it is out."""

    def plug(self) -> None:
        """In again. Harmless when it is in."""


class UsbPart(PlugPart, Protocol):
    """A simulated USB device, whatever bus it is on, as :class:`simulators.endpoints.usb.UsbEndpoint` is."""

    def halt(self, endpoint: int) -> None:
        """The endpoint answers STALL until the host clears the halt."""

    def slow_to(self, bytes_per_ms: int | None) -> None:
        """The bus moves no more than so many bytes a millisecond; None as many as it can."""

    def suspend(self) -> None:
        """The bus sleeps, and moves no byte."""

    def resume(self) -> None:
        """The bus wakes up."""


class BusPart(Protocol):
    """The bus itself, where it is not a host's, as :class:`simulators.endpoints.virtual_usb.VirtualUsbEndpoint` has it
    in hand."""

    def reset(self) -> None:
        """The port is reset and configured anew: what was under way is lost."""

    def re_enumerate(self) -> None:
        """The device leaves the bus and comes back under another address."""


class HostPart(Protocol):
    """The computer that drives the pen."""

    def stall(self, stalled: bool) -> None:
        """The control loop does nothing, until it is told that it does."""

    def step_clock(self, days: int) -> None:
        """The clock on the wall jumps."""

    def refuse_journal(self, problem: str) -> None:
        """The journal does not accept, for this reason; "" when it does."""


MakeFate = Callable[[Line, Lane], Fate]


@dataclass(frozen=True, slots=True)
class LineTrouble:
    """What is wrong with the lines of a pen, in the directions named; ``make`` makes what becomes of the pieces of one
    lane."""

    to_pen: bool
    to_host: bool
    make: MakeFate | None = None
    delay_ms: int = 0
    dropping: bool = False
    holding: bool = False


class LinePart:
    """All lines of a pen, those open now and those to come: a bad cable is still bad after a reconnect.

    ``now_ms`` is the time the lines are pushed with.
    """

    __slots__ = ("_lines", "_troubles", "now_ms")

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self.now_ms = now_ms
        self._lines: dict[Line, tuple[int, int]] = {}
        self._troubles: dict[str, LineTrouble] = {}

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines that are open."""
        return tuple(self._lines)

    def join(self, line: Line) -> None:
        """A line is opened. The delay it has by then is its own and stays."""
        self._lines[line] = (line.to_pen.delay_ms, line.to_host.delay_ms)
        if self._troubles:
            self._spoil(line)

    def leave(self, line: Line) -> None:
        """A line is gone."""
        self._lines.pop(line, None)

    def put(self, name: str, trouble: LineTrouble) -> None:
        """A trouble begins, on all lines."""
        self._troubles[name] = trouble
        for line in self._lines:
            self._spoil(line)

    def take(self, name: str) -> None:
        """A trouble ends, on all lines."""
        self._troubles.pop(name, None)
        for line in self._lines:
            self._spoil(line)

    def _spoil(self, line: Line) -> None:
        to_pen_ms, to_host_ms = self._lines[line]
        troubles = tuple(self._troubles.values())
        self._spoil_lane(line, line.to_pen, to_pen_ms, tuple(one for one in troubles if one.to_pen))
        self._spoil_lane(line, line.to_host, to_host_ms, tuple(one for one in troubles if one.to_host))

    @staticmethod
    def _spoil_lane(line: Line, lane: Lane, own_ms: int, troubles: tuple[LineTrouble, ...]) -> None:
        lane.delay_ms = own_ms + sum(one.delay_ms for one in troubles)
        lane.dropping = any(one.dropping for one in troubles)
        lane.holding = any(one.holding for one in troubles)
        fates = tuple(one.make(line, lane) for one in troubles if one.make is not None)
        lane.fate = _chained(fates) if fates else None


def _chained(fates: tuple[Fate, ...]) -> Fate:
    """One trouble after the other, in the order in which they began."""

    def fate(data: bytes) -> list[tuple[int, bytes]]:
        pieces: list[tuple[int, bytes]] = [(0, data)]
        for one in fates:
            pieces = [(late + more, rest) for late, piece in pieces for more, rest in one(piece) if rest]
        return pieces

    return fate


@dataclass(frozen=True, slots=True)
class Parts:
    """What there is to break. What is None is not there, and faults of it are refused. ``plug`` is the plug of a USB
    device too, where there is one besides ``usb``."""

    pen: SimulatedPen
    lines: LinePart | None = None
    plug: PlugPart | None = None
    usb: UsbPart | None = None
    bus: BusPart | None = None
    host: HostPart | None = None
