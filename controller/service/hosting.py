"""The machine of service mode, hosted: stepped twenty times a second and whenever something comes in.

Nothing is decided here. Every input goes through :func:`controller.service.machine.step`; what that returns is sent
first and journalled after.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Protocol

from controller.calibration.policy import ServiceLimits
from controller.errors import ControlRefused
from controller.hosting import TICK_S
from controller.inputs import JournalState, LinkDown, LinkUp, StatusSeen, Tick
from controller.inspection import pen_facts
from controller.ports import Clock, EventSink, Pen
from controller.service.errors import ServiceEnded
from controller.service.machine import step
from controller.service.state import Ended, Input, Phase, ServiceState, Step, Stop
from controller.state import RETRACT_SLACK_MS, SendDisarm, SendSetpoint, SendStop
from controller.waiting import Waiting
from firmware_bridge.errors import WireError
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.wire.framing import Deframer

SLACK_S = 1.0
"""Beyond the pen's own times, how long a stop may take to be confirmed before the driver goes on without."""


class ServicePen(Pen, Protocol):
    """A connection that takes service leases: :class:`firmware_bridge.link.Link`."""

    @property
    def deframer(self) -> Deframer:
        """Line statistics."""

    async def service_arm(self, *, depth_ceiling_um: int, rate_ceiling_mhz: int, lifetime_ms: int) -> int:
        """Asks for a service lease, as ``arm`` does for one to treat."""


class ServiceHost(Waiting[ServiceState]):
    """Hosts one pen's service machine. Give it to a supervisor as its listener, and run :meth:`run` beside that.

    ``random`` makes the ids of pieces of work.
    """

    def __init__(self, url: str, *, sink: EventSink, clock: Clock, random: Random, limits: ServiceLimits) -> None:
        super().__init__(ServiceState(limits=limits), sink)
        self.url = url
        self.pen: ServicePen | None = None
        self.connect_problem: WireError | None = None
        self._clock = clock
        self._random = random
        self._last_word_ms = 0
        self._watchers: list[Callable[[PenSnapshot], None]] = []

    async def run(self) -> None:
        """Ticks until cancelled, and then sends STOP where anything could still move."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        try:
            while True:
                due = max(due + TICK_S, loop.time() - TICK_S)
                await asyncio.sleep(max(0.0, due - loop.time()))
                problem = self._sink.problem() or ""
                if problem != self.state.journal_problem:
                    self._apply(JournalState(problem=problem))
                self._apply(Tick())
        finally:
            if self.state.phase is not Phase.CLOSED:
                self.stop("the bench ended")

    def stop(self, source: str) -> None:
        """STOP: on the wire before this returns, journalled after. Never refused."""
        if self.pen is not None:
            self.pen.stop()
        self._apply(Stop(source=source), already_sent=True)

    # SupervisorListener -----------------------------------------------------------------------------------------------

    def link_up(self, link: ServicePen, generation: int) -> None:
        """A connection is up."""
        self.pen = link
        self.connect_problem = None
        self._apply(LinkUp(url=self.url, facts=pen_facts(link.welcome)))

    def link_down(self, cause: WireError | None) -> None:
        """The connection went."""
        self.pen = None
        self._apply(LinkDown(cause=str(cause) if cause is not None else "closed"))

    def connect_failed(self, error: WireError) -> None:
        """A try to connect failed."""
        self.connect_problem = error
        self._stepped.set()

    def status_seen(self, seen: PenSnapshot, sent_at_ms: int) -> None:
        """The pen said how it is."""
        for watcher in self._watchers:
            watcher(seen)
        self._apply(StatusSeen(seen, sent_at_ms))

    def line_advisory(self, sentence: str) -> None:
        """The line is worth a word; a bench that lost its pen says so itself."""

    @contextmanager
    def watching(self, watcher: Callable[[PenSnapshot], None]) -> Iterator[None]:
        """Inside, ``watcher`` hears of every status."""
        self._watchers.append(watcher)
        try:
            yield
        finally:
            self._watchers.remove(watcher)

    # Inside -----------------------------------------------------------------------------------------------------------

    def _apply(self, given: Input, *, already_sent: bool = False) -> Step:
        made = step(self.state, given, self._clock.monotonic_ms())
        self.state = made.state
        pen = self.pen
        if pen is not None:
            match made.send:
                case SendSetpoint() as send:
                    left = pen.send_setpoint(
                        motor=send.motor,
                        depth_um=send.depth_um,
                        rate_mhz=send.rate_mhz,
                        seen_pen_time_ms=send.seen_pen_time_ms,
                    )
                    self._last_word_ms = send.seen_pen_time_ms if left else self._last_word_ms
                case SendStop() if not already_sent:
                    pen.stop()
                case SendDisarm(lease):
                    pen.disarm(lease)
        for event in made.events:
            self._sink.emit(event, session=None)
        self._stepped.set()
        return made

    def _ask(self, given: Input) -> None:
        refusal = self._apply(given).refusal
        if refusal is not None:
            raise ControlRefused(*refusal)

    def _check_open(self) -> None:
        state = self.state
        if state.phase is Phase.CLOSED or (state.stopping is not None and state.stopping.then is Phase.CLOSED):
            if state.ended is None:
                raise ControlRefused("not_open", "Service mode is not open, so nothing moves. Open it first.")
            ended = state.ended
            detail = f" ({state.why})" if state.why else ""
            raise ServiceEnded(ended, f"{_WORDS[ended]}{detail}. {_MEANS[ended == 'pen_lost']}")

    def _stop_s(self) -> float:
        pen = self.state.pen or self.state.pinned
        own_ms = pen.dead_man_ms + pen.retract_ms + RETRACT_SLACK_MS if pen is not None else 0
        return SLACK_S + own_ms / 1000


_MEANS = (
    "It was told to stop, and service mode is closed.",
    "It stops by itself when it hears nothing more; service mode is closed.",
)
_WORDS: dict[Ended, str] = {
    "done": "Service mode was closed",
    "stopped": "The pen was stopped",
    "time_out": "Service mode timed out",
    "on_skin": "The pen was on skin",
    "pen_lost": "The pen was lost",
    "fault": "The pen was stopped because of a fault",
}
