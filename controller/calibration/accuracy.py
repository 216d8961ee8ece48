"""The accuracy test of 21 CFR 878.4430(b)(2)(i): needle depth and puncture rate, set against measured.

The regulation asks that both are tested and gives no numbers; points, repeats and tolerances are the policy's. A point
passes when its mean error, set against measured, is in tolerance by the decision rule, and no single measurement is
beyond the tolerance itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from controller.calibration.acceptance import Verdict, judged, outward, worst
from controller.calibration.depth_budget import reference_lines
from controller.calibration.rate_budget import tachometer_lines
from controller.calibration.readings import Reading, accuracy_depth_plan, accuracy_rate_plan, held_complete
from controller.calibration.scatter import Scatter, scatter
from controller.calibration.setup import AccuracySetup
from controller.calibration.uncertainty import Budget, Contribution, budget

PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class DepthAccuracy:
    """One depth. Errors are measured minus set, in µm; ``spread_nm`` is the standard deviation of the measurements."""

    set_um: int
    measured_um: int
    error_um: int
    worst_single_um: int
    readings: int
    spread_nm: int
    budget: Budget
    verdict: Verdict
    passed: bool


@dataclass(frozen=True, slots=True)
class RateAccuracy:
    """One rate. Errors are (measured - set) / set, in ppm, rounded away from 0."""

    set_mhz: int
    measured_mhz: int
    error_ppm: int
    worst_single_ppm: int
    readings: int
    spread_ppm: int
    budget: Budget
    verdict: Verdict
    passed: bool


@dataclass(frozen=True, slots=True)
class AccuracyJudgement:
    """The whole test; ``passed`` when every depth and every rate has."""

    depths: tuple[DepthAccuracy, ...]
    rates: tuple[RateAccuracy, ...]
    depth_verdict: Verdict
    rate_verdict: Verdict
    passed: bool


def judge_accuracy(depths: Sequence[Reading], rates: Sequence[Reading], setup: AccuracySetup) -> AccuracyJudgement:
    """The result of an accuracy test from its readings in µm and mHz. Pure. Raises ReadingRefused by line."""
    method = setup.method
    held_complete(depths, accuracy_depth_plan(method))
    held_complete(rates, accuracy_rate_plan(method))
    depth_errors = [(each.point, None, float(each.reference - method.depth_points_um[each.point])) for each in depths]
    rate_errors = [(each.point, None, _relative(each, method.rate_points_mhz[each.point])) for each in rates]
    of_depth = _depths(depth_errors, scatter(depth_errors), setup)
    of_rate = _rates(rate_errors, scatter(rate_errors), setup)
    return AccuracyJudgement(
        depths=of_depth,
        rates=of_rate,
        depth_verdict=worst(each.verdict for each in of_depth),
        rate_verdict=worst(each.verdict for each in of_rate),
        passed=all(each.passed for each in of_depth) and all(each.passed for each in of_rate),
    )


Error = tuple[int, float | None, float]


def _depths(errors: Sequence[Error], found: Scatter[int], setup: AccuracySetup) -> tuple[DepthAccuracy, ...]:
    method, results = setup.method, []
    for point, set_um in enumerate(method.depth_points_um):
        mean, single = found.means[point], max((error for at, _, error in errors if at == point), key=abs)
        lines = [
            _repeated(found, mean.readings),
            *reference_lines(set_um + mean.value, setup),
        ]
        known = budget(f"measured minus set at {set_um} µm", "um", lines, setup.rule.student_below_degrees)
        verdict = judged(outward(mean.value * 1000), known, method.depth_tolerance_um, setup.rule)
        results.append(
            DepthAccuracy(
                set_um=set_um,
                measured_um=round(set_um + mean.value),
                error_um=round(mean.value),
                worst_single_um=round(single),
                readings=mean.readings,
                spread_nm=round(mean.spread * 1000),
                budget=known,
                verdict=verdict,
                passed=verdict.in_tolerance and abs(single) <= method.depth_tolerance_um,
            )
        )
    return tuple(results)


def _rates(errors: Sequence[Error], found: Scatter[int], setup: AccuracySetup) -> tuple[RateAccuracy, ...]:
    method, results = setup.method, []
    for point, set_mhz in enumerate(method.rate_points_mhz):
        mean, single = found.means[point], max((error for at, _, error in errors if at == point), key=abs)
        measured_mhz = set_mhz * (1 + mean.value / PPM)
        lines = [_repeated(found, mean.readings), *tachometer_lines(measured_mhz, setup.tachometer)]
        known = budget(f"measured minus set at {set_mhz} mHz", "ppm", lines, setup.rule.student_below_degrees)
        error_ppm = outward(mean.value)
        verdict = judged(error_ppm * 1000, known, method.rate_tolerance_ppm, setup.rule)
        results.append(
            RateAccuracy(
                set_mhz=set_mhz,
                measured_mhz=round(measured_mhz),
                error_ppm=error_ppm,
                worst_single_ppm=outward(single),
                readings=mean.readings,
                spread_ppm=round(mean.spread),
                budget=known,
                verdict=verdict,
                passed=verdict.in_tolerance and abs(single) <= method.rate_tolerance_ppm,
            )
        )
    return tuple(results)


def _repeated(found: Scatter[int], readings: int) -> Contribution:
    return Contribution(
        "repeatability of the mean", "A", "student", found.repeatability, 1 / sqrt(readings), found.degrees
    )


def _relative(reading: Reading, set_mhz: int) -> float:
    return (reading.reference - set_mhz) / set_mhz * PPM
