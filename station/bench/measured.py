"""A calibration under way as it will stand in its certificate: its series, as far as they were read. Pure."""

from collections.abc import Sequence
from datetime import date

from controller.calibration.drift import DriftSinceLast, LeftThen, drift_since
from controller.calibration.series import CalibrationUnderWay, Setups, Stage, What, results
from logger.certificate import document as paper
from station.bench.certificate_parts import NM_PER_UM, Named
from station.bench.results import DepthMeasured, RateMeasured, depth_series, rate_series


def series_of(
    work: CalibrationUnderWay, setups: Setups, methods: tuple[str, str], last: paper.Body | None = None
) -> tuple[paper.Series, paper.Series]:
    """Depth and rate, as found and, where the pen was adjusted and read again, as left.

    ``methods`` are the ids of depth and rate in the policy, ``last`` the certificate by which the pen last was right.
    Raises ReadingRefused where as found is not complete.
    """
    stages: list[Stage] = ["as_found"]
    if work.adjusted and len(work.of("as_left", "load")) == setups.plan("load").readings:
        stages.append("as_left")
    depths = [_depth(work, setups, stage, last) for stage in stages]
    rates = [_rate(work, setups, stage) for stage in stages]
    depth_named, rate_named = (Named(method, work.policy_sha256) for method in methods)
    return (
        depth_series(depths[0], depths[1] if len(depths) > 1 else None, setups.depth, depth_named),
        rate_series(rates[0], rates[1] if len(rates) > 1 else None, setups.rate, rate_named),
    )


def _depth(work: CalibrationUnderWay, setups: Setups, stage: Stage, last: paper.Body | None) -> DepthMeasured:
    found = results(work, setups, stage).depth
    begun_at, ended_at = _span(work, stage, ("depth",))
    since = None
    if stage == "as_found" and last is not None:
        left, days = left_then(last), (date.fromisoformat(begun_at[:10]) - date.fromisoformat(last.ended_at[:10])).days
        if len(left) > 1 and days >= 0:
            since = drift_since(found, left, days, setups.depth.rule.student_below_degrees)
    readings = [each.reading() for each in work.of(stage, "depth")]
    return DepthMeasured(found, readings, begun_at, ended_at, since, _number(since, last))


def _number(since: DriftSinceLast | None, last: paper.Body | None) -> str:
    return "" if since is None or last is None else last.number


def _rate(work: CalibrationUnderWay, setups: Setups, stage: Stage) -> RateMeasured:
    begun_at, ended_at = _span(work, stage, ("rate", "load"))
    readings = [each.reading() for each in work.of(stage, "rate")]
    return RateMeasured(results(work, setups, stage).rate, readings, begun_at, ended_at)


def _span(work: CalibrationUnderWay, stage: Stage, whats: Sequence[What]) -> tuple[str, str]:
    moments = [each.at for what in whats for each in work.of(stage, what)]
    return min(moments), max(moments)


def left_then(body: paper.Body) -> tuple[LeftThen, ...]:
    """What a certificate says a pen's depth was left at: at each point the mean of its directions, known at least as
    well as the less known of them. Empty for a certificate without depth."""
    depth = body.of("depth_nm")
    points: dict[int, list[paper.PointResult]] = {}
    for point in () if depth is None else depth.last.points:
        points.setdefault(point.set, []).append(point)
    return tuple(
        LeftThen(
            shown_um=_mean_um([each.shown for each in at]),
            error_um=_mean_um([each.error for each in at]),
            expanded_nm=max(each.expanded for each in at),
        )
        for at in points.values()
    )


def _mean_um(values_nm: Sequence[int]) -> int:
    return round(sum(values_nm) / len(values_nm) / NM_PER_UM)
