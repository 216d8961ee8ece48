"""The async driver of one pen: a 20 Hz loop that steps the machine and sends what it decides.

It decides nothing. Every input goes through :func:`controller.machine.step`; what that returns is sent first and
journalled after. Requests that take several exchanges with the pen (arming, clearing) run here, each step of them
journalled before the pen can notice.
"""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Literal

from controller.errors import ControlRefused
from controller.events import LinkAdvisory
from controller.inputs import (
    Acknowledge,
    ArmAsked,
    ArmFailed,
    Close,
    Confirm,
    ConsumeIntended,
    DeclareZone,
    FaultsCleared,
    Input,
    Inspected,
    JournalState,
    LeaseGranted,
    LinkDown,
    LinkUp,
    OperationUncertain,
    Pause,
    Prepare,
    Seated,
    SetDepth,
    SetRate,
    Start,
    StatusSeen,
    Stop,
    Tick,
)
from controller.inspection import consume, pen_facts, read_calibration, read_cartridge
from controller.library import Library
from controller.machine import step
from controller.operators import Operators
from controller.plan import SessionPlan, resolve_plan
from controller.ports import Clock, EventSink, Pen, RecordUnavailable
from controller.profiles import Profiles
from controller.recording import InputRecorder
from controller.state import MachineState, Phase, Send, SendDisarm, SendSetpoint, SendStop, Step
from controller.transitions import fault_names
from controller.units import Micrometres, Millihertz
from controller.view import PenView, view
from firmware_bridge.errors import RequestError, RequestRefused, RequestUncertain, WireError
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.wire.messages import Refusal
from firmware_bridge.wire.operations import CLEAR_FAULT, FaultMask

TICK_S = 0.05  # 20 Hz: six setpoints in the shortest usual dead-man time of 300 ms
FLUSH_S = 2.0  # a disk that takes longer to commit a few rows is no disk to treat on
SETTLE_S = 1.0  # beyond dead-man and retract time, how long a stop may take to be confirmed before we go on without


