"""A calibration under way: what was read and decided so far, and from that alone what comes next. Pure.

It is kept as one value, so that whoever continues it, after an interruption at any point, continues the same piece of
work: :func:`next_step` is the whole procedure. Nothing in it names a patient or a customer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from controller.calibration.adjustment import Adjustment
from controller.calibration.depth import calibrate_depth
from controller.calibration.depth_results import DepthCalibration
from controller.calibration.droop import held_braked
from controller.calibration.rate import RateCalibration, calibrate_rate
from controller.calibration.readings import (
    Place,
    Reading,
    ReadingRefused,
    SeriesPlan,
    depth_plan,
    held_sound,
    load_plan,
    rate_plan,
)
from controller.calibration.setup import DepthSetup, RateSetup
from controller.event_base import Record
from controller.service_events import Direction

Stage = Literal["as_found", "as_left"]
What = Literal["depth", "rate", "load"]
"""What is read: depth, rate, and rate under the known load."""
WHATS: tuple[What, ...] = ("depth", "rate", "load")

Source = Literal["typed", "file", "gauge"]


class TakenReading(Record):
    """One reading that was taken, ``at`` a moment (UTC, ISO). ``at_ms`` counts from the beginning of the work, or of
    the file it came from, None where nobody noted it; ``current_ma`` what the motor took, None where the pen does not
    say; ``boot_id`` is the pen's then."""

    stage: Stage
    what: What
    point: int
    direction: Direction
    repeat: int
    shown: int
    reference: int
    at_ms: int | None
    at: str
    source: Source
    boot_id: int
    current_ma: int | None = None

    def reading(self) -> Reading:
        """For the arithmetic."""
        return Reading(self.point, self.direction, self.repeat, self.shown, self.reference, self.at_ms, self.current_ma)


class Table(Record):
    """An adjustment table under its number in the pen; depths in µm."""

    number: int
    shown_um: tuple[int, ...]
    true_um: tuple[int, ...]
    rate_gain_ppm: int

    def adjustment(self) -> Adjustment:
        """For the arithmetic."""
        return Adjustment(self.shown_um, self.true_um, self.rate_gain_ppm)


class Air(Record):
    """The air at the bench: 0.1 °C, ‰ relative humidity."""

    temperature_dc: int
    humidity_permille: int


class CalibrationUnderWay(Record):
    """Everything of one calibration that is not yet a certificate. References are ids of the clinic's policy.

    ``adjust`` is a person's decision, None before it; ``wanted`` the table decided upon, ``adjusted`` that the pen was
    read back to hold it. ``number`` is the certificate's. ``calibrated``: the pen was read back to hold what is left of
    its errors, and ``due_on`` with it, the last day of it or None, but not in force. ``issued``: the certificate that
    says so is on the disk and on record. ``in_force``: the pen goes by it.
    """

    format: Literal["needlework-calibration-under-way/1"] = "needlework-calibration-under-way/1"
    series: str
    pen: str
    serial: str
    firmware: str
    technician: str
    policy_sha256: str
    gauge: str
    cartridge: str
    tachometer: str
    air: tuple[Air, ...]
    begun_at: str
    found: Table
    readings: tuple[TakenReading, ...] = ()
    quarantined: bool = False
    adjust: bool | None = None
    wanted: Table | None = None
    adjusted: bool = False
    number: str = ""
    calibrated: bool = False
    due_on: str | None = None
    issued: bool = False
    in_force: bool = False

    def of(self, stage: Stage, what: What) -> tuple[TakenReading, ...]:
        """The readings of one series, in the order they were taken."""
        return tuple(each for each in self.readings if (each.stage, each.what) == (stage, what))

    @property
    def table(self) -> Table:
        """The table that the pen holds by what was done so far."""
        return self.wanted if self.adjusted and self.wanted is not None else self.found

    @property
    def last_stage(self) -> Stage:
        """Which stage says how the pen is left."""
        return "as_left" if self.adjusted else "as_found"


@dataclass(frozen=True, slots=True)
class Setups:
    """What is read, with what, and by which rules it is judged."""

    depth: DepthSetup
    rate: RateSetup

    def plan(self, what: What) -> SeriesPlan:
        """The plan of one series; without points where there is nothing to read."""
        if what == "depth":
            return depth_plan(self.depth.method)
        return rate_plan(self.rate.method) if what == "rate" else load_plan(self.rate.method)


@dataclass(frozen=True, slots=True)
class Results:
    """What one stage comes to."""

    depth: DepthCalibration
    rate: RateCalibration

    @property
    def in_tolerance(self) -> bool:
        """Whether the pen was in order at this stage, depth and rate."""
        return self.depth.in_tolerance and self.rate.in_tolerance


@dataclass(frozen=True, slots=True)
class Read:
    """A reading is due. ``line`` counts the series' readings from 1, of ``count``."""

    stage: Stage
    what: What
    place: Place
    line: int
    count: int


StepName = Literal["quarantine", "decide", "adjust", "calibrate", "issue", "put_in_force", "done"]


