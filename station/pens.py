"""The seam to the controller: one pen of this station, its driver and what keeps it connected."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import date
from functools import partial
from random import Random
from typing import Any, Literal, TypeVar

from controller.calibration.due import Due
from controller.errors import ControlRefused
from controller.history import Approval
from controller.inputs import Approved, Command
from controller.inspection import pen_facts
from controller.pen_kept import Quarantined
from controller.plan import SessionPlan
from controller.session import SessionDriver
from controller.state import Phase
from controller.transitions import SPOKEN_PHASE, session_closed
from controller.view import PenView, seen_live
from firmware_bridge.errors import WireError
from firmware_bridge.link import Link
from firmware_bridge.port import Tap
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.supervisor import Supervisor
from logger.bus.messages import AlarmItem, LivePen
from logger.record.pens import PenName
from station.api.models import PatientTold
from station.monitoring.health_watch import watch_health
from station.people.words_kept import kept
from station.record.seam import JournalSink
from station.settings import PenSetting
from station.site.quarantine import ASKED_EVERY_S

Result = TypeVar("Result")


class StationPen:
    """A pen by its name. ``driver`` decides nothing here either: the machine does. ``tap`` sees what goes over the
    wire."""

    def __init__(
        self,
        setting: PenSetting,
        driver: SessionDriver,
        sink: JournalSink,
        *,
        monotonic_ms: Callable[[], int],
        random: Random,
        tap: Tap | None = None,
    ) -> None:
        self.name = setting.name
        self.url = setting.url
        self._driver = driver
        self._sink = sink
        self._monotonic_ms = monotonic_ms
        self._tried = asyncio.Event()
        self._plugged_in = asyncio.Event()
        self.calibration_due: Callable[[date], Due] | None = None
        self.calibration_known = False
        self.quarantined: Quarantined | None = None
        """Told before the first patient; arming asks the site itself."""
        self._supervisor = Supervisor(setting.url, self, monotonic_ms=monotonic_ms, random=random, tap=tap)

    async def keep_connected(self) -> None:
        """Connects and reconnects until cancelled."""
        await self._supervisor.run()

    async def tick(self) -> None:
        """The 20 Hz loop, until cancelled."""
        await self._driver.run()

    async def look_at_calibration(self) -> None:
        """Reads, each time the pen is plugged in, until when it is calibrated, and asks the site about it; until
        cancelled. What other stations say meanwhile is asked of the site now and then."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(ASKED_EVERY_S):
                    await self._plugged_in.wait()
            if self._plugged_in.is_set():
                self._plugged_in.clear()
                self.calibration_known = False
                with suppress(WireError, ControlRefused):  # a pen that does not say is asked when plugged in again
                    self.calibration_due = await self._driver.calibration_due()
                    self.calibration_known = True
            found: Quarantined | None = None
            with suppress(ControlRefused):  # without a pen there is nothing to tell
                found = await self._driver.quarantined()
            self.quarantined = found

    async def first_try(self) -> WireError | None:
        """Waits for the first try to connect; why it failed, None when it did not."""
        await self._tried.wait()
        return self._driver.connect_problem

    @property
    def link(self) -> Link | None:
        """The connection that is up, None while there is none."""
        return self._supervisor.link

    def parts(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What has to run for this pen, each until cancelled, by words that the pen's name follows."""
        return {
            "control loop of": self.tick(),
            "connection to": self.keep_connected(),
            "calibration of": self.look_at_calibration(),
            "health of": watch_health(self, partial(self._sink.emit, session=None)),
        }

    # What is so -------------------------------------------------------------------------------------------------------

    @property
    def treating(self) -> bool:
        """The motor is commanded on."""
        return self._driver.state.phase is Phase.TREATING

    @property
    def phase_in_the_way(self) -> str:
        """Why limits cannot be widened just now, in words; empty where they can be, and where no session is open."""
        phase = self._driver.state.phase
        return "" if phase in {Phase.NO_SESSION, Phase.PREPARED, Phase.PAUSED} else SPOKEN_PHASE[phase]

    @property
    def patient(self) -> str | None:
        """Whose session is open on this pen, by pseudonym."""
        plan = self._driver.state.plan
        return plan.patient if plan is not None else None

    @property
    def session_open(self) -> bool:
        """A session is open on this pen."""
        return self._driver.state.session is not None

    @property
    def known_out(self) -> bool:
        """The needles are known to be out, or no pen is connected that could say, and none was left running."""
        state = self._driver.state
        if state.seen is None:
            return state.motor_off_since_ms is None and not state.armed
        return state.seen.needles_out

    def take_note(self) -> str:
        """What was last done to a number that a person set, told once; empty where nothing was."""
        return self._sink.take_note()

    def view(self) -> PenView:
        """The pen now, for people and programs."""
        return self._driver.view()

    def alarms(self) -> tuple[AlarmItem, ...]:
        """The alarms raised now, for the bus."""
        return tuple(
            AlarmItem(
                pen=self.name,
                alarm=alarm.name,
                priority=alarm.kind.priority,
                sentence=alarm.sentence,
                active=alarm.condition,
                acknowledged=alarm.acknowledged,
            )
            for alarm in self._driver.state.alarms.active
        )

    def live(self) -> LivePen:
        """The pen now, for the bus. A stale status shows nothing measured."""
        state = self._driver.state
        seen = seen_live(state, self._monotonic_ms())
        return LivePen(
            pen=self.name,
            session=state.session,
            state=str(state.phase),
            zone=state.zone or None,
            depth_commanded_um=state.depth_commanded_um if state.armed else None,
            depth_set_um=seen.depth_set_um if seen else None,
            depth_measured_um=seen.depth_measured_um if seen else None,
            rate_commanded_mhz=state.rate_commanded_mhz if state.armed else None,
            rate_set_mhz=seen.rate_set_mhz if seen else None,
            rate_measured_mhz=seen.rate_measured_mhz if seen else None,
            battery_permille=seen.battery_permille if seen else None,
            on_skin=seen.on_skin if seen else None,
            alarms=len(state.alarms.active),
        )

    @property
    def connected(self) -> PenName | None:
        """Which pen it is, by what it says of itself; None while none is connected."""
        link = self.link
        if link is None:
            return None
        facts = pen_facts(link.welcome)
        return PenName(facts.model, facts.serial)

    # What people ask; each raises ControlRefused ----------------------------------------------------------------------

    def stop(self, source: str) -> None:
        """STOP: on the wire before this returns."""
        self._driver.stop(source)

    async def prepare(self, plan: SessionPlan, seated: str) -> None:
        """Opens a session for the operator in the seat: whose hands, whose limits."""
        if plan.operator != seated:
            raise ControlRefused(
                "operator_not_in_seat",
                f"The session is for {plan.operator}, and {seated} has the operating seat. Limits are those of the "
                "person who treats: that person takes the seat. Nothing changed.",
            )
        await self._driver.prepare(plan)

    async def unarmed(self, work: Callable[[], Awaitable[Result]]) -> Result:
        """Does ``work`` while nobody can arm this pen; refused while it is armed."""
        return await self._driver.unarmed(work)

    async def end_calibration(self) -> bool:
        """Ends the calibration in the pen; False where it keeps none. Raises WireError."""
        try:
            return await self._driver.end_calibration()
        finally:
            self._plugged_in.set()  # what it holds now is read anew

    async def known_of(self, patient: str) -> PatientTold:
        """What the site knows of a patient. Raises MemoryUnavailable."""
        history, courses = await self._driver.patient(patient)
        return PatientTold(
            patient=patient,
            visits=history.visits,
            approvals=history.approvals,
            last_answers=history.last_answers,
            interrupted=history.interrupted,
            course=courses,
        )

    async def ask(self, given: Command) -> None:
        """Gives the pen's machine a person's command; of its words, those that may stand in a record."""
        words = kept(given, self._driver.state.plan)
        try:
            await self._driver.ask(words.command)
        except ControlRefused as refused:
            raise ControlRefused(refused.because, words.told(refused.sentence)) from refused

    async def arm(self, source: str) -> None:
        """Checks cartridge and calibration, and takes a lease."""
        await self._driver.arm(source)

    async def approved(self, approval: Approval) -> None:
        """A physician approved for the session that is open here: what it has of those zones may be treated deeper."""
        plan = self._driver.state.plan
        if plan is None or approval.protocol not in ("", plan.protocol):
            return  # given for a treatment of another kind: it counts there
        zones = tuple(zone for zone in approval.zones if zone in plan.zones)
        if zones:
            await self._driver.ask(
                Approved(approval=approval.id, by=approval.by, zones=zones, depth_max_um=approval.depth_max_um)
            )

    async def exchange_cartridge(self, code: str, source: str) -> None:
        """Another cartridge in this session, by its scanned code where it has one."""
        await self._driver.exchange_cartridge(code, source)

    async def examine(self) -> None:
        """Reads the pen again for the table of what arming needs."""
        await self._driver.examine()

    def seated(self, operator: str) -> None:
        """Who has the operating seat from now on; empty for nobody."""
        self._driver.seated(operator)

    async def clear_fault(self, by: str) -> None:
        """Clears what interrupted the treatment."""
        await self._driver.clear(by)

    async def close(self, outcome: Literal["completed", "stopped"], reason: str) -> None:
        """Closes the session; one that was interrupted closes as that, whatever was asked."""
        interrupted = self._driver.state.phase is Phase.INTERRUPTED
        await self._driver.close("interrupted" if interrupted else outcome, reason)
        if self.session_open:
            raise ControlRefused(
                "stop_not_confirmed",
                "The session closes when the pen confirms that it has stopped, and it has not yet "
                f"({SPOKEN_PHASE[self._driver.state.phase]}). Lift the pen off and look at it.",
            )

    async def shutdown(self, reason: str) -> None:
        """Motor off, needles out, session closed; returns when the pen confirmed, or its time is up."""
        await self._driver.shutdown(reason)

    def close_unconfirmed(self, reason: str) -> None:
        """The last word on a session whose pen never confirmed that it stopped; nothing after :meth:`shutdown` did."""
        state = self._driver.state
        if state.session is not None:
            closed = session_closed(state, "interrupted", f"{reason}; the pen did not confirm that it stopped")
            self._sink.emit(closed, session=state.session)

    # What the line says: SupervisorListener, passed on to the driver --------------------------------------------------

    def link_up(self, link: Link, generation: int) -> None:
        """A connection is up."""
        self._driver.link_up(link, generation)
        self._tried.set()
        self._plugged_in.set()

    def link_down(self, cause: WireError | None) -> None:
        """The connection went."""
        self._driver.link_down(cause)

    def connect_failed(self, error: WireError) -> None:
        """A try to connect failed; another follows."""
        self._driver.connect_failed(error)
        self._tried.set()

    def status_seen(self, seen: PenSnapshot, at_ms: int) -> None:
        """The pen said how it is."""
        self._driver.status_seen(seen, at_ms)

    def line_advisory(self, sentence: str) -> None:
        """The line is worth a word."""
        self._driver.line_advisory(sentence)
