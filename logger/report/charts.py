"""Depth and rate over time as the template draws them: coordinates as shares of a chart's width and height. Pure."""

from itertools import pairwise
from typing import Any, Final

from controller.units import MHZ_PER_HZ, UM_PER_MM
from logger.report.axes import time_ticks, value_ticks
from logger.report.curves import Curves, Span
from logger.report.wording import hz, mm, spoken, stopwatch

_LEAST_MS: Final = 10_000
"""A treatment of a moment is drawn as ten seconds: a line, not a block."""
_DIGITS: Final = 5


def charts(curves: Curves, numbers: dict[str, int]) -> list[dict[str, Any]]:
    """A chart of depth and one of rate; none when the motor never ran."""
    extent = curves.extent
    if extent is None:
        return []
    window = Span(extent.from_ms, max(extent.to_ms, extent.from_ms + _LEAST_MS))
    shared = {
        "ticks": [
            {"x": _x(window, at_ms), "words": stopwatch(at_ms)} for at_ms in time_ticks(window.from_ms, window.to_ms)
        ],
        "zones": [
            {**_across(window, span), "number": numbers.get(span.name), "words": spoken(span.name)}
            for span in _within(window, curves.zones)
        ],
        "pauses": [_across(window, span) for span in _within(window, _between(curves.runs))],
        "gaps": [_across(window, span) for span in _within(window, curves.gaps)],
    }
    return [
        _chart(curves, window, "depth", "Measured protrusion, mm", UM_PER_MM, mm) | shared,
        _chart(curves, window, "rate", "Puncture rate, Hz", MHZ_PER_HZ, hz) | shared,
    ]


def _chart(curves: Curves, window: Span, name: str, title: str, per_unit: int, words: Any) -> dict[str, Any]:
    unit = "um" if name == "depth" else "mhz"
    measured = curves.lines(f"{name}_measured_{unit}", lambda extent: (extent.least, extent.greatest, extent.mean))
    put = curves.lines(f"{name}_set_{unit}", lambda extent: (extent.last, extent.greatest))
    limits = [(step.at_ms, step.depth_um if name == "depth" else step.rate_mhz) for step in curves.limits]
    values = [max(point[1:]) for line in (*measured, *put) for point in line]
    in_force = _steps(window, limits)
    most = max([*values, *(limit for _, limit in in_force)], default=per_unit)
    ticks = value_ticks(most)
    top = ticks[-1]
    return {
        "title": title,
        "alt": _alt(name, window, measured, words),
        "values": [{"y": round(tick / top, _DIGITS), "words": _tick(tick, per_unit, ticks)} for tick in ticks],
        "bands": [_band(window, top, curves.width_ms, line) for line in measured],
        "means": [[[_x(window, at_ms), _y(top, mean)] for at_ms, _, _, mean in line] for line in measured],
        "sets": [_staircase(window, top, curves.width_ms, [(at_ms, last) for at_ms, last, _ in line]) for line in put],
        "limits": [[_x(window, at_ms), _y(top, limit)] for at_ms, limit in in_force],
        "measured": bool(measured),
    }


def _band(window: Span, top: int, width_ms: int, line: list[tuple[int, ...]]) -> list[list[float]]:
    """The area between least and greatest, once around; a single stretch keeps its width."""
    if len(line) == 1:
        at_ms, least, greatest, _ = line[0]
        left, right = _x(window, at_ms - width_ms // 2), _x(window, at_ms + width_ms // 2)
        return [[left, _y(top, greatest)], [right, _y(top, greatest)], [right, _y(top, least)], [left, _y(top, least)]]
    above = [[_x(window, at_ms), _y(top, greatest)] for at_ms, _, greatest, _ in line]
    below = [[_x(window, at_ms), _y(top, least)] for at_ms, least, _, _ in reversed(line)]
    return above + below


def _staircase(window: Span, top: int, width_ms: int, line: list[tuple[int, int]]) -> list[list[float]]:
    """A value that holds until it changes: corners only, so that an hour at one depth is two points."""
    points: list[list[float]] = []
    for index, (at_ms, value) in enumerate(line):
        left, right = _x(window, at_ms - width_ms // 2), _x(window, at_ms + width_ms // 2)
        if index and line[index - 1][1] == value:
            points[-1] = [right, points[-1][1]]
        else:
            points += [[left, _y(top, value)], [right, _y(top, value)]]
    return points


def _steps(window: Span, limits: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Limits in force within the window, as corners."""
    corners: list[tuple[int, int]] = []
    before = next((limit for at_ms, limit in reversed(limits) if at_ms <= window.from_ms), None)
    if before is not None:
        corners.append((window.from_ms, before))
    for at_ms, limit in limits:
        if not window.from_ms < at_ms <= window.to_ms or (corners and corners[-1][1] == limit):
            continue
        if corners:
            corners.append((at_ms, corners[-1][1]))
        corners.append((at_ms, limit))
    if corners:
        corners.append((window.to_ms, corners[-1][1]))
    return corners


def _between(runs: list[Span]) -> list[Span]:
    """The pauses between stretches with the motor on."""
    return [Span(run.to_ms, later.from_ms) for run, later in pairwise(runs)]


def _within(window: Span, spans: list[Span]) -> list[Span]:
    cut = [Span(max(span.from_ms, window.from_ms), min(span.to_ms, window.to_ms), span.name) for span in spans]
    return [span for span in cut if span.from_ms < span.to_ms]


def _across(window: Span, span: Span) -> dict[str, float]:
    return {"from": _x(window, span.from_ms), "to": _x(window, span.to_ms)}


def _x(window: Span, at_ms: int) -> float:
    share = (at_ms - window.from_ms) / (window.to_ms - window.from_ms)
    return round(min(max(share, 0.0), 1.0), _DIGITS)


def _y(top: int, value: int) -> float:
    return round(min(max(value / top, 0.0), 1.0), _DIGITS)


def _tick(tick: int, per_unit: int, ticks: list[int]) -> str:
    step = ticks[1] - ticks[0]
    digits = 0 if step % per_unit == 0 else 1 if step % (per_unit // 10) == 0 else 2
    return f"{tick / per_unit:.{digits}f}"


def _alt(name: str, window: Span, measured: list[list[tuple[int, ...]]], words: Any) -> str:
    when = f"from {stopwatch(window.from_ms)} to {stopwatch(window.to_ms)} after opening"
    if not measured:
        return f"{name.capitalize()} over time, {when}: this pen does not measure it."
    points = [point for line in measured for point in line]
    least, greatest = min(point[1] for point in points), max(point[2] for point in points)
    unit = "mm" if name == "depth" else "Hz"
    return f"{name.capitalize()} over time, {when}: measured between {words(least)} and {words(greatest)} {unit}."
