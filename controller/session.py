"""The async driver of one pen: what people ask that takes several exchanges with pen, record and site.

Preparing, examining, arming, clearing and ending run here, each step of them journalled before the pen can notice. The
loop that steps the machine is :mod:`controller.hosting`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import date
from functools import partial
from random import Random
from typing import Literal, TypeVar

from controller.calibration.due import Due, due
from controller.calibration.ending import end_calibration
from controller.errors import ControllerError, ControlRefused
from controller.events import CartridgeSnapshot
from controller.history import CourseState, PatientHistory
from controller.hosting import MachineHost
from controller.inputs import (
    ArmAsked,
    ArmFailed,
    Close,
    ConsumeIntended,
    ExchangeCartridge,
    FaultsCleared,
    LeaseGranted,
    OperationUncertain,
    Prepare,
    Stop,
)
from controller.inspection import Examination, consume, examine, pen_facts, read_calibration, read_counted
from controller.pen_kept import Quarantined
from controller.plan import SessionPlan, prepare_refused
from controller.ports import Clock, EventSink, Pen, RecordUnavailable
from controller.readiness import readiness
from controller.site import Site
from controller.state import Phase
from controller.transitions import SPOKEN_PHASE, fault_names
from controller.view import PenView
from firmware_bridge.errors import RequestError, RequestRefused, RequestUncertain, WireError
from firmware_bridge.wire.messages import Refusal
from firmware_bridge.wire.operations import CLEAR_FAULT, FaultMask

Result = TypeVar("Result")

SESSION_ID_BITS = 48
"""Chance in a session's id. It is also what keeps others from guessing, by its hash, an entry of a session that an
exported file withholds, so it is more than telling sessions apart needs."""
SETTLE_S = 1.0  # beyond dead-man and retract time, how long a stop may take to be confirmed before we go on without


class SessionDriver(MachineHost):
    """Drives one pen: what people ask of it that takes several exchanges with pen, record and site."""

    def __init__(
        self,
        url: str,
        *,
        sink: EventSink,
        clock: Clock,
        random: Random,
        site: Site,
        tick_observer: Callable[[float], None] | None = None,
    ) -> None:
        super().__init__(url, sink=sink, clock=clock, tick_observer=tick_observer)
        self._random = random
        self._site = site
        self._arming = asyncio.Lock()

    async def prepare(self, plan: SessionPlan) -> PenView:
        """Opens a session. Raises ControlRefused."""
        facts = self.state.pen
        if facts is None:
            raise ControlRefused("no_pen", "No pen is connected. Plug it in, then prepare the session.")
        now = self._clock.utc()
        try:
            resolved = await self._site.resolve(plan, model=facts.model, now=now)
        except ControlRefused as refused:
            self._sink.emit(prepare_refused(refused.because), session=None)
            raise
        session = f"{now:%Y%m%dT%H%M%S}-{self._random.getrandbits(SESSION_ID_BITS):012x}"
        before = self.state
        self._command(Prepare(session=session, plan=resolved, standing=before.standing, raised=before.alarms.unseen))
        try:
            await self._site.opened(session, plan, resolved, now)
        except ControllerError as error:
            self._apply(Close(outcome="interrupted", reason="the site could not keep what the session began with"))
            raise ControlRefused("site_memory", f"{error} No session was opened.") from error
        with suppress(WireError):  # what was not read stays open in the table; arming reads again, and says why not
            await self.examine()
        return self.view()

    async def patient(self, patient: str) -> tuple[PatientHistory, dict[str, CourseState]]:
        """What the site knows of a patient, and where a session today would stand in each protocol's course.

        Raises ControllerError.
        """
        return await self._site.patient(patient, self._clock.utc().date())

    async def exchange_cartridge(self, code: str, source: str) -> PenView:
        """Another cartridge in this session; ``code`` as the scanner gave it, or empty. Raises ControlRefused."""
        scan = self._site.scanned(code, self._clock.utc().date())
        return await self.ask(ExchangeCartridge(source=source, scan=scan))

    async def calibration_due(self) -> Callable[[date], Due] | None:
        """How the connected pen's calibration stands on a day; None where it holds no valid one. Raises WireError."""
        pen = self._connected("be read")
        calibration, counted = await read_calibration(pen), await read_counted(pen)
        if calibration is None:
            return None
        return partial(due, calibration, counted, self._site.rules_of(pen_facts(pen.welcome).model).due)

    async def quarantined(self) -> Quarantined | None:
        """By what the site keeps the connected pen out of use; None where it does not. Raises ControlRefused."""
        facts = pen_facts(self._connected("be looked up").welcome)
        return (await self._site.kept_of(facts.model, facts.serial)).standing.quarantined

    async def examine(self) -> PenView:
        """Reads the pen, with a self-test, for the table of what arming needs. Raises ControlRefused, WireError."""
        async with self._arming:  # looked at within: whoever waited here may find the pen armed meanwhile
            if self.state.phase is not Phase.PREPARED:
                raise ControlRefused("phase", "The pen is read while a session is prepared and the pen not armed.")
            await self._examine(with_self_test=True)
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
        except ControlRefused as refused:
            if self.state.phase is Phase.ARMING:
                self._apply(ArmFailed(because=refused.because, sentence=refused.sentence))
            raise
        except asyncio.CancelledError:
            self._apply(ArmFailed(because="cancelled", sentence="Arming was broken off. The pen is not armed."))
            raise
        return self.view()

    async def _arm(self) -> None:
        pen = self._connected("arm")
        await self._flush()
        found = await self._examine(with_self_test=not self._tested())
        self._still(self.state.phase is Phase.ARMING)
        cartridge = self.state.cartridge
        if cartridge is not None:
            await self._use(pen, cartridge, found)
        lease = await pen.arm(
            depth_ceiling_um=self.state.depth_ceiling_um,
            rate_ceiling_mhz=self.state.rate_ceiling_mhz,
            cartridge_tag=cartridge.tag if cartridge else 0,
        )
        self._command(LeaseGranted(lease=lease))
        self._still(self.state.lease == lease)

    async def _use(self, pen: Pen, cartridge: CartridgeSnapshot, found: Examination) -> None:
        """The cartridge counts as used: in the journal first, then at the site, then in the cartridge itself.

        What an earlier attempt did not come to is done now: that it was intended says nothing about that it was done.
        """
        session = self.state.session or ""
        if cartridge.tag and cartridge.tag != self.state.consumed_tag:
            self._command(ConsumeIntended(tag=cartridge.tag))
        self._emit_inputs()
        await self._flush()
        if not found.claimed:
            await self._site.ledger.claim(cartridge, session)
        self._still(self.state.phase is Phase.ARMING)
        if cartridge.tag and not found.marked:
            try:
                await consume(pen, cartridge.tag)
            except RequestUncertain:
                self._apply(OperationUncertain(operation="marking the cartridge as used"))
                raise
            self._still(self.state.phase is Phase.ARMING)

    async def _examine(self, *, with_self_test: bool) -> Examination:
        """Reads the pen for the machine. Raises WireError."""
        pen, plan, session = self._connected("be read"), self.state.plan, self.state.session
        if plan is None or session is None:
            raise ControlRefused("stopped", "The session was closed meanwhile. The pen is not armed.")
        facts = pen_facts(pen.welcome)
        found = await examine(
            pen,
            plan,
            ledger=self._site.ledger,
            session=session,
            profiles=self._site.data.profiles,
            kept=await self._site.kept_of(facts.model, facts.serial),
            today=self._clock.utc().date(),
            with_self_test=with_self_test,
        )
        self._still(self.pen is pen)  # what another connection said is not of this pen
        self._command(found.given)
        return found

    def _tested(self) -> bool:
        """A self-test of this pen is at hand that is good for arming."""
        rows = readiness(self.state, self._clock.monotonic_ms())
        return any(row.check == "self-test" and row.outcome in {"passes", "note"} for row in rows)

    def _still(self, arming: bool) -> None:
        if not arming:
            raise ControlRefused("stopped", "The pen was stopped while it was being armed. It is not armed.")

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

    async def unarmed(self, work: Callable[[], Awaitable[Result]]) -> Result:
        """Does ``work`` while nobody can arm this pen. Raises ControlRefused while it is armed or being stopped."""
        async with self._arming:
            phase = self.state.phase
            if phase in {Phase.ARMING, Phase.PAUSED, Phase.TREATING, Phase.STOPPING}:
                raise ControlRefused(
                    f"phase_{phase}",
                    f"A treatment is under way with this pen: {SPOKEN_PHASE[phase]}. STOP first (`needlework stop`, or "
                    "the button on the pen), then take it out of use. Nothing was recorded.",
                )
            return await work()

    async def end_calibration(self) -> bool:
        """Ends the calibration that the pen holds; False where it keeps none. Raises ControlRefused, WireError."""
        pen = self._connected("be written to")
        return await end_calibration(pen.request, pen_facts(pen.welcome).capabilities)

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

    def _stop_s(self) -> float:
        facts = self.state.pen
        return SETTLE_S + ((facts.dead_man_ms + facts.retract_ms) / 1000 if facts is not None else 0.0)
