"""A calibration at an open bench, from as found to a certificate: each step done, kept, and then the next.

Whoever calls decides who is asked and told, through :class:`Hands`; a terminal, a script and a test do it each in their
way. A piece of work survives whatever ends the program: it is on the disk after every reading.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from controller.calibration.adjustment import adjustment_for
from controller.calibration.ending import end_calibration
from controller.calibration.in_the_pen import read_table, write_calibration, write_table
from controller.calibration.readings import Reading, ReadingRefused
from controller.calibration.series import (
    Air,
    CalibrationUnderWay,
    Do,
    Read,
    Results,
    Setups,
    Stage,
    Table,
    What,
    next_step,
    restarted,
    results,
    taken,
    taken_whole,
)
from controller.calibration.setup import Environment, depth_setup, rate_setup
from controller.errors import ControlRefused
from controller.service.errors import MoveNotFollowed, ServiceEnded
from controller.service_events import AdjustmentWritten, CalibrationWritten, ReferenceRead
from controller.units import Micrometres
from firmware_bridge.errors import WireError
from firmware_bridge.gauges.errors import GaugeError
from firmware_bridge.wire.messages import Capability
from logger.record.pens import name_of
from station.bench.approach import Approach
from station.bench.bench import TechnicianBench
from station.bench.certifying import Issued, Parties
from station.bench.issuing import Issuing
from station.bench.paperwork import paperwork_at
from station.bench.reference import Reference
from station.bench.standards import policy_sha256
from station.bench.work_folder import WorkFolder
from station.settings import StationSettings

_PURPOSE = {"depth": "depth_calibration", "rate": "rate_calibration", "load": "rate_calibration"}
_QUANTITY = {"depth": "depth_um", "rate": "rate_mhz", "load": "rate_mhz"}


@dataclass(frozen=True, slots=True)
class Instruments:
    """The references by their ids in the clinic's policy."""

    gauge: str
    cartridge: str
    tachometer: str


@dataclass(frozen=True, slots=True)
class Hands:
    """What a person, or a program in their place, does in a calibration.

    ``again`` hears why a reading or a move did not come about, and says whether to try it once more; ``prepare`` is
    asked for before each series (the load has to be put on, the gauge be set to its face) and says when it is done;
    ``adjust`` sees what was found and the table it would be corrected by, and decides; ``heard`` hears of every step
    and every reading.
    """

    depth: Reference
    rate: Reference
    again: Callable[[str], Awaitable[bool]]
    prepare: Callable[[Stage, What], Awaitable[None]]
    adjust: Callable[[Results, Table, Table], Awaitable[bool]]
    heard: Callable[[CalibrationUnderWay, Read | Do], None] = lambda _work, _step: None
    files: Mapping[tuple[Stage, What], tuple[Reading, ...]] = field(default_factory=dict)

    def reference(self, what: What) -> Reference:
        """Who reads this."""
        return self.depth if what == "depth" else self.rate


def setups_for(bench: TechnicianBench, instruments: Instruments, air: Environment) -> Setups:
    """What this pen is calibrated with. Raises ControlRefused: no method, unknown or expired reference, unfit air."""
    today, pen = bench.clock.utc().date(), bench.pen
    return Setups(
        depth_setup(
            bench.policy, pen.model, instruments.gauge, instruments.cartridge, air, today, pen.depth_step_um
        ),
        rate_setup(bench.policy, pen.model, instruments.tachometer, today, pen.rate_step_mhz),
    )


