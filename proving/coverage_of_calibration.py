"""Does a calibration find what was planted, within what it states? Over many seeds the 95 % interval must hold 95 %.

Each procedure is played on an untrue pen with references drawn from their own certificates; then the planted truth is
asked for. A statement that covers too often is as wrong as one that covers too seldom: both are told.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from random import Random

from controller.calibration.accuracy import judge_accuracy
from controller.calibration.adjustment import IDENTITY, adjustment_for
from controller.calibration.depth import calibrate_depth
from controller.calibration.drift import drift_since, left_then
from controller.calibration.policy import CalibrationPolicy
from controller.calibration.rate import calibrate_rate
from controller.calibration.readings import (
    accuracy_depth_plan,
    accuracy_rate_plan,
    depth_plan,
    load_plan,
    rate_plan,
)
from controller.calibration.setup import (
    AccuracySetup,
    DepthSetup,
    Environment,
    accuracy_setup,
    depth_setup,
    rate_setup,
)
from controller.calibration.uncertainty import Budget
from controller.service_events import Direction
from proving.untrue import (
    PPM,
    DepthReference,
    UntrueDepth,
    depth_readings,
    depth_reference,
    middle_h,
    rate_readings,
    rate_reference,
    untrue_depth,
    untrue_rate,
)

SEEDS = 1000
AT_LEAST_PERMILLE, AT_MOST_PERMILLE = 930, 970
"""What the 95 % interval has to hold over 1 000 seeds: three standard deviations of that count to either side."""
TODAY = date(2026, 11, 26)
ROOM = Environment(temperature_dc=235, humidity_permille=450)
DIRECTIONS: tuple[Direction, ...] = ("up", "down")

Procedure = Callable[[CalibrationPolicy, str, Random], Iterator[tuple[str, bool, bool]]]
"""Plays one seed: (what was asked, whether the 95 % interval held it, whether ± U held it)."""


@dataclass(frozen=True, slots=True)
class Covered:
    """Of one quantity: in how many of so many seeds the 95 % interval held the planted truth, and U (k = 2) did."""

    quantity: str
    seeds: int
    held: int
    expanded_held: int

    @property
    def permille(self) -> int:
        """Share held by the 95 % interval."""
        return round(self.held * 1000 / self.seeds)

    @property
    def expanded_permille(self) -> int:
        """Share held by the expanded uncertainty."""
        return round(self.expanded_held * 1000 / self.seeds)

    @property
    def well(self) -> bool:
        """Whether the interval holds what it says."""
        return AT_LEAST_PERMILLE <= self.permille <= AT_MOST_PERMILLE


def coverage(
    policy: CalibrationPolicy, model: str, seeds: Iterable[int], procedures: Iterable[Procedure] | None = None
) -> tuple[Covered, ...]:
    """Every procedure over every seed: those of :data:`PROCEDURES`, or others."""
    counts: dict[str, list[int]] = {}
    played = tuple(PROCEDURES if procedures is None else procedures)
    for seed in seeds:
        for procedure in played:
            for quantity, held, expanded_held in procedure(policy, model, Random(f"{procedure.__name__} {seed}")):
                count = counts.setdefault(quantity, [0, 0, 0])
                count[0] += 1
                count[1] += held
                count[2] += expanded_held
    return tuple(Covered(quantity, *count) for quantity, count in counts.items())


def depth_of_a_straight_pen(policy: CalibrationPolicy, model: str, random: Random) -> Iterator[tuple[str, bool, bool]]:
    """Gain, offset, hysteresis, noise and drift planted; asked for each, and for what one setting will be."""
    setup = _depth_setup(policy, model)
    pen, reference = untrue_depth(random), _reference(setup, random)
    readings = depth_readings(depth_plan(setup.method), pen, reference, random)
    found, hours = calibrate_depth(readings, setup), middle_h(readings)
    row = random.choice(found.rows)
    off_um = abs(pen.true_um(row.shown_um, row.direction, hours) - row.shown_um - row.error_um)
    yield ("error at a point", *_holds_in(off_um, row.budget))
    fit = found.fit
    off_ppm = abs(pen.gain * PPM - fit.gain_ppm)
    yield "gain of the line", off_ppm <= fit.gain_interval_95_ppm, off_ppm <= fit.gain_expanded_ppm
    off_um = abs(pen.true_um(0, None, hours) - fit.offset_um)
    yield ("offset of the line", *_holds(off_um, fit.offset_interval_95_nm, fit.offset_expanded_nm))
    if found.hysteresis is not None:
        off_um = abs(pen.hysteresis_um - found.hysteresis.mean_nm / 1000)
        yield ("hysteresis", *_holds(off_um, found.hysteresis.interval_95_nm, found.hysteresis.expanded_nm))
    if found.drift is not None:
        off_um = abs(pen.drift_um_per_h - found.drift.nm_per_h / 1000)
        yield (
            "drift within the series",
            *_holds(off_um, found.drift.interval_95_nm_per_h, found.drift.expanded_nm_per_h),
        )
    noise = found.repeatability
    held = noise.at_least_nm <= pen.noise_um * 1000 <= noise.at_most_nm
    yield "repeatability", held, held
    shown_um, direction = _some_setting(found.rows[0].shown_um, found.rows[-1].shown_um, random)
    true_um = pen.true_um(shown_um, direction, hours) + _another(reference, pen, random)
    left = found.left
    off_um = abs(true_um - left.gain_ppm / PPM * shown_um - left.offset_um)
    yield ("one setting, by what the pen holds", *_holds_in(off_um, left.budget))


def depth_of_a_bent_pen(policy: CalibrationPolicy, model: str, random: Random) -> Iterator[tuple[str, bool, bool]]:
    """A pen no line fits: adjusted by pieces, read again, and asked what one setting of it will be."""
    setup = _depth_setup(policy, model)
    pen, plan = untrue_depth(random, bent=True), depth_plan(_depth_setup(policy, model).method)
    reference = _reference(setup, random)
    readings = depth_readings(plan, pen, reference, random)
    as_found = calibrate_depth(readings, setup)
    row = random.choice(as_found.rows)
    off_um = abs(pen.true_um(row.shown_um, row.direction, middle_h(readings)) - row.shown_um - row.error_um)
    yield ("error at a point, bent", *_holds_in(off_um, row.budget))
    table = adjustment_for(as_found, None, IDENTITY)
    again = depth_readings(plan, pen, reference, random, table)
    as_left, hours = calibrate_depth(again, setup), middle_h(again)
    row = random.choice(as_left.rows)
    off_um = abs(pen.true_um(table.scale_at(row.shown_um), row.direction, hours) - row.shown_um - row.error_um)
    yield ("error at a point, as left", *_holds_in(off_um, row.budget))
    shown_um, direction = _some_setting(as_left.rows[0].shown_um, as_left.rows[-1].shown_um, random)
    true_um = pen.true_um(table.scale_at(shown_um), direction, hours) + _another(reference, pen, random)
    left = as_left.left
    off_um = abs(true_um - left.gain_ppm / PPM * shown_um - left.offset_um)
    yield ("one setting, as left", *_holds_in(off_um, left.budget))


def drift_since_the_last(policy: CalibrationPolicy, model: str, random: Random) -> Iterator[tuple[str, bool, bool]]:
    """The same pen a year later, by other references: asked how far it has drifted."""
    setup = _depth_setup(policy, model)
    pen, plan = untrue_depth(random), depth_plan(setup.method)
    first = depth_readings(plan, pen, _reference(setup, random), random)
    then = calibrate_depth(first, setup)
    drifted_um = random.uniform(-60, 60)
    later = depth_readings(plan, replace(pen, offset_um=pen.offset_um + drifted_um), _reference(setup, random), random)
    now = calibrate_depth(later, setup)
    drift = drift_since(now, left_then(then), 365, setup.rule.student_below_degrees)
    row = random.choice(drift.rows)
    truly_um = drifted_um + pen.drift_um_per_h * (middle_h(later) - middle_h(first))
    off_um = abs(truly_um - row.drift_um)
    yield ("drift since the last certificate", *_holds_in(off_um, row.budget))


def rate_and_droop(policy: CalibrationPolicy, model: str, random: Random) -> Iterator[tuple[str, bool, bool]]:
    """A gain of rate, a droop and noise planted; asked for each, and for one reading by the gain."""
    setup = rate_setup(policy, model, next(iter(policy.tachometers)), TODAY)
    pen, reference = untrue_rate(random), rate_reference(random, setup.tachometer, setup.load)
    readings = rate_readings(rate_plan(setup.method), pen, reference, random)
    loaded = rate_readings(load_plan(setup.method), pen, reference, random, loaded=True)
    found = calibrate_rate(readings, setup, loaded)
    error_ppm = (pen.gain - 1) * PPM
    row = random.choice(found.rows)
    yield ("error of rate at a point", *_holds_in(abs(error_ppm - row.error_ppm), row.budget))
    yield ("gain of rate", *_holds_in(abs(error_ppm + PPM - found.gain_ppm), found.gain_budget))
    shown_mhz = random.uniform(row.shown_mhz * 0.9, row.shown_mhz * 1.1)
    true_mhz = shown_mhz * pen.gain / (1 + random.gauss(0, pen.noise))
    off_ppm = abs(true_mhz / shown_mhz * PPM - found.gain_ppm)
    yield ("one reading of rate, by what the pen holds", *_holds_in(off_ppm, found.left_budget))
    if setup.load is not None:
        droop = random.choice(found.droops)
        off_ppm = abs(pen.droop_a_unm * setup.load.torque_unm * PPM - droop.droop_ppm)
        yield ("droop under the known load", *_holds_in(off_ppm, droop.budget))


def accuracy_test(policy: CalibrationPolicy, model: str, random: Random) -> Iterator[tuple[str, bool, bool]]:
    """Set against measured, of depth and rate."""
    gauge, cartridge = next(iter(policy.depth_gauges)), next(iter(policy.reference_cartridges))
    setup = accuracy_setup(policy, model, gauge, cartridge, next(iter(policy.tachometers)), ROOM, TODAY)
    pen, turning = untrue_depth(random), untrue_rate(random)
    depths = depth_readings(accuracy_depth_plan(setup.method), pen, _reference(setup, random), random)
    by = rate_reference(random, setup.tachometer, None)
    rates = rate_readings(accuracy_rate_plan(setup.method), turning, by, random)
    found = judge_accuracy(depths, rates, setup)
    depth = random.choice(found.depths)
    off_um = abs(pen.true_um(depth.set_um, "up", middle_h(depths)) - depth.measured_um)
    yield ("accuracy test: depth", *_holds_in(off_um, depth.budget))
    rate = random.choice(found.rates)
    off_ppm = abs((turning.delivered - 1) * PPM - rate.error_ppm)
    yield ("accuracy test: rate", *_holds_in(off_ppm, rate.budget))


PROCEDURES: tuple[Procedure, ...] = (
    depth_of_a_straight_pen,
    depth_of_a_bent_pen,
    drift_since_the_last,
    rate_and_droop,
    accuracy_test,
)
"""All that is played, in the order of the table."""


def _holds(off: float, interval_95_milli: int, expanded_milli: int) -> tuple[bool, bool]:
    return off * 1000 <= interval_95_milli, off * 1000 <= expanded_milli


def _holds_in(off: float, known: Budget) -> tuple[bool, bool]:
    return _holds(off, known.interval_95_milli, known.expanded_milli)


def _depth_setup(policy: CalibrationPolicy, model: str) -> DepthSetup:
    gauge, cartridge = next(iter(policy.depth_gauges)), next(iter(policy.reference_cartridges))
    return depth_setup(policy, model, gauge, cartridge, ROOM, TODAY)


def _reference(setup: DepthSetup | AccuracySetup, random: Random) -> DepthReference:
    return depth_reference(random, setup.cartridge, setup)


def _another(reference: DepthReference, pen: UntrueDepth, random: Random) -> float:
    """How far off one setting is after another beginning: of a treatment, with the cartridge put in for it."""
    return random.gauss(0, pen.noise_um) + random.gauss(0, reference.beginnings_um)


def _some_setting(shallowest_um: int, deepest_um: int, random: Random) -> tuple[int, Direction]:
    return random.randint(shallowest_um, deepest_um), random.choice(DIRECTIONS)
