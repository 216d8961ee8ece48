"""Depth calibration: from readings to errors with budgets, fit, hysteresis, drift, verdict, and what is left in a pen.

error = reference reading + corrections - shown. Corrections (gauge, cartridge, alignment, temperature) are taken as 0
with the uncertainty their certificates give them. Every point and direction is a result of its own.
"""

from collections.abc import Sequence
from math import sqrt

from controller.calibration.acceptance import judged, outward, worst
from controller.calibration.depth_budget import (
    drift_lines,
    hysteresis_lines,
    key_lines,
    left_lines,
    line_gain_lines,
    line_offset_lines,
    mean_lines,
)
from controller.calibration.depth_results import (
    DepthCalibration,
    DepthLeft,
    DepthMean,
    DepthRow,
    Hysteresis,
    Repeatability,
    SeriesDrift,
)
from controller.calibration.fit import At, Demand, DepthFit, Line, demanded, knots, straight
from controller.calibration.readings import Reading, depth_plan, held_complete
from controller.calibration.scatter import Scatter, scatter
from controller.calibration.setup import DepthSetup
from controller.calibration.student import chi_square
from controller.calibration.uncertainty import Budget, budget
from controller.service_events import Direction

HOUR_MS = 3_600_000
PPM = 1_000_000

Key = tuple[int, Direction]


def calibrate_depth(readings: Sequence[Reading], setup: DepthSetup) -> DepthCalibration:
    """The result of a series of depth readings in µm. Pure. Raises ReadingRefused by line where one is not sound."""
    held_complete(readings, depth_plan(setup.method))
    groups: dict[Key, list[Reading]] = {}
    for reading in readings:
        groups.setdefault((reading.point, reading.direction), []).append(reading)
    found = scatter(
        [
            (
                (each.point, each.direction),
                None if each.at_ms is None else each.at_ms / HOUR_MS,
                float(each.reference - each.shown),
            )
            for each in readings
        ]
    )
    rows = _rows(groups, found, setup)
    means, points = _means(groups, found, setup), _points(groups, found, setup)
    line = straight(points, found.repeatability)
    differences = _differences(found, setup)
    return DepthCalibration(
        rows=rows,
        means=means,
        fit=_fit(line, points, found, setup),
        hysteresis=_hysteresis(differences, found, setup) if differences else None,
        repeatability=_repeatability(found, setup),
        drift=_drift(found, setup),
        left=_left(line, points, _of_set(readings, setup), setup),
        verdict=worst(row.verdict for row in rows),
        largest_error_um=max((row.error_um for row in rows), key=abs),
    )


def _rows(groups: dict[Key, list[Reading]], found: Scatter[Key], setup: DepthSetup) -> tuple[DepthRow, ...]:
    method, rows = setup.method, []
    for point, set_um in enumerate(method.points_um):
        keys: list[Key] = [(point, direction) for direction in ("up", "down") if direction in method.directions]
        deepest_um = max(_mean([each.reference for each in groups[key]]) for key in keys)
        factor = max(found.means[key].factor for key in keys)
        about = f"error at {set_um} µm, approached from one direction"
        known = budget(about, "um", key_lines(deepest_um, factor, found, setup), setup.rule.student_below_degrees)
        for key in keys:
            mean = found.means[key]
            rows.append(
                DepthRow(
                    point=point,
                    direction=key[1],
                    set_um=set_um,
                    shown_um=round(_mean([each.shown for each in groups[key]])),
                    reference_um=round(_mean([each.reference for each in groups[key]])),
                    error_um=round(mean.value),
                    readings=len(groups[key]),
                    spread_nm=round(mean.spread * 1000),
                    budget=known,
                    verdict=judged(outward(mean.value * 1000), known, method.tolerance_um, setup.rule),
                )
            )
    return tuple(rows)


def _means(groups: dict[Key, list[Reading]], found: Scatter[Key], setup: DepthSetup) -> tuple[DepthMean, ...]:
    means = []
    for point, at in enumerate(_points(groups, found, setup)):
        lines = mean_lines(at.shown + at.error, point, found, setup)
        about = f"error at {setup.method.points_um[point]} µm, mean of the directions"
        known = budget(about, "um", lines, setup.rule.student_below_degrees)
        means.append(DepthMean(point, round(at.shown), round(at.error), known))
    return tuple(means)


def _points(groups: dict[Key, list[Reading]], found: Scatter[Key], setup: DepthSetup) -> list[At]:
    """The mean of both directions at each point."""
    points = []
    for point in range(len(setup.method.points_um)):
        keys: list[Key] = [(point, direction) for direction in setup.method.directions]
        points.append(
            At(
                shown=_mean([each.shown for key in keys for each in groups[key]]),
                error=_mean([found.means[key].value for key in keys]),
                readings=sum(found.means[key].readings for key in keys),
            )
        )
    return points


