"""A calibration at an open bench, from as found to a certificate: each step done, kept, and then the next.

Whoever calls decides who is asked and told, through :class:`Hands`; a terminal, a script and a test do it each in their
way. A piece of work survives whatever ends the program: it is on the disk after every reading.

The pen goes by its calibration from the last step on. Before it the certificate is on the disk and on record, so that
whatever ends the program leaves a pen that has a certificate, or one that nobody arms.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from controller.calibration.adjustment import adjustment_for
from controller.calibration.ending import end_calibration
from controller.calibration.in_the_pen import check_table, put_in_force, write_calibration, write_table
from controller.calibration.series import (
    CalibrationUnderWay,
    Do,
    Read,
    Setups,
    Source,
    Stage,
    StepName,
    Table,
    TakenReading,
    What,
    next_step,
    restarted,
    results,
    taken,
    taken_whole,
)
from controller.errors import ControlRefused
from controller.pen_rules import rules_of
from controller.service_events import (
    AdjustmentWritten,
    CalibrationWritten,
    PenQuarantined,
    ReferenceRead,
    ServicePurpose,
)
from controller.units import Micrometres
from firmware_bridge.errors import WireError
from firmware_bridge.wire.messages import Capability
from logger.certificate.document import Body, Series
from logger.record.pens import PenName, name_of
from logger.record.releasing import undone_since
from station.bench.approach import AtPoint, Course, depth_course, rate_course
from station.bench.bench import TechnicianBench
from station.bench.certifying import Issued, Parties
from station.bench.hands import Hands
from station.bench.issuing import Issuing
from station.bench.measuring import Take, held_same, measure
from station.bench.moments import held_forward, moment
from station.bench.paperwork import paperwork_at
from station.bench.stated import calibration_of
from station.bench.work_folder import WorkFolder
from station.settings import StationSettings
from station.site.pen_records import open_pen_records

_PURPOSE: dict[What, ServicePurpose] = {
    "depth": "depth_calibration",
    "rate": "rate_calibration",
    "load": "rate_calibration",
}


class Calibrating:
    """One calibration of the pen at the bench. Made by :func:`station.bench.beginning.begin` or `resume` there."""

    def __init__(
        self, bench: TechnicianBench, settings: StationSettings, work: CalibrationUnderWay, setups: Setups
    ) -> None:
        self.bench = bench
        self.work = work
        self.setups = setups
        self._settings = settings
        self._folder = WorkFolder(settings)
        self._opened = False
        self.left_out = 0
        """Readings that a restart of the pen made worthless: their series is read anew."""

    async def run(self, hands: Hands, parties: Parties) -> Issued:
        """Goes on from wherever the work is, to the certificate.

        Raises ControlRefused, ServiceEnded, GaugeError, WireError where it cannot go on now; the work is kept and can
        be resumed. Raises RecordUnavailable, OSError.
        """
        issuing = Issuing(self.bench, self._settings, parties)
        does: dict[StepName, Callable[[], Awaitable[None]]] = {
            "quarantine": lambda: self._quarantine(issuing),
            "decide": lambda: self._decide(hands),
            "adjust": self._adjust,
            "calibrate": lambda: self._calibrate(issuing),
            "issue": lambda: self._issue(issuing),
            "put_in_force": lambda: self._put_in_force(issuing),
        }
        if self.work.calibrated and self.work.due_on != issuing.parties.due_on and not issuing.issued(self.work.number):
            self._keep(calibrated=False)  # another date was asked for meanwhile: pen and certificate get the same
        while True:
            step = next_step(self.work, self.setups)
            if step == Do("done"):
                self._folder.end(self.work)
                return await asyncio.to_thread(issuing.kept, self.work.number)
            await hands.heard(self.work, step)
            if isinstance(step, Read):
                await self._read_series(step, hands)
            else:
                await self._at_the_pen(hands, does[step.name])

    async def series(self) -> tuple[Series, Series]:
        """Depth and rate as they would stand in the certificate now. Raises ReadingRefused before as found is whole."""
        return await Issuing(self.bench, self._settings, Parties()).results(self.work, self.setups)

    async def _at_the_pen(self, hands: Hands, act: Callable[[], Awaitable[None]]) -> None:
        """Something that is asked of the pen, or written to it: tried again once the pen is back, where it went."""
        while True:
            await self._same_pen(hands)
            try:
                return await act()
            except WireError as error:
                if not await hands.again(str(error)):
                    raise
            except ControlRefused as refused:
                if refused.because not in {"no_pen", "pen_changed"} or not await hands.again(refused.sentence):
                    raise

    # Reading ----------------------------------------------------------------------------------------------------------

    async def _read_series(self, due: Read, hands: Hands) -> None:
        """The readings of one series that are still due, in service mode; what was read stays, whatever ends it."""
        stage, what = due.stage, due.what
        from_file = hands.files.get((stage, what))
        if from_file is not None and not self.work.of(stage, what):
            whole = taken_whole(
                self.work, self.setups, stage, what, from_file, at=self._now(), boot_id=self.bench.pen.boot_id
            )
            await self.bench.record(*(self._read_event(each) for each in whole.of(stage, what)))
            self._replace(whole)
            return
        await self._same_pen(hands)
        await hands.prepare(stage, what)
        await self._same_pen(hands)
        try:
            await measure(
                self.bench,
                self._course(what),
                hands,
                purpose=_PURPOSE[what],
                series=self.work.series,
                resumed=self._opened or bool(self.work.readings),
                due=lambda: self._due(stage, what),
                take=self._taken(hands.reference(what).source),
            )
        except ControlRefused as refused:
            if refused.because != "pen_restarted" or not await hands.again(refused.sentence):
                raise
        finally:
            self._opened = True

    def _course(self, what: What) -> Course:
        plan = self.setups.plan(what)
        return (
            depth_course(plan, self.setups.depth.method)
            if what == "depth"
            else rate_course(plan, self.setups.rate.method)
        )

    def _due(self, stage: Stage, what: What) -> Read | None:
        step = next_step(self.work, self.setups)
        return step if isinstance(step, Read) and (step.stage, step.what) == (stage, what) else None

    def _taken(self, source: Source) -> Take:
        async def take(due: Read, at: AtPoint, reference: int) -> None:
            work = taken(
                self.work,
                due,
                self.setups,
                shown=at.shown,
                reference=reference,
                current_ma=at.current_ma,
                at_ms=self._at_ms(due),
                at=self._now(),
                source=source,
                boot_id=self.bench.pen.boot_id,
            )
            # On record first: a reading that a crash keeps out of the work is read again, and the record has both.
            await self.bench.record(self._read_event(work.readings[-1]))
            self._replace(work)

        return take

    def _read_event(self, reading: TakenReading) -> ReferenceRead:
        what, load = reading.what, self.setups.rate.load
        return ReferenceRead(
            series=self.work.series,
            stage=reading.stage,
            quantity="depth_um" if what == "depth" else "rate_mhz",
            point=self.setups.plan(what).points[reading.point],
            direction=reading.direction,
            repeat=reading.repeat,
            shown=reading.shown,
            reference=reading.reference,
            instrument=self.work.gauge if what == "depth" else self.work.tachometer,
            source=reading.source,
            load=load.name if what == "load" and load is not None else "",
        )

    async def _same_pen(self, hands: Hands) -> None:
        """The pen of this work is at the bench. One that was restarted begins its series anew; another is refused."""
        try:
            await held_same(self.bench, hands)
        except ControlRefused as refused:
            if refused.because != "pen_restarted":
                raise
            self.bench.take_again()
        pen, before = self.bench.pen, len(self.work.readings)
        if (pen.model, pen.serial) != (self.work.pen, self.work.serial):
            raise ControlRefused(
                "another_pen",
                f"This calibration is of {self.work.pen} {self.work.serial}, and {pen.model} {pen.serial} is at the "
                "bench. Nothing of one pen goes into another's. Plug in the first one, or begin another calibration.",
            )
        if pen.firmware != self.work.firmware:
            raise ControlRefused(
                "firmware_changed",
                f"This calibration was begun with the firmware {self.work.firmware}, and the pen runs {pen.firmware} "
                "now. What one firmware shows says nothing of another. Begin the calibration anew.",
            )
        self._replace(restarted(self.work, self.setups, pen.boot_id))
        self.left_out += before - len(self.work.readings)

    # Deciding and writing ---------------------------------------------------------------------------------------------

    async def _quarantine(self, issuing: Issuing) -> None:
        """Out of tolerance as found: on record, and the pen's calibration ended, before anything is changed."""
        number = self._numbered(issuing).number
        found = results(self.work, self.setups, "as_found")
        pen = self._pen
        with paperwork_at(self.bench, self._settings) as paper:
            # Once, however often this was interrupted in between.
            noted = any(
                isinstance(one.event, PenQuarantined) and one.event.certificate == number
                for one in paper.records.told(pen)
            )
            if not noted:
                await paper.quarantine(pen, "out_of_tolerance", certificate=number, errors=found.depth.errors)
        await end_calibration(self.bench.driver.request, self.bench.pen.capabilities)
        self._keep(quarantined=True)

    async def _decide(self, hands: Hands) -> None:
        found = results(self.work, self.setups, "as_found")
        new = adjustment_for(found.depth, found.rate, self.work.found.adjustment())
        wanted = Table(
            number=self.work.found.number + 1,
            shown_um=new.shown_um,
            true_um=new.true_um,
            rate_gain_ppm=new.rate_gain_ppm,
        )
        adjustable = bool(self.bench.pen.capabilities & Capability.ADJUSTABLE)
        adjust = adjustable and await hands.adjust(found, self.work.found, wanted)
        self._keep(adjust=adjust, wanted=wanted if adjust else None)

    async def _adjust(self) -> None:
        wanted = self.work.wanted
        if wanted is None:
            raise ControlRefused("no_table", "No table was decided upon. Begin this calibration anew.")
        await write_table(self.bench.driver.request, self.work.found, wanted)
        await self._record_once(
            AdjustmentWritten(
                series=self.work.series,
                pen=self.work.pen,
                serial=self.work.serial,
                number=wanted.number,
                rate_gain_ppm=wanted.rate_gain_ppm,
                shown_um=wanted.shown_um,
                true_um=wanted.true_um,
                confirmed_by=self.bench.technician,
            )
        )
        self._keep(adjusted=True)

    async def _calibrate(self, issuing: Issuing) -> None:
        """What is left goes into the pen, not in force: nothing that the pen does follows from it yet."""
        self._held_clock()
        data = issuing.calibration_data(self._numbered(issuing), self.setups)
        await self._held_table()
        await write_calibration(self.bench.driver.request, data)
        self._keep(calibrated=True, due_on=issuing.parties.due_on)

    async def _issue(self, issuing: Issuing) -> None:
        self._held_clock()
        await issuing.issue(self._numbered(issuing), self.setups)
        self._keep(issued=True)

    async def _put_in_force(self, issuing: Issuing) -> None:
        """The pen goes by what its certificate says, from now on."""
        body = (await asyncio.to_thread(issuing.kept, self.work.number)).sealed.certificate.body
        data = calibration_of(body)
        if data is None or body.written is None:
            raise ControlRefused("no_calibration", f"Certificate {body.number} gives the pen no calibration.")
        undone = await asyncio.to_thread(self._undone_since, body.number) or await self._knocked_since(issuing, body)
        if undone:
            raise ControlRefused(
                "undone_since",
                f"Certificate {body.number} is issued, and since then the pen {undone}. What was measured before says "
                "nothing of it now: its calibration is not put into force. Begin a calibration anew.",
            )
        await self._held_table()
        await put_in_force(self.bench.driver.request, data)
        await self._record_once(
            CalibrationWritten(
                series=self.work.series,
                pen=self.work.pen,
                serial=self.work.serial,
                certificate=body.number,
                calibrated_on=body.ended_at[:10],
                due_on=body.due_on,
                depth_gain_ppm=body.written.depth_gain_ppm,
                depth_offset_um=body.written.depth_offset_um,
                depth_uncertainty_um=Micrometres(body.written.depth_uncertainty_um),
                rate_gain_ppm=body.written.rate_gain_ppm,
            )
        )
        self._keep(in_force=True)

    async def _held_table(self) -> None:
        """The pen still holds the table that it was measured with last. Raises ControlRefused, WireError."""
        if self.bench.pen.capabilities & Capability.ADJUSTABLE:
            await check_table(self.bench.driver.request, self.work.table)

    def _undone_since(self, number: str) -> str:
        with open_pen_records(self._settings) as records:
            return undone_since(records.told(self._pen), number)

    async def _knocked_since(self, issuing: Issuing, body: Body) -> str:
        """Knocks that would end its calibration: putting it into force begins their count anew."""
        ends_with, before = rules_of(self.bench.policy, self.work.pen).due.shocks, body.instrument.shocks
        now = (await issuing.instrument()).shocks
        if ends_with is None or before is None or now is None or now - before < ends_with:
            return ""
        return f"counted {now - before} knocks, and {ends_with} end a calibration"

    async def _record_once(self, event: AdjustmentWritten | CalibrationWritten) -> None:
        """Tells of a write. A crash after it went on record has the step done again, and the write is told of once."""

        def told() -> bool:
            with open_pen_records(self._settings) as records:
                return any(one.event == event for one in records.told(self._pen, (event.type,)))

        if not await asyncio.to_thread(told):
            await self.bench.record(event)

    # Keeping ----------------------------------------------------------------------------------------------------------

    @property
    def _pen(self) -> PenName:
        return name_of(self.work.pen, self.work.serial)

    def _numbered(self, issuing: Issuing) -> CalibrationUnderWay:
        """The work with its certificate's number, drawn once."""
        if not self.work.number:
            self._keep(number=issuing.draw_number("calibration"))
        return self.work

    def _replace(self, work: CalibrationUnderWay) -> None:
        if work is not self.work:
            self._folder.keep(work)
            self.work = work

    def _keep(self, **changes: object) -> None:
        self._replace(self.work.model_copy(update=changes))

    def _now(self) -> str:
        """Of a reading; never before the reading before. Raises ControlRefused for a clock that was put back."""
        self._held_clock()
        return max(moment(self.bench.clock.utc()), self._newest)

    @property
    def _newest(self) -> str:
        return self.work.readings[-1].at if self.work.readings else self.work.begun_at

    def _held_clock(self) -> None:
        """Raises ControlRefused for a clock that was put back."""
        held_forward(self.bench.clock.utc(), self._newest)

    def _at_ms(self, due: Read) -> int:
        """Since the work began; never before the reading before, whatever was done to the computer's clock."""
        now_ms = (self.bench.clock.utc() - datetime.fromisoformat(self.work.begun_at)) // timedelta(milliseconds=1)
        before = [each.at_ms or 0 for each in self.work.of(due.stage, due.what)[-1:]]
        return max(0, now_ms, *before)
