"""Rate calibration: what the pen's own sensor shows against a tachometer, what is delivered of what is set, and droop.

Errors are relative, in ppm of what is shown: a sensor of strokes is wrong by a factor. Droop is in
:mod:`controller.calibration.droop`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from controller.calibration.acceptance import Verdict, judged, outward, worst
from controller.calibration.droop import Droop, droops_of
from controller.calibration.fit import At, Demand, ResidualTest, demanded, level
from controller.calibration.rate_budget import gain_lines, left_lines, row_lines
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
    """One rate from one direction: means in mHz. ``error_ppm``: (true - shown) / shown, which is judged,
    rounded away from 0.

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

    Pure. Raises ReadingRefused by line where a reading is not sound, or nothing shows that the load was on; lines of
    ``loaded`` count from 1 again.
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
        droops=droops_of(readings, loaded, setup),
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
            error_ppm = outward(mean.value)
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
                    verdict=judged(error_ppm * 1000, known, method.tolerance_ppm, setup.rule),
                )
            )
    return tuple(rows)


def _relative(reading: Reading) -> float:
    return (reading.reference - reading.shown) / reading.shown * PPM


def _hours(reading: Reading) -> float | None:
    return None if reading.at_ms is None else reading.at_ms / HOUR_MS


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
