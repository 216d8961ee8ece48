"""What the calibration's numbers look like in a certificate: the same values, in the document's own closed form. Pure.

Lengths become nanometres, since an uncertainty has parts of a micrometre; relative errors of rate stay ppm.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from controller.calibration.depth_results import DepthCalibration
from controller.calibration.drift import DriftSinceLast
from controller.calibration.rate import RateCalibration
from controller.calibration.readings import Reading as Taken
from controller.calibration.setup import DepthSetup, RateSetup
from logger.certificate import document as paper
from station.bench.certificate_parts import NM_PER_UM, Named, budget_of, point_result, taken


@dataclass(frozen=True, slots=True)
class DepthMeasured:
    """A series of depth: its readings, what came of them, when (moments, UTC), and what changed since the last one."""

    result: DepthCalibration
    readings: Sequence[Taken]
    begun_at: str
    ended_at: str
    since_last: DriftSinceLast | None = None
    last_certificate: str = ""


@dataclass(frozen=True, slots=True)
class RateMeasured:
    """A series of rate, as :class:`DepthMeasured`."""

    result: RateCalibration
    readings: Sequence[Taken]
    begun_at: str
    ended_at: str


def depth_series(
    as_found: DepthMeasured, as_left: DepthMeasured | None, setup: DepthSetup, named: Named
) -> paper.Series:
    """Depth in a certificate; ``as_left`` None where nothing was adjusted."""
    method = setup.method
    stages = [_depth_stage("as_found", as_found)]
    if as_left is not None:
        stages.append(_depth_stage("as_left", as_left))
    return paper.Series(
        quantity="depth_nm",
        method=paper.Method(
            id=named.method,
            name=method.name,
            source=method.source,
            policy_sha256=named.policy_sha256,
            directions=method.directions,
            repeats=method.repeats,
            settle_ms=method.settle_ms,
            rate_mhz=method.rate_mhz,
        ),
        stages=tuple(stages),
        adjusted=as_left is not None,
    )


def rate_series(as_found: RateMeasured, as_left: RateMeasured | None, setup: RateSetup, named: Named) -> paper.Series:
    """Rate in a certificate, and the droop as it was measured last."""
    method = setup.method
    stages = [_rate_stage("as_found", as_found)]
    if as_left is not None:
        stages.append(_rate_stage("as_left", as_left))
    last = as_left or as_found
    return paper.Series(
        quantity="rate_mhz",
        method=paper.Method(
            id=named.method,
            name=method.name,
            source=method.source,
            policy_sha256=named.policy_sha256,
            directions=method.directions,
            repeats=method.repeats,
            settle_ms=method.settle_ms,
            depth_um=method.depth_um,
        ),
        stages=tuple(stages),
        adjusted=as_left is not None,
        droop=tuple(
            paper.Droop(
                load=f"{droop.load}, {droop.torque_unm / 1000:g} mN·m",
                set_mhz=droop.set_mhz,
                free_mhz=droop.free_mhz,
                loaded_mhz=droop.loaded_mhz,
                droop_ppm=droop.droop_ppm,
                expanded_ppm=droop.budget.expanded,
                limit_ppm=droop.verdict.tolerance,
                verdict=droop.verdict.outcome,
            )
            for droop in last.result.droops
        ),
    )


def _depth_stage(stage: paper.StageName, measured: DepthMeasured) -> paper.Stage:
    found = measured.result
    points = tuple(
        point_result(
            set_to=row.set_um,
            readings=taken(measured.readings, row.point, row.direction, NM_PER_UM),
            shown=row.shown_um,
            reference=row.reference_um,
            spread=row.spread_nm,
            budget=row.budget,
            verdict=row.verdict,
        )
        for row in found.rows
    )
    known_least = max(found.rows, key=lambda each: each.budget.standard_milli)
    fit, left, back, drift = found.fit, found.left, found.hysteresis, found.drift
    return paper.Stage(
        stage=stage,
        begun_at=measured.begun_at,
        ended_at=measured.ended_at,
        points=points,
        fit=paper.Fit(
            shape=fit.kind,
            gain_ppm=fit.gain_ppm,
            gain_expanded_ppm=fit.gain_expanded_ppm,
            offset=fit.offset_nm,
            offset_expanded=fit.offset_expanded_nm,
            knots=fit.knots_nm,
            sentence=fit.test.sentence,
        ),
        statement=paper.Statement(
            gain_ppm=left.gain_ppm,
            offset=left.offset_um * NM_PER_UM,
            expanded=left.expanded_um * NM_PER_UM,
            interval_95=left.budget.interval_95_milli,
            budget=budget_of(left.budget),
        ),
        hysteresis=None
        if back is None
        else paper.Hysteresis(
            mean=back.mean_nm,
            expanded=back.expanded_nm,
            largest=back.largest_um * NM_PER_UM,
            significant=back.significant,
        ),
        repeatability=paper.Repeatability(
            standard=found.repeatability.standard_nm,
            degrees=found.repeatability.degrees,
            at_least=found.repeatability.at_least_nm,
            at_most=found.repeatability.at_most_nm,
        ),
        drift=None
        if drift is None
        else paper.Drift(
            per_hour=drift.nm_per_h,
            expanded_per_hour=drift.expanded_nm_per_h,
            during_ms=drift.during_ms,
            significant=drift.significant,
        ),
        since_last=_since(measured),
        budget=budget_of(
            known_least.budget, f"error at {known_least.set_um / 1000:g} mm, approached from one direction"
        ),
        verdict=found.verdict.outcome,
        in_tolerance=found.in_tolerance,
    )


def _since(measured: DepthMeasured) -> paper.SinceLast | None:
    last = measured.since_last
    if last is None:
        return None
    return paper.SinceLast(
        certificate=measured.last_certificate,
        days=last.days,
        largest=last.largest_um * NM_PER_UM,
        per_year=None if last.um_per_year is None else last.um_per_year * NM_PER_UM,
        significant=last.significant,
    )


def _rate_stage(stage: paper.StageName, measured: RateMeasured) -> paper.Stage:
    found = measured.result
    points = tuple(
        point_result(
            set_to=row.set_mhz,
            readings=taken(measured.readings, row.point, row.direction, 1),
            shown=row.shown_mhz,
            reference=row.reference_mhz,
            spread=row.spread_ppm,
            budget=row.budget,
            verdict=row.verdict,
        )
        for row in found.rows
    )
    known_least = max(found.rows, key=lambda each: each.budget.standard_milli)
    return paper.Stage(
        stage=stage,
        begun_at=measured.begun_at,
        ended_at=measured.ended_at,
        points=points,
        fit=paper.Fit(
            shape="line",
            gain_ppm=found.gain_ppm,
            gain_expanded_ppm=found.gain_budget.expanded,
            offset=0,
            offset_expanded=0,
            sentence=found.test.sentence,
        ),
        statement=paper.Statement(
            gain_ppm=found.gain_ppm,
            offset=0,
            expanded=found.left_budget.expanded,
            interval_95=-(-found.left_budget.interval_95_milli // 1000),
            budget=budget_of(found.left_budget),
        ),
        hysteresis=None,
        repeatability=paper.Repeatability(standard=found.repeatability_ppm, degrees=found.repeatability_degrees),
        drift=None,
        budget=budget_of(
            known_least.budget, f"relative error at {known_least.set_mhz / 1000:g} Hz, approached from one direction"
        ),
        verdict=found.verdict.outcome,
        in_tolerance=found.in_tolerance,
    )
