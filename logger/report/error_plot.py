"""Errors against what was shown, with their uncertainties and the tolerance, as shares of a drawing's width and height.

Two stages of one series are drawn to the same scale, so that as found and as left can be held side by side. Pure.
"""

from typing import Any, Final

from logger.certificate.document import PointResult, Series, Stage
from logger.report.axes import value_ticks
from logger.report.quantities import Scale, scale_of

_DIGITS: Final = 5
_ROOM_PERCENT: Final = 108
"""The farthest bar ends a little inside the frame."""
_BEYOND_PERCENT: Final = 107
"""The axis goes on a little behind the last point."""
_APART: Final = 0.009
"""Both directions of one point stand beside each other by so much of the width."""


def error_plots(series: Series, titles: dict[str, str], against: str) -> list[dict[str, Any]]:
    """A drawing for each stage; ``titles`` by stage, ``against`` what the errors are told against."""
    scale = scale_of(series.quantity)
    points = [point for stage in series.stages for point in stage.points]
    reach = max(max(abs(point.error) + point.expanded, point.tolerance) for point in points)
    top = value_ticks(reach * _ROOM_PERCENT // 100, about=3)
    deepest = max(point.shown for point in points)
    wide = deepest * _BEYOND_PERCENT // 100
    along = [tick for tick in value_ticks(deepest, about=4) if tick <= wide]
    plots = [_plot(stage, scale, titles[stage.stage], top, along, wide) for stage in series.stages]
    return [{**plot, "x_words": f"{scale.name} {against}, {scale.unit}"} for plot in plots]


def _plot(stage: Stage, scale: Scale, title: str, top: list[int], along: list[int], wide: int) -> dict[str, Any]:
    high = top[-1]

    def y(value: float) -> float:
        return round(min(max((value / high + 1) / 2, 0.0), 1.0), _DIGITS)

    def x(value: float) -> float:
        return round(value / wide, _DIGITS)

    both = {point.direction for point in stage.points} == {"up", "down"}
    limits = sorted({(point.shown, point.tolerance, point.acceptance) for point in stage.points})
    return {
        "title": title,
        "alt": _alt(stage, scale, title),
        "y_words": f"Error, {scale.error_unit}",
        "x_ticks": [{"x": x(tick), "words": scale.tick(tick)} for tick in along],
        "y_ticks": [
            {"y": y(sign * tick), "words": scale.error(sign * tick, 0)} for tick in top for sign in _signs(tick)
        ],
        "zero": y(0),
        "band": _band([(x(0), y(limits[0][1]), y(-limits[0][1]))], limits, x, y, 1),
        "accepted": _band([(x(0), y(limits[0][2]), y(-limits[0][2]))], limits, x, y, 2),
        "points": [
            {
                "x": x(point.shown) + (0 if not both else _APART if point.direction == "down" else -_APART),
                "y": y(point.error),
                "high": y(point.error + point.expanded),
                "low": y(point.error - point.expanded),
                "up": point.direction == "up",
                "passed": point.verdict == "passed",
                "beyond": abs(point.error) > high,
            }
            for point in stage.points
        ],
        "fit": [[x(shown), y(error)] for shown, error in _fitted(stage, scale)],
        "both": both,
    }


def _signs(tick: int) -> tuple[int, ...]:
    return (1, -1) if tick else (1,)


def _band(begin: list[tuple[float, float, float]], limits: list[Any], x: Any, y: Any, which: int) -> list[list[float]]:
    """The area within the limits, once around, from the left edge to the right one; empty where nothing can pass."""
    if any(limit[which] < 0 for limit in limits):
        return []
    edges = [*begin, *((x(limit[0]), y(limit[which]), y(-limit[which])) for limit in limits)]
    edges.append((1.0, y(limits[-1][which]), y(-limits[-1][which])))
    return [[at, high] for at, high, _ in edges] + [[at, low] for at, _, low in reversed(edges)]


def _fitted(stage: Stage, scale: Scale) -> list[tuple[int, int]]:
    """The fit as errors, over the range that was measured."""
    fit = stage.fit
    if fit is None:
        return []
    if fit.shape == "pieces":
        return [(shown, true - shown) for shown, true in fit.knots]
    ends = (min(point.shown for point in stage.points), max(point.shown for point in stage.points))
    if scale.error_unit == "%":  # a gain alone
        return [(shown, fit.gain_ppm - 1_000_000) for shown in ends]
    return [(shown, round(shown * (fit.gain_ppm - 1_000_000) / 1_000_000) + fit.offset) for shown in ends]


def _alt(stage: Stage, scale: Scale, title: str) -> str:
    def told(point: PointResult) -> str:
        return (
            f"at {scale.value(point.shown)} {scale.unit} {point.direction}: "
            f"{scale.stated(point.error, point.expanded)} ± {scale.uncertainty(point.expanded)} {scale.error_unit}"
        )

    points = "; ".join(told(point) for point in stage.points)
    return f"{title}: errors with their expanded uncertainties. {points}."
