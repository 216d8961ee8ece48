"""What an accuracy test (21 CFR 878.4430) looks like in its report: set against measured, depth and rate. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from controller.calibration.acceptance import Verdict
from controller.calibration.accuracy import AccuracyJudgement, DepthAccuracy, RateAccuracy
from controller.calibration.readings import Reading as Taken
from controller.calibration.setup import AccuracySetup
from logger.certificate import document as paper
from station.bench.certificate_parts import NM_PER_UM, Named, budget_of, point_result, taken


@dataclass(frozen=True, slots=True)
class AccuracyMeasured:
    """An accuracy test: what was read of depth and of rate, what came of it, and when (moments, UTC)."""

    result: AccuracyJudgement
    depths: Sequence[Taken]
    rates: Sequence[Taken]
    begun_at: str
    ended_at: str


def accuracy_series(measured: AccuracyMeasured, setup: AccuracySetup, named: Named) -> tuple[paper.Series, ...]:
    """Depth and rate in the report."""
    depths = tuple(
        point_result(
            set_to=each.set_um,
            readings=taken(measured.depths, place, "up", NM_PER_UM),
            shown=each.set_um,
            reference=each.measured_um,
            spread=each.spread_nm,
            budget=each.budget,
            verdict=each.verdict,
            worst_single=each.worst_single_um,
        )
        for place, each in enumerate(measured.result.depths)
    )
    rates = tuple(
        point_result(
            set_to=each.set_mhz,
            readings=taken(measured.rates, place, "up", 1),
            shown=each.set_mhz,
            reference=each.measured_mhz,
            spread=each.spread_ppm,
            budget=each.budget,
            verdict=each.verdict,
            worst_single=each.worst_single_ppm,
        )
        for place, each in enumerate(measured.result.rates)
    )
    of_depth, of_rate = measured.result.depth_verdict, measured.result.rate_verdict
    method = setup.method
    return (
        paper.Series(
            quantity="depth_nm",
            method=_method(setup, named, rate_mhz=method.rate_mhz),
            stages=(_stage(measured, depths, measured.result.depths, of_depth),),
            adjusted=False,
        ),
        paper.Series(
            quantity="rate_mhz",
            method=_method(setup, named, depth_um=method.depth_um),
            stages=(_stage(measured, rates, measured.result.rates, of_rate),),
            adjusted=False,
        ),
    )


def _method(
    setup: AccuracySetup, named: Named, *, depth_um: int | None = None, rate_mhz: int | None = None
) -> paper.Method:
    return paper.Method(
        id=named.method,
        name=setup.method.name,
        source=setup.method.source,
        policy_sha256=named.policy_sha256,
        directions=("up",),
        repeats=setup.method.repeats,
        settle_ms=setup.method.settle_ms,
        depth_um=depth_um,
        rate_mhz=rate_mhz,
    )


def _stage(
    measured: AccuracyMeasured,
    points: tuple[paper.PointResult, ...],
    results: Sequence[DepthAccuracy | RateAccuracy],
    verdict: Verdict,
) -> paper.Stage:
    known_least = max(results, key=lambda each: each.budget.standard_milli)
    at = (
        f"{known_least.set_um / 1000:g} mm"
        if isinstance(known_least, DepthAccuracy)
        else f"{known_least.set_mhz / 1000:g} Hz"
    )
    return paper.Stage(
        stage="as_found",
        begun_at=measured.begun_at,
        ended_at=measured.ended_at,
        points=points,
        fit=None,
        statement=None,
        hysteresis=None,
        repeatability=paper.Repeatability(
            standard=round(sqrt(sum(point.spread**2 for point in points) / len(points))),
            degrees=sum(len(point.readings) - 1 for point in points),
        ),
        drift=None,
        budget=budget_of(known_least.budget, f"measured minus set at {at}"),
        verdict=verdict.outcome,
        in_tolerance=all(each.passed for each in results),
    )