@dataclass(frozen=True, slots=True)
class Do:
    """Something else is due.

    *quarantine*: found out of tolerance, which goes on record before anything is changed; *decide*: a person says
    whether the pen is adjusted; *adjust*: the wanted table goes into the pen; *calibrate*: so does what is left, not in
    force; *issue*: the certificate; *put_in_force*: the calibration that it states, last of all; *done*.
    """

    name: StepName


Step = Read | Do


def next_step(work: CalibrationUnderWay, setups: Setups) -> Step:
    """What comes next. Pure; the same for the same work, however often it was interrupted."""
    reading = _due(work, setups, "as_found")
    if reading is not None:
        return reading
    found = results(work, setups, "as_found")
    if not found.in_tolerance and not work.quarantined:
        return Do("quarantine")
    if work.adjust is None:
        return Do("decide")
    if work.adjust:
        if not work.adjusted:
            return Do("adjust")
        reading = _due(work, setups, "as_left")
        if reading is not None:
            return reading
    if not work.calibrated and results(work, setups, work.last_stage).in_tolerance:
        return Do("calibrate")
    if not work.issued:
        return Do("issue")
    return Do("put_in_force" if work.calibrated and not work.in_force else "done")


def _due(work: CalibrationUnderWay, setups: Setups, stage: Stage) -> Read | None:
    for what in WHATS:
        plan = setups.plan(what)
        places, taken = list(plan.places()), len(work.of(stage, what))
        if taken < len(places):
            return Read(stage, what, places[taken], taken + 1, len(places))
    return None


def taken(
    work: CalibrationUnderWay,
    due: Read,
    setups: Setups,
    *,
    shown: int,
    reference: int,
    current_ma: int | None,
    at_ms: int,
    at: str,
    source: Source,
    boot_id: int,
) -> CalibrationUnderWay:
    """The work with one reading more. Raises ReadingRefused, and nothing is taken, where it is not to be believed, or
    was to be read under a load that it does not show."""
    reading = TakenReading(
        stage=due.stage,
        what=due.what,
        point=due.place.point,
        direction=due.place.direction,
        repeat=due.place.repeat,
        shown=shown,
        reference=reference,
        at_ms=at_ms,
        at=at,
        source=source,
        boot_id=boot_id,
        current_ma=current_ma,
    )
    before = work.of(due.stage, due.what)
    held_sound(reading.reading(), before[-1].reading() if before else None, setups.plan(due.what), due.line)
    more = work.model_copy(update={"readings": (*work.readings, reading)})
    if due.what == "load":
        held_braked(reading.reading(), _readings(work, due.stage, "rate"), setups.rate, due.line)
        if due.line == due.count:
            _rate(more, setups, due.stage)
    return more


def taken_whole(
    work: CalibrationUnderWay,
    setups: Setups,
    stage: Stage,
    what: What,
    readings: Sequence[Reading],
    *,
    at: str,
    boot_id: int,
) -> CalibrationUnderWay:
    """The work with a whole series out of a file. Raises ReadingRefused where some of it was read already, or it was to
    be read under a load that it does not show."""
    if work.of(stage, what):
        raise ReadingRefused(
            "reading_surplus",
            1,
            "of this series some readings were taken already, and two ways of taking one are not mixed. Begin it anew, "
            "or read the rest as it was begun.",
        )
    more = tuple(
        TakenReading(
            stage=stage,
            what=what,
            point=each.point,
            direction=each.direction,
            repeat=each.repeat,
            shown=each.shown,
            reference=each.reference,
            at_ms=each.at_ms,
            at=at,
            source="file",
            boot_id=boot_id,
            current_ma=each.current_ma,
        )
        for each in readings
    )
    whole = work.model_copy(update={"readings": (*work.readings, *more)})
    if what == "load":
        _rate(whole, setups, stage)
    return whole


def restarted(work: CalibrationUnderWay, setups: Setups, boot_id: int) -> CalibrationUnderWay:
    """The work after the pen was started anew: a series that is not complete is begun again, for where a pen's scale
    begins may be another after each start, and one series holds one pen."""
    kept: list[TakenReading] = []
    for stage in ("as_found", "as_left"):
        for what in WHATS:
            series = work.of(stage, what)
            complete = len(series) == setups.plan(what).readings
            if complete or all(each.boot_id == boot_id for each in series):
                kept += series
    return work if len(kept) == len(work.readings) else work.model_copy(update={"readings": tuple(kept)})


def results(work: CalibrationUnderWay, setups: Setups, stage: Stage) -> Results:
    """What a complete stage comes to. Raises ReadingRefused where it is not complete."""
    depth = calibrate_depth(_readings(work, stage, "depth"), setups.depth)
    return Results(depth, _rate(work, setups, stage))


def _rate(work: CalibrationUnderWay, setups: Setups, stage: Stage) -> RateCalibration:
    return calibrate_rate(_readings(work, stage, "rate"), setups.rate, _readings(work, stage, "load"))


def _readings(work: CalibrationUnderWay, stage: Stage, what: What) -> list[Reading]:
    return [each.reading() for each in work.of(stage, what)]
