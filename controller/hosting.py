"""The machine of one pen, hosted: stepped twenty times a second and whenever something comes in.

Nothing is decided here. Every input goes through :func:`controller.machine.step`; what that returns is sent first and
journalled after.
"""

import asyncio
from collections.abc import Callable

from controller.errors import ControlRefused
from controller.events import LinkAdvisory
from controller.inputs import (
    ClockJumped,
    Command,
    Input,
    JournalState,
    LinkDown,
    LinkUp,
    Seated,
    StatusSeen,
    Stop,
    Tick,
)
from controller.inspection import pen_facts
from controller.machine import step
from controller.ports import Clock, EventSink, Pen
from controller.recording import InputRecorder
from controller.state import MachineState, Send, SendDisarm, SendSetpoint, SendStop, Step
from controller.view import PenView, view
from controller.waiting import Waiting
from firmware_bridge.errors import WireError
from firmware_bridge.snapshot import PenSnapshot

TICK_S = 0.05  # 20 Hz: six setpoints in the shortest usual dead-man time of 300 ms
FILL_STEP_PERMILLE = 25  # a disk fills slowly; the record needs no more of it
CLOCK_STEP_MS = 2000  # a clock that is disciplined is slewed; one that moves by more between two ticks was set


class MachineHost(Waiting[MachineState]):
    """Hosts one pen's machine. Give it to a supervisor as its listener, and run :meth:`run` beside that.

    ``tick_observer`` hears how late each tick was, in seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        sink: EventSink,
        clock: Clock,
        tick_observer: Callable[[float], None] | None = None,
    ) -> None:
        super().__init__(MachineState(), sink)
        self.url = url
        self.pen: Pen | None = None
        self.connect_problem: WireError | None = None
        self._clock = clock
        self._clock_ahead_ms: int | None = None
        self._fill_permille = 0
        self._tick_observer = tick_observer
        self._recorder = InputRecorder(url)

    async def run(self) -> None:
        """Ticks until cancelled. A tick that could not be kept is left out, never caught up."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        try:
            while True:
                due = max(due + TICK_S, loop.time() - TICK_S)
                await asyncio.sleep(max(0.0, due - loop.time()))
                if self._tick_observer is not None:
                    self._tick_observer(loop.time() - due)
                self._watch_journal()
                self._watch_clock()
                self._apply(Tick())
        finally:
            self._emit_inputs()

    # What people ask --------------------------------------------------------------------------------------------------

    async def ask(self, given: Command) -> PenView:
        """Gives the machine one command. Raises ControlRefused."""
        self._command(given)
        return self.view()

    def stop(self, source: str) -> None:
        """STOP: on the wire before this returns, journalled after. Never refused, needs nothing else to work."""
        if self.pen is not None:
            self.pen.stop()
        self._apply(Stop(source=source), already_sent=True)

    def seated(self, operator: str) -> None:
        """Who has the operating seat from now on; empty for nobody. A treatment under other hands is paused."""
        if operator != self.state.seated:
            self._apply(Seated(operator=operator))

    def view(self) -> PenView:
        """This pen, now."""
        problem = self.connect_problem
        return view(
            self.state,
            url=self.url,
            link="connected" if self.pen is not None else "not connected",
            link_problem=str(problem) if problem is not None else None,
            longest_gap_ms=self.pen.quality.longest_gap_ms if self.pen is not None else 0,
            now_ms=self._clock.monotonic_ms(),
        )

    # What the pen and the line say: SupervisorListener ----------------------------------------------------------------

    def link_up(self, link: Pen, generation: int) -> None:
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
        self._apply(StatusSeen(seen, sent_at_ms))

    def line_advisory(self, sentence: str) -> None:
        """The line is worth a word in the record."""
        facts = self.state.pen
        if facts is not None:
            self._sink.emit(
                LinkAdvisory(pen=f"{facts.model}/{facts.serial}", sentence=sentence), session=self.state.session
            )

    # Inside -----------------------------------------------------------------------------------------------------------

    def _apply(self, given: Input, *, already_sent: bool = False) -> Step:
        now_ms = self._clock.monotonic_ms()
        before = self.state
        made = step(before, given, now_ms)
        self.state = made.state
        if made.send is not None and not (already_sent and isinstance(made.send, SendStop)):
            self._send(made.send)
        if before.session is None and made.state.session is not None and before.pen is not None:
            link = LinkUp(url=self.url, facts=before.pen)
            self._recorder.begin(link, before.seen, before.seen_at_ms, before.seated)
        session = made.state.session or before.session
        for event in made.events:
            self._sink.emit(event, session=session)
        if session is not None:
            chunk = self._recorder.add(given, now_ms)
            if made.state.session is None:
                chunk = self._recorder.take()
            if chunk is not None:
                self._sink.emit(chunk, session=session)
        self._stepped.set()
        return made

    def _command(self, given: Input) -> None:
        refusal = self._apply(given).refusal
        if refusal is not None:
            raise ControlRefused(refusal.because, refusal.sentence)

    def _send(self, send: Send) -> None:
        pen = self.pen
        if pen is None:
            return
        match send:
            case SendSetpoint():
                pen.send_setpoint(
                    motor=send.motor,
                    depth_um=send.depth_um,
                    rate_mhz=send.rate_mhz,
                    seen_pen_time_ms=send.seen_pen_time_ms,
                )
            case SendStop():
                pen.stop()
            case SendDisarm():
                pen.disarm(send.lease)

    def _watch_journal(self) -> None:
        """Tells the machine when the journal's state changed: whether it accepts, and how full its place is."""
        problem, fill_permille = self._sink.problem() or "", self._sink.fill_permille()
        if problem != self.state.journal_problem or abs(fill_permille - self._fill_permille) >= FILL_STEP_PERMILLE:
            self._fill_permille = fill_permille
            self._apply(JournalState(problem=problem, fill_permille=fill_permille))

    def _watch_clock(self) -> None:
        """Tells the machine when the computer's time of day was set: dates are looked at anew, nothing else is."""
        ahead_ms = round(self._clock.utc().timestamp() * 1000) - self._clock.monotonic_ms()
        before_ms, self._clock_ahead_ms = self._clock_ahead_ms, ahead_ms
        if before_ms is not None and abs(ahead_ms - before_ms) >= CLOCK_STEP_MS:
            self._apply(ClockJumped(by_ms=ahead_ms - before_ms))

    def _emit_inputs(self) -> None:
        chunk = self._recorder.take()
        if chunk is not None and self.state.session is not None:
            self._sink.emit(chunk, session=self.state.session)

    def _connected(self, asked: str) -> Pen:
        if self.pen is None:
            raise ControlRefused("no_pen", f"The pen is not connected, so it could not {asked}. Check the cable.")
        return self.pen
