"""Rate calibration: what the pen's own sensor shows against a tachometer, what is delivered of what is set, and droop.

Errors are relative, in ppm of what is shown: a sensor of strokes is wrong by a factor. Droop is told as a fraction of
the rate without load, read by the same tachometer, whose own error cancels in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from controller.calibration.acceptance import Verdict, judged, worst
from controller.calibration.fit import At, Demand, ResidualTest, demanded, level
from controller.calibration.rate_budget import droop_lines, gain_lines, left_lines, row_lines
from controller.calibration.readings import Reading, held_complete, load_plan, rate_plan
from controller.calibration.scatter import Scatter, scatter
from controller.calibration.setup import RateSetup
from controller.calibration.uncertainty import Budget, budget
from controller.service_events import Direction

PPM = 1_000_000
HOUR_MS = 3_600_000

Key = tuple[int, Direction]
BOTH: tuple[Direction, ...] = ("up", "down")


@dataclass(frozen=True, slots=True)
class RateRow:
    """One rate from one direction: means in mHz. ``error_ppm``: (true - shown) / shown, which is judged.

    ``delivered_ppm``: (true - set) / set, how far what is delivered is from what is set.
    """

    point: int
    direction: Direction
    set_mhz: int
    shown_mhz: int
    reference_mhz: int
    error_ppm: int
    delivered_ppm: int
    readings: int
    spread_ppm: int
    budget: Budget
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Droop:
    """How much slower the pen turns under the known load, in ppm of its rate without; ``load`` names it."""

    point: int
    set_mhz: int
    free_mhz: int
    loaded_mhz: int
    droop_ppm: int
    load: str
    torque_unm: int
    budget: Budget
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class RateCalibration:
    """The whole result. ``gain_ppm``: true rate / shown, one for all rates; its budget holds for any single reading.

    ``test`` is Fisher's test of whether one gain does for all rates; a pen holds one gain, so where it does not, what
    is left over is in the uncertainty.
    """

    rows: tuple[RateRow, ...]
    gain_ppm: int
    gain_budget: Budget
    left_budget: Budget
    test: ResidualTest
    repeatability_ppm: int
    repeatability_degrees: int
    droops: tuple[Droop, ...]
    verdict: Verdict
    largest_error_ppm: int

    @property
    def in_tolerance(self) -> bool:
        """Whether rate, and droop where it was read, are in order by the decision rule."""
        return self.verdict.in_tolerance and all(droop.verdict.in_tolerance for droop in self.droops)


def calibrate_rate(readings: Sequence[Reading], setup: RateSetup, loaded: Sequence[Reading] = ()) -> RateCalibration:
    """The result of a series of rate readings in mHz, and of one under load where the method has a load.

    Pure. Raises ReadingRefused by line where a reading is not sound; lines of ``loaded`` count from 1 again.
    """
    method, student_below = setup.method, setup.rule.student_below_degrees
    held_complete(readings, rate_plan(method))
    held_complete(loaded, load_plan(method))
    groups: dict[Key, list[Reading]] = {}
    for reading in readings:
        groups.setdefault((reading.point, reading.direction), []).append(reading)
    found = scatter([((each.point, each.direction), _hours(each), _relative(each)) for each in readings])
    rows = _rows(groups, found, setup)
    points = [
        At(
            shown=float(set_mhz),
            error=_mean([found.means[point, direction].value for direction in method.directions]),
            readings=sum(found.means[point, direction].readings for direction in method.directions),
        )
        for point, set_mhz in enumerate(method.points_mhz)
    ]
    line = level(points, found.repeatability)
    demand = Demand(method.bend_significance_permille, method.bend_matters_ppm, "ppm", "one gain", "each rate apart")
    return RateCalibration(
        rows=rows,
        gain_ppm=PPM + round(line.offset),
        gain_budget=budget("gain, one for all rates", "ppm", gain_lines(line, found, setup), student_below),
        left_budget=budget(
            "true rate of one reading, by one gain", "ppm", left_lines(line, found, setup), student_below
        ),
        test=demanded(line, found.degrees, demand)[1],
        repeatability_ppm=round(found.repeatability),
        repeatability_degrees=found.degrees,
        droops=_droops(groups, loaded, setup) if loaded else (),
        verdict=worst(row.verdict for row in rows),
        largest_error_ppm=max((row.error_ppm for row in rows), key=abs),
    )


def _rows(groups: dict[Key, list[Reading]], found: Scatter[Key], setup: RateSetup) -> tuple[RateRow, ...]:
    method, rows = setup.method, []
    for point, set_mhz in enumerate(method.points_mhz):
        for direction in (each for each in BOTH if each in method.directions):
            mean, taken = found.means[point, direction], groups[point, direction]
            reference = _mean([each.reference for each in taken])
            about = f"relative error at {set_mhz} mHz, approached from one direction"
            lines = row_lines(reference, mean.factor, found, setup)
            known = budget(about, "ppm", lines, setup.rule.student_below_degrees)
            error_ppm = round(mean.value)
            rows.append(
                RateRow(
                    point=point,
                    direction=direction,
                    set_mhz=set_mhz,
                    shown_mhz=round(_mean([each.shown for each in taken])),
                    reference_mhz=round(reference),
                    error_ppm=error_ppm,
                    delivered_ppm=round((reference - set_mhz) / set_mhz * PPM),
                    readings=len(taken),
                    spread_ppm=round(mean.spread),
                    budget=known,
                    verdict=judged(error_ppm, known, method.tolerance_ppm, setup.rule),
                )
            )
    return tuple(rows)


def _droops(groups: dict[Key, list[Reading]], loaded: Sequence[Reading], setup: RateSetup) -> tuple[Droop, ...]:
    method, load = setup.method, setup.load
    if load is None or method.load is None or method.droop_max_ppm is None:
        return ()
    under_load = scatter([(each.point, None, _of_set(each, method.load_points_mhz)) for each in loaded])
    no_load = scatter(
        [(key, None, _of_set(each, method.points_mhz)) for key, taken in groups.items() for each in taken]
    )
    droops = []
    for place, set_mhz in enumerate(method.load_points_mhz):
        point = method.points_mhz.index(set_mhz)
        without = [each.reference for direction in method.directions for each in groups[point, direction]]
        under = [each.reference for each in loaded if each.point == place]
        free_mhz, loaded_mhz = _mean(without), _mean(under)
        part = loaded_mhz / free_mhz
        droop_ppm = (1 - part) * PPM
        lines = droop_lines(
            free_mhz, loaded_mhz,
            (under_load.repeatability * set_mhz / free_mhz / sqrt(len(under)), under_load.degrees),
            (no_load.repeatability * set_mhz / free_mhz * part / sqrt(len(without)), no_load.degrees),
            setup.tachometer, load,
        )  # fmt: skip
        known = budget(f"droop at {set_mhz} mHz under {load.name}", "ppm", lines, setup.rule.student_below_degrees)
        droops.append(
            Droop(
                point=point,
                set_mhz=set_mhz,
                free_mhz=round(free_mhz),
                loaded_mhz=round(loaded_mhz),
                droop_ppm=round(droop_ppm),
                load=load.name,
                torque_unm=load.torque_unm,
                budget=known,
                verdict=judged(round(droop_ppm), known, method.droop_max_ppm, setup.rule),
            )
        )
    return tuple(droops)


def _of_set(reading: Reading, points_mhz: Sequence[int]) -> float:
    """What is delivered, in ppm of what was set."""
    return reading.reference / points_mhz[reading.point] * PPM


def _relative(reading: Reading) -> float:
    return (reading.reference - reading.shown) / reading.shown * PPM


def _hours(reading: Reading) -> float | None:
    return None if reading.at_ms is None else reading.at_ms / HOUR_MS


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