class Calibrating:
    """One calibration of the pen at the bench. Made by :func:`begin` or :func:`resume`."""

    def __init__(
        self, bench: TechnicianBench, settings: StationSettings, work: CalibrationUnderWay, setups: Setups
    ) -> None:
        self.bench = bench
        self.work = work
        self.setups = setups
        self._settings = settings
        self._folder = WorkFolder(settings.works_path)
        self._approach = Approach(bench, setups)

    async def run(self, hands: Hands, parties: Parties, *, authorised_by: str = "") -> Issued:
        """Goes on from wherever the work is, to the certificate.

        ``authorised_by``: the account that answers for it, the technician's where nobody else is named. Raises
        ControlRefused, ServiceEnded, GaugeError, WireError where it cannot go on now; the work is kept and can be
        resumed. Raises RecordUnavailable, OSError.
        """
        issuing = Issuing(self.bench, self._settings, parties, authorised_by or self.bench.technician)
        while True:
            step = next_step(self.work, self.setups)
            hands.heard(self.work, step)
            if isinstance(step, Read):
                await self._read_series(step, hands)
                continue
            match step.name:
                case "quarantine":
                    await self._quarantine()
                case "decide":
                    await self._decide(hands)
                case "adjust":
                    await self._adjust()
                case "calibrate":
                    await self._calibrate(issuing)
                case "issue":
                    issued = await issuing.issue(self._numbered(issuing), self.setups)
                    self._keep(issued=True)
                    self._folder.end(self.work)
                    return issued
                case "done":
                    self._folder.end(self.work)
                    return issuing.kept(self.work)

    # Reading ----------------------------------------------------------------------------------------------------------

    async def _read_series(self, due: Read, hands: Hands) -> None:
        """The readings of one series that are still due, in service mode; what was read stays, whatever ends it."""
        stage, what = due.stage, due.what
        from_file = hands.files.get((stage, what))
        if from_file is not None:
            self._replace(taken_whole(self.work, stage, what, from_file, at=self._now(), boot_id=self._boot_id()))
            await self._told_of(stage, what)
            return
        await hands.prepare(stage, what)
        await self._same_pen(hands)
        if not self._still_due(due):
            return
        async with AsyncExitStack() as service:
            await service.enter_async_context(
                self.bench.service(_PURPOSE[what], series=self.work.series, resumed=bool(self.work.readings))  # type: ignore[arg-type]
            )
            self._approach.forget()
            step = next_step(self.work, self.setups)
            while isinstance(step, Read) and (step.stage, step.what) == (stage, what):
                hands.heard(self.work, step)
                await self._read(step, hands)
                step = next_step(self.work, self.setups)

    async def _read(self, due: Read, hands: Hands) -> None:
        """One reading, tried until it comes about or nobody wants to try again."""
        while True:
            try:
                shown = await self._shown(due)
                reference = hands.reference(due.what)
                value = await reference.read(due)
                self._replace(
                    taken(
                        self.work,
                        due,
                        self.setups.plan(due.what),
                        shown=shown,
                        reference=value,
                        at_ms=self._at_ms(),
                        at=self._now(),
                        source=reference.source,
                        boot_id=self._boot_id(),
                    )
                )
            except (ReadingRefused, MoveNotFollowed, GaugeError) as error:
                self._approach.forget()
                if not await hands.again(str(error)):
                    raise
                continue
            await self._told_of(due.stage, due.what, last_only=True)
            return

    async def _shown(self, due: Read) -> int:
        seen = await self._approach.to(due.what, due.place)
        shown = seen.depth_measured_um if due.what == "depth" else seen.rate_measured_mhz
        # A pen without a sensor shows what it was set to: that is what a person reads off it.
        return shown if shown is not None else self.setups.plan(due.what).points[due.place.point]

    async def _told_of(self, stage: Stage, what: What, *, last_only: bool = False) -> None:
        """Readings go on record."""
        readings = self.work.of(stage, what)
        instrument = self.work.gauge if what == "depth" else self.work.tachometer
        await self.bench.record(
            *(
                ReferenceRead(
                    series=self.work.series,
                    stage=stage,
                    quantity="depth_um" if what == "depth" else "rate_mhz",
                    point=self.setups.plan(what).points[each.point],
                    direction=each.direction,
                    repeat=each.repeat,
                    shown=each.shown,
                    reference=each.reference,
                    instrument=instrument,
                    source=each.source,
                )
                for each in (readings[-1:] if last_only else readings)
            )
        )

    async def _same_pen(self, hands: Hands) -> None:
        """The pen of this work is at the bench. One that was restarted begins its series anew; another is refused."""
        pen = self.bench.pen
        if (pen.model, pen.serial) != (self.work.pen, self.work.serial):
            raise ControlRefused(
                "another_pen",
                f"This calibration is of {self.work.pen} {self.work.serial}, and {pen.model} {pen.serial} is at the "
                "bench. Nothing of one pen goes into another's. Plug in the first one, or begin another calibration.",
            )
        before = len(self.work.readings)
        self._replace(restarted(self.work, self.setups, pen.boot_id))
        if len(self.work.readings) < before:
            lost = before - len(self.work.readings)
            await hands.again(
                f"The pen was restarted since: {lost} readings of a series that was not complete are left out, and "
                "that series is read anew from its beginning."
            )

    def _still_due(self, due: Read) -> bool:
        step = next_step(self.work, self.setups)
        return isinstance(step, Read) and (step.stage, step.what) == (due.stage, due.what)

    # Deciding and writing ---------------------------------------------------------------------------------------------

    async def _quarantine(self) -> None:
        """Out of tolerance as found: on record, and the pen's calibration ended, before anything is changed."""
        found = results(self.work, self.setups, "as_found")
        with paperwork_at(self.bench, self._settings) as paper:
            await paper.quarantine(
                name_of(self.bench.pen.model, self.work.serial),
                "out_of_tolerance",
                certificate=self._numbered_work().number,
                errors=found.depth.errors,
            )
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
        await self.bench.record(
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
        data = issuing.calibration_data(self._numbered(issuing), self.setups)
        await write_calibration(self.bench.driver.request, data)
        due = issuing.parties.due_on
        await self.bench.record(
            CalibrationWritten(
                series=self.work.series,
                pen=self.work.pen,
                serial=self.work.serial,
                certificate=self.work.number,
                calibrated_on=self._now()[:10],
                due_on=due,
                depth_gain_ppm=data.depth_gain_ppm,
                depth_offset_um=data.depth_offset_um,
                depth_uncertainty_um=Micrometres(data.depth_uncertainty_um),
                rate_gain_ppm=data.rate_gain_ppm,
            )
        )
        self._keep(calibrated=True)

    # Keeping ----------------------------------------------------------------------------------------------------------

    def _numbered(self, issuing: Issuing) -> CalibrationUnderWay:
        """The work with its certificate's number, drawn once."""
        if not self.work.number:
            self._keep(number=issuing.draw_number())
        return self.work

    def _numbered_work(self) -> CalibrationUnderWay:
        return self._numbered(Issuing(self.bench, self._settings, Parties(), self.bench.technician))

    def _replace(self, work: CalibrationUnderWay) -> None:
        if work is not self.work:
            self._folder.keep(work)
            self.work = work

    def _keep(self, **changes: object) -> None:
        self._replace(self.work.model_copy(update=changes))

    def _now(self) -> str:
        return moment(self.bench.clock.utc())

    def _at_ms(self) -> int:
        begun = datetime.fromisoformat(self.work.begun_at)
        return max(0, (self.bench.clock.utc() - begun) // timedelta(milliseconds=1))

    def _boot_id(self) -> int:
        return self.bench.pen.boot_id


def moment(at: datetime) -> str:
    """A moment as it stands in files: UTC, whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def begin(
    bench: TechnicianBench, settings: StationSettings, series: str, instruments: Instruments, air: Environment
) -> Calibrating:
    """Begins a calibration of the pen at the bench, as it is found. Nothing moves yet.

    Raises ControlRefused (as :func:`setups_for`, or a pen that has no service mode), WireError, OSError.
    """
    setups = setups_for(bench, instruments, air)
    adjustable = bool(bench.pen.capabilities & Capability.ADJUSTABLE)
    found = (
        await read_table(bench.driver.request)
        if adjustable
        else Table(number=0, shown_um=(), true_um=(), rate_gain_ppm=1_000_000)
    )
    work = CalibrationUnderWay(
        series=series,
        pen=bench.pen.model,
        serial=bench.pen.serial,
        firmware=bench.pen.firmware,
        technician=bench.technician,
        policy_sha256=policy_sha256(settings.calibration),
        gauge=instruments.gauge,
        cartridge=instruments.cartridge,
        tachometer=instruments.tachometer,
        air=(Air(temperature_dc=air.temperature_dc, humidity_permille=air.humidity_permille),),
        begun_at=moment(bench.clock.utc()),
        found=found,
    )
    WorkFolder(settings.works_path).keep(work)
    return Calibrating(bench, settings, work, setups)


async def resume(
    bench: TechnicianBench, settings: StationSettings, work: CalibrationUnderWay, air: Environment | None = None
) -> Calibrating:
    """Goes on with a calibration; ``air`` is what it is at the bench now, None for as it was.

    Raises ControlRefused when what it was begun by has changed since: the policy, a reference that fell due; OSError.
    """
    if work.policy_sha256 != policy_sha256(settings.calibration):
        raise ControlRefused(
            "policy_changed",
            "The calibration policy was changed since this calibration was begun: readings by one policy are not "
            "judged by another. Put the policy back as it was, or begin the calibration anew.",
        )
    now = air or Environment(work.air[-1].temperature_dc, work.air[-1].humidity_permille)
    setups = setups_for(bench, Instruments(work.gauge, work.cartridge, work.tachometer), now)
    calibrating = Calibrating(bench, settings, work, setups)
    if air is not None:
        calibrating.work = work.model_copy(
            update={"air": (*work.air, Air(temperature_dc=air.temperature_dc, humidity_permille=air.humidity_permille))}
        )
    return calibrating


__all__ = ["Calibrating", "Hands", "Instruments", "ServiceEnded", "WireError", "begin", "resume", "setups_for"]
