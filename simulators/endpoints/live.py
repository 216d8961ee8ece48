"""A simulated pen in real time, and the ports it is served on.

This and its neighbours are the only places of the simulator that read a clock. The pen is moved on in milliseconds, in
small batches: before bytes are handed to it, and every few milliseconds when none come.
"""

import asyncio
import time
from collections.abc import Callable

from simulators.faults.parts import LinePart
from simulators.line import Line
from simulators.pen import SimulatedPen

TICK_S = 0.004
"""A batch of milliseconds; what the pen does by itself is late by at most this."""

CATCH_UP_MAX_MS = 60
"""Most that is made up for after this process was held up. Less than the shortest dead-man time: a hiccup of the
simulator, during which it could not read what the host sent, must not look like a host that fell silent."""

NS_PER_MS = 1_000_000


class Port:
    """One medium of a live pen. ``line`` is where its bytes can be lost or held on the way."""

    def __init__(self, live: "LivePen", medium: int, send: Callable[[bytes], None]) -> None:
        self.medium = medium
        self.line = Line()
        self._live = live
        self._send = send
        self._attached = True

    def received(self, data: bytes) -> None:
        """Bytes from the host: the pen is brought up to now, gets them, and what it answers is sent."""
        if self._attached:
            self._live.catch_up()
            self.line.to_pen.push(data, self._live.now_ms)
            self._live.exchange()

    def detach(self) -> None:
        """The medium is gone for good. The pen is told nothing: it notices silence."""
        if self._attached:
            self._attached = False
            self._live.drop(self)

    def send(self, data: bytes) -> None:
        """Bytes for the host leave through the endpoint."""
        self._send(data)

    @property
    def waiting(self) -> bool:
        """Bytes are under way in the line."""
        return not (self.line.to_pen.idle and self.line.to_host.idle)


class LivePen:
    """Runs ``pen`` in real time while :meth:`run` runs. All of it belongs to the event loop's thread.

    ``lines`` is where the lines of all its media can be made bad. ``on_stall`` is told, in milliseconds, of time the
    pen did not live because this process was held up for longer than CATCH_UP_MAX_MS; ``stalled_ms`` sums it.
    ``clock_ns`` is a monotonic clock.
    """

    def __init__(
        self,
        pen: SimulatedPen,
        *,
        on_stall: Callable[[int], None] | None = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.pen = pen
        self.now_ms = 0
        self.stalled_ms = 0
        self.lines = LinePart(lambda: self.now_ms)
        self._on_stall = on_stall
        self._clock_ns = clock_ns
        self._lived_until_ns: int | None = None
        self._ports: dict[int, Port] = {}
        self._next_medium = 1

    def attach(self, send: Callable[[bytes], None]) -> Port:
        """A new medium; ``send`` gets what the pen says on it and must not block."""
        port = Port(self, self._next_medium, send)
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
        self._lived_until_ns = self._clock_ns()
        try:
            while True:
                await asyncio.sleep(TICK_S)
                self.catch_up()
                self.exchange()
        finally:
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
        if any(port.waiting for port in self._ports.values()):
            for _ in range(due_ms):
                self.pen.advance(1)
                self.now_ms += 1
                self.exchange()
        else:
            self.pen.advance(due_ms)
            self.now_ms += due_ms

    def exchange(self) -> None:
        """Hands over what has come through the lines, in both directions."""
        for port in list(self._ports.values()):
            incoming = port.line.to_pen.pull(self.now_ms)
            if incoming:
                self.pen.receive(port.medium, incoming)
        for port in list(self._ports.values()):
            said = self.pen.take(port.medium)
            if said:
                port.line.to_host.push(said, self.now_ms)
            outgoing = port.line.to_host.pull(self.now_ms)
            if outgoing:
                port.send(outgoing)