def _fit(line: Line, points: Sequence[At], found: Scatter[Key], setup: DepthSetup) -> DepthFit:
    method, student_below = setup.method, setup.rule.student_below_degrees
    demand = Demand(method.bend_significance_permille, method.bend_matters_um, "µm", "a line", "pieces")
    pieces, test = demanded(line, found.degrees, demand)
    gain = budget("gain of the line", "ppm", line_gain_lines(line, found, setup), student_below)
    offset = budget("offset of the line", "um", line_offset_lines(line, found, setup), student_below)
    return DepthFit(
        kind="pieces" if pieces else "line",
        gain_ppm=round((1 + line.slope) * PPM),
        offset_nm=round(line.offset * 1000),
        gain_expanded_ppm=gain.expanded,
        offset_expanded_nm=offset.expanded_milli,
        gain_interval_95_ppm=-(-gain.interval_95_milli // 1000),
        offset_interval_95_nm=offset.interval_95_milli,
        knots_nm=knots(points) if pieces else (),
        test=test,
    )


def _differences(found: Scatter[Key], setup: DepthSetup) -> list[float]:
    """Error from deeper less error from shallower, at each point in µm; empty where one direction was read."""
    if len(setup.method.directions) < 2:
        return []
    points = range(len(setup.method.points_um))
    return [found.means[point, "down"].value - found.means[point, "up"].value for point in points]


def _of_set(readings: Sequence[Reading], setup: DepthSetup) -> Scatter[Key]:
    """How true depth scatters about what was *set*: a limit holds what is set, and play that the pen's own sensor sees
    moves the needles all the same."""
    points_um = setup.method.points_um
    return scatter(
        [
            (
                (each.point, each.direction),
                None if each.at_ms is None else each.at_ms / HOUR_MS,
                float(each.reference - points_um[each.point]),
            )
            for each in readings
        ]
    )


def _hysteresis(differences: Sequence[float], found: Scatter[Key], setup: DepthSetup) -> Hysteresis:
    mean, largest = _mean(differences), max(differences, key=abs)
    lines = hysteresis_lines(found, setup)
    known = budget("mean difference between directions", "um", lines, setup.rule.student_below_degrees)
    return Hysteresis(
        mean_um=round(mean),
        largest_um=round(largest),
        mean_nm=round(mean * 1000),
        expanded_nm=known.expanded_milli,
        interval_95_nm=known.interval_95_milli,
        significant=abs(mean) * 1000 > known.interval_95_milli,
    )


def _repeatability(found: Scatter[Key], setup: DepthSetup) -> Repeatability:
    standard = found.repeatability
    widest, chance = found.widest()
    return Repeatability(
        standard_nm=round(standard * 1000),
        degrees=found.degrees,
        at_least_nm=round(standard * 1000 * sqrt(found.degrees / chi_square(0.975, found.degrees))),
        at_most_nm=round(standard * 1000 * sqrt(found.degrees / chi_square(0.025, found.degrees))),
        widest_point=widest[0],
        widest_direction=widest[1],
        chance_ppm=round(chance * PPM),
        even=chance >= setup.method.bend_significance_permille / 1000,
    )


def _drift(found: Scatter[Key], setup: DepthSetup) -> SeriesDrift | None:
    if found.slope is None:
        return None
    known = budget("drift per hour", "um", drift_lines(found, setup), setup.rule.student_below_degrees)
    return SeriesDrift(
        nm_per_h=round(found.slope * 1000),
        expanded_nm_per_h=known.expanded_milli,
        interval_95_nm_per_h=known.interval_95_milli,
        during_ms=round(found.hours * HOUR_MS),
        significant=abs(found.slope) * 1000 > known.interval_95_milli,
    )


def _left(line: Line, points: Sequence[At], of_set: Scatter[Key], setup: DepthSetup) -> DepthLeft:
    differences = _differences(of_set, setup)
    known: Budget = max(
        (
            budget(
                "true depth of one setting, by what the pen holds",
                "um",
                left_lines(line, end.shown, differences, of_set, setup),
                setup.rule.student_below_degrees,
            )
            for end in (points[0], points[-1])
        ),
        key=lambda each: each.expanded_milli,
    )
    return DepthLeft(
        gain_ppm=round((1 + line.slope) * PPM),
        offset_um=round(line.offset),
        expanded_um=known.expanded,
        budget=known,
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