class SessionDriver:
    """Drives one pen. Give it to a supervisor as its listener, and run :meth:`run` beside that.

    ``tick_observer`` hears how late each tick was, in seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        sink: EventSink,
        clock: Clock,
        random: Random,
        library: Library,
        operators: Operators,
        profiles: Profiles,
        mode: Literal["demo", "clinic"],
        tick_observer: Callable[[float], None] | None = None,
    ) -> None:
        self.url = url
        self.state = MachineState()
        self.pen: Pen | None = None
        self.connect_problem: WireError | None = None
        self._sink = sink
        self._clock = clock
        self._random = random
        self._library = library
        self._operators = operators
        self._profiles = profiles
        self._mode = mode
        self._tick_observer = tick_observer
        self._recorder = InputRecorder(url)
        self._stepped = asyncio.Event()
        self._arming = asyncio.Lock()

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
                problem = self._sink.problem() or ""
                if problem != self.state.journal_problem:
                    self._apply(JournalState(problem=problem))
                self._apply(Tick())
        finally:
            self._emit_inputs()

    # What people ask -------------------------------------------------------------------------------------------------

    async def prepare(self, plan: SessionPlan) -> PenView:
        """Opens a session. Raises ControlRefused."""
        facts = self.state.pen
        if facts is None:
            raise ControlRefused("no_pen", "No pen is connected. Plug it in, then prepare the session.")
        resolved = resolve_plan(
            plan,
            model=facts.model,
            today=self._clock.utc().date(),
            library=self._library,
            operators=self._operators,
            profiles=self._profiles,
            mode=self._mode,
        )
        session = f"{self._clock.utc():%Y%m%dT%H%M%S}-{self._random.getrandbits(32):08x}"
        self._command(Prepare(session=session, plan=resolved))
        return self.view()

    async def confirm(self, items: tuple[str, ...], source: str) -> PenView:
        """Confirms points of the checklist that were open. Raises ControlRefused."""
        self._command(Confirm(items=items, source=source))
        return self.view()

    async def arm(self, source: str) -> PenView:
        """Arms the pen: reads calibration and cartridge, marks the cartridge used, gets a lease.

        Raises ControlRefused; whatever interrupts it, no lease is left behind. One attempt at a time: what was read for
        one is not taken for another.
        """
        async with self._arming:
            return await self._try_to_arm(source)

    async def _try_to_arm(self, source: str) -> PenView:
        self._command(ArmAsked(source=source))
        try:
            await self._arm()
        except (WireError, RecordUnavailable) as error:
            refusal = getattr(error, "refusal", None)
            because = f"pen_{Refusal(refusal).name.lower()}" if refusal in set(Refusal) else type(error).__name__
            self._command(ArmFailed(because=because, sentence=f"{error} The pen is not armed."))
        except asyncio.CancelledError:
            self._apply(ArmFailed(because="cancelled", sentence="Arming was broken off. The pen is not armed."))
            raise
        return self.view()

    async def _arm(self) -> None:
        pen = self._connected("arm")
        await self._flush()
        calibration = await read_calibration(pen)
        cartridge, used, problem = await read_cartridge(pen, self.state.plan)
        self._command(
            Inspected(
                today=self._clock.utc().date().isoformat(),
                cartridge=cartridge,
                cartridge_used=used,
                cartridge_problem=problem,
                calibration=calibration,
            )
        )
        if cartridge is not None and cartridge.tag and not used:
            self._command(ConsumeIntended(tag=cartridge.tag))
            self._emit_inputs()
            await self._flush()
            self._still(self.state.phase is Phase.ARMING)
            try:
                await consume(pen, cartridge.tag)
            except RequestUncertain:
                self._apply(OperationUncertain(operation="marking the cartridge as used"))
                raise
        self._still(self.state.phase is Phase.ARMING)
        lease = await pen.arm(
            depth_ceiling_um=self.state.depth_ceiling_um,
            rate_ceiling_mhz=self.state.rate_ceiling_mhz,
            cartridge_tag=cartridge.tag if cartridge else 0,
        )
        self._command(LeaseGranted(lease=lease))
        self._still(self.state.lease == lease)

    def _still(self, arming: bool) -> None:
        if not arming:
            raise ControlRefused("stopped", "The pen was stopped while it was being armed. It is not armed.")

    async def start(self, source: str) -> PenView:
        """Motor on. Raises ControlRefused."""
        self._command(Start(source=source))
        return self.view()

    async def pause(self, source: str) -> PenView:
        """Motor off, still armed. Raises ControlRefused."""
        self._command(Pause(source=source))
        return self.view()

    async def set_depth(self, depth_um: int, override: str = "") -> PenView:
        """Sets the needle depth in µm. Raises ControlRefused with the layer and its reason."""
        self._command(SetDepth(depth_um=Micrometres(depth_um), override=override))
        return self.view()

    async def set_rate(self, rate_mhz: int) -> PenView:
        """Sets the puncture rate in mHz. Raises ControlRefused with the layer and its reason."""
        self._command(SetRate(rate_mhz=Millihertz(rate_mhz)))
        return self.view()

    async def declare_zone(self, zone: str) -> PenView:
        """Declares the zone treated from now on. Raises ControlRefused."""
        self._command(DeclareZone(zone=zone))
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

    async def acknowledge(self, alarm: str, by: str) -> PenView:
        """Acknowledges an alarm."""
        self._command(Acknowledge(alarm=alarm, by=by))
        return self.view()

    async def clear(self, by: str) -> PenView:
        """Clears what interrupted the treatment: the pen's own faults first, then the alarms. Raises ControlRefused."""
        if self.pen is not None:  # a pen just plugged in has not told yet what it found
            await self._until(lambda state: state.seen is not None, SETTLE_S)
        seen = self.state.seen
        names: tuple[str, ...] = ()
        if seen is not None and seen.faults:
            pen = self._connected("clear")
            names = tuple(fault_names(seen.faults).split(", "))
            try:
                await pen.request(CLEAR_FAULT, FaultMask(int(seen.faults)))
            except RequestRefused as error:
                raise ControlRefused(
                    "pen_fault", f"The pen still sees the cause of {', '.join(names)}. Remove it, then clear again."
                ) from error
            except RequestUncertain:
                pass  # the next status tells whether it was done
            except RequestError as error:
                raise ControlRefused("no_pen", f"{error} Nothing was cleared.") from error
            await self._until(lambda state: state.seen is not None and not state.seen.faults, SETTLE_S)
        self._command(FaultsCleared(by=by, faults=names))
        return self.view()

    async def close(self, outcome: Literal["completed", "stopped", "interrupted"], reason: str) -> PenView:
        """Closes the session, disarming first. Raises ControlRefused when none is open."""
        self._command(Close(outcome=outcome, reason=reason))
        await self._until(lambda state: state.session is None, self._stop_s())
        return self.view()

    async def shutdown(self, reason: str) -> None:
        """Motor off, needles out, session closed as interrupted; returns when the pen confirmed or its time is up."""
        if self.state.session is not None:
            self._apply(Close(outcome="interrupted", reason=reason))
        if self.pen is not None and (self.state.stopping is not None or self.state.motor_off_since_ms is not None):
            out = await self._until(lambda state: state.session is None and state.needles_out, self._stop_s())
            if not out:
                self.stop(f"{reason}: not confirmed")
        if self.state.session is not None:
            self._apply(Stop(source=reason))
        self._emit_inputs()

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

    # What the pen and the line say: SupervisorListener ---------------------------------------------------------------

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

    # Inside ----------------------------------------------------------------------------------------------------------

    def _apply(self, given: Input, *, already_sent: bool = False) -> Step:
        now_ms = self._clock.monotonic_ms()
        before = self.state
        made = step(before, given, now_ms)
        self.state = made.state
        if made.send is not None and not (already_sent and isinstance(made.send, SendStop)):
            self._send(made.send)
        if before.session is None and made.state.session is not None and before.pen is not None:
            self._recorder.begin(LinkUp(url=self.url, facts=before.pen), before.seen, before.seen_at_ms)
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

    def _emit_inputs(self) -> None:
        chunk = self._recorder.take()
        if chunk is not None and self.state.session is not None:
            self._sink.emit(chunk, session=self.state.session)

    async def _flush(self) -> None:
        try:
            async with asyncio.timeout(FLUSH_S):
                await self._sink.flush()
        except TimeoutError as error:
            raise RecordUnavailable(
                f"The disk did not take the record within {FLUSH_S:.0f} s; nothing starts without a record."
            ) from error

    async def _until(self, holds: Callable[[MachineState], bool], deadline_s: float) -> bool:
        """Whether the state came to be so within the time."""
        try:
            async with asyncio.timeout(deadline_s):
                while not holds(self.state):
                    self._stepped.clear()
                    await self._stepped.wait()
        except TimeoutError:
            return False
        return True

    def _stop_s(self) -> float:
        facts = self.state.pen
        return SETTLE_S + ((facts.dead_man_ms + facts.retract_ms) / 1000 if facts is not None else 0.0)

    def _connected(self, asked: str) -> Pen:
        if self.pen is None:
            raise ControlRefused("no_pen", f"The pen is not connected, so it could not {asked}. Check the cable.")
        return self.pen
