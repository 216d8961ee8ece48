"""A simulated pen in real time, and the ports it is served on.

This and its neighbours are the only places of the simulator that read a clock. The pen is moved on in milliseconds, in
small batches: before bytes are handed to it, and every few milliseconds when none come.
"""

import asyncio
import time
from collections.abc import Callable, Sequence

from simulators.faults.parts import LinePart
from simulators.line import Line
from simulators.pacing import FROM_HOST_MAX_BYTES, HELD_MAX_BYTES, Pace
from simulators.pen import SimulatedPen

TICK_S = 0.004
"""A batch of milliseconds; what the pen does by itself is late by at most this."""

CATCH_UP_MAX_MS = 60
"""Most that is made up for after this process was held up. Less than the shortest dead-man time: a hiccup of the
simulator, during which it could not read what the host sent, must not look like a host that fell silent."""

NS_PER_MS = 1_000_000


class Port:
    """One medium of a live pen. ``line`` is where its bytes can be lost or held on the way.

    Where the pen has a ``pace``, bytes take as long as on a real line: those of the host before they come into
    ``line``, those of the pen after they have left it.
    """

    def __init__(self, live: "LivePen", medium: int, send: Callable[[bytes], None], pace: Pace | None) -> None:
        self.medium = medium
        self.line = Line()
        self._from_host = pace(FROM_HOST_MAX_BYTES) if pace is not None else None
        self._to_host = pace(HELD_MAX_BYTES) if pace is not None else None
        self._live = live
        self._send = send
        self._attached = True

    def received(self, data: bytes) -> None:
        """Bytes from the host: the pen is brought up to now, gets them, and what it answers is sent."""
        if self._attached:
            self._live.catch_up()
            (self.line.to_pen if self._from_host is None else self._from_host).push(data, self._live.now_ms)
            self._live.exchange()

    def detach(self) -> None:
        """The medium is gone for good. The pen is told nothing: it notices silence."""
        if self._attached:
            self._attached = False
            self._live.drop(self)

    def send(self, data: bytes) -> None:
        """Bytes for the host leave through the endpoint."""
        self._send(data)

    def arrived(self, now_ms: int) -> bytes:
        """What has come to the pen by now."""
        if self._from_host is not None:
            paced = self._from_host.pull(now_ms)
            if paced:
                self.line.to_pen.push(paced, now_ms)
        return self.line.to_pen.pull(now_ms)

    def say(self, said: bytes, now_ms: int) -> None:
        """The pen has said something, or nothing; what has come to the host by now leaves through the endpoint."""
        if said:
            self.line.to_host.push(said, now_ms)
        outgoing = self.line.to_host.pull(now_ms)
        if self._to_host is not None:
            if outgoing:
                self._to_host.push(outgoing, now_ms)
            outgoing = self._to_host.pull(now_ms)
        if outgoing:
            self._send(outgoing)

    @property
    def due_ms(self) -> int | None:
        """When the pen has to be given bytes next; None when none are on their way to it."""
        due_ms = self.line.to_pen.due_ms
        if self._from_host is None:
            return due_ms
        paced_ms = self._from_host.due_ms
        if due_ms is None or paced_ms is None:
            return paced_ms if due_ms is None else due_ms
        return min(due_ms, paced_ms)


class LivePen:
    """Runs ``pen`` in real time while :meth:`run` runs. All of it belongs to the event loop's thread.

    ``lines`` is where the lines of all its media can be made bad. ``on_stall`` is told, in milliseconds, of time the
    pen did not live because this process was held up for longer than CATCH_UP_MAX_MS; ``stalled_ms`` sums it. ``pace``
    makes its media as slow as a real line. ``clock_ns`` is a monotonic clock.
    """

    def __init__(
        self,
        pen: SimulatedPen,
        *,
        on_stall: Callable[[int], None] | None = None,
        pace: Pace | None = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.pen = pen
        self.now_ms = 0
        self.stalled_ms = 0
        self.lines = LinePart(lambda: self.now_ms)
        self._on_stall = on_stall
        self._pace = pace
        self._clock_ns = clock_ns
        self._lived_until_ns: int | None = None
        self._ports: dict[int, Port] = {}
        self._next_medium = 1

    def attach(self, send: Callable[[bytes], None]) -> Port:
        """A new medium; ``send`` gets what the pen says on it and must not block."""
        port = Port(self, self._next_medium, send, self._pace)
        self._next_medium += 1
        self._ports[port.medium] = port
        self.lines.join(port.line)
        return port

    def drop(self, port: Port) -> None:
        """Called by a port that is detached."""
        del self._ports[port.medium]
        self.lines.leave(port.line)
        self.pen.forget(port.medium)

    async def run(self) -> None:
        """Lives until cancelled. Before and after, the pen stands still in time."""
        await live_together((self,))

    def begin(self) -> None:
        """From now on time passes for the pen."""
        self._lived_until_ns = self._clock_ns()

    def end(self) -> None:
        """From now on it stands still."""
        self._lived_until_ns = None

    def catch_up(self) -> None:
        """Moves the pen on to now."""
        if self._lived_until_ns is None:
            return
        due_ms = (self._clock_ns() - self._lived_until_ns) // NS_PER_MS
        if due_ms <= 0:
            return
        self._lived_until_ns += due_ms * NS_PER_MS
        skipped_ms = due_ms - CATCH_UP_MAX_MS
        if skipped_ms > 0:
            due_ms = CATCH_UP_MAX_MS
            self.stalled_ms += skipped_ms
            if self._on_stall is not None:
                self._on_stall(skipped_ms)
        while due_ms > 0:
            soonest_ms = min((due for port in self._ports.values() if (due := port.due_ms) is not None), default=None)
            stride_ms = due_ms if soonest_ms is None else max(1, min(due_ms, soonest_ms - self.now_ms))
            passed_ms = self.pen.run(stride_ms)
            self.now_ms += passed_ms
            due_ms -= passed_ms
            self.exchange()

    def exchange(self) -> None:
        """Hands over what has come through the lines, in both directions."""
        ports = list(self._ports.values())
        for port in ports:
            arrived = port.arrived(self.now_ms)
            if arrived:
                self.pen.receive(port.medium, arrived)
        for port in ports:
            port.say(self.pen.take(port.medium), self.now_ms)


async def live_together(lives: Sequence[LivePen]) -> None:
    """Pens that live in one event loop, until cancelled: one timer moves all of them on."""
    for live in lives:
        live.begin()
    try:
        while True:
            await asyncio.sleep(TICK_S)
            for live in lives:
                live.catch_up()
                live.exchange()
    finally:
        for live in lives:
            live.end()
