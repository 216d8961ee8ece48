"""A straight line through errors, or monotone pieces where the residuals demand it. Pure.

The test is Fisher's for lack of fit: what the means of the points lie off the line, against what repeats scatter at
one point. Pieces are taken only if it is significant at the policy's level *and* the line misses a point by more than
the policy says matters: with many repeats a bend of a micrometre is significant and means nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt
from typing import Literal

from controller.calibration.student import f_above


@dataclass(frozen=True, slots=True)
class At:
    """The mean error at a point, both in the same unit, and how many readings it is of. Errors: true minus shown."""

    shown: float
    error: float
    readings: int


@dataclass(frozen=True, slots=True)
class ResidualTest:
    """The test by which line or pieces were chosen, as it is reported. ``ratio_milli``: Fisher's F in thousandths.

    ``probability_ppm``: how likely so large an F is for a true line. ``largest_residual``: in whole units of the fit.
    """

    ratio_milli: int
    degrees_between: int
    degrees_within: int
    probability_ppm: int
    largest_residual: int
    significance_permille: int
    matters: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Line:
    """error = ``offset`` + ``slope`` × shown, with the standard uncertainties of repeats alone, and what it leaves.

    ``middle`` is the mean of what was shown; ``offset_middle_standard`` the uncertainty of the line there. ``left`` is
    the standard deviation of what the line does not follow, beyond what repeats explain.
    """

    offset: float
    slope: float
    offset_standard: float
    slope_standard: float
    middle: float
    middle_standard: float
    left: float
    largest_residual: float
    ratio: float
    degrees_between: int

    def error(self, shown: float) -> float:
        """The error that the line says."""
        return self.offset + self.slope * shown

    def standard_at(self, shown: float) -> float:
        """The standard uncertainty of the line at one place, of repeats alone."""
        return sqrt(self.middle_standard**2 + (self.slope_standard * (shown - self.middle)) ** 2)


def straight(points: Sequence[At], repeatability: float) -> Line:
    """Least squares, each point weighted by its readings. Needs three points or more."""
    weight = sum(each.readings for each in points)
    middle = sum(each.readings * each.shown for each in points) / weight
    level = sum(each.readings * each.error for each in points) / weight
    along = sum(each.readings * (each.shown - middle) ** 2 for each in points)
    slope = sum(each.readings * (each.shown - middle) * (each.error - level) for each in points) / along
    offset = level - slope * middle
    residuals = [each.error - offset - slope * each.shown for each in points]
    between = len(points) - 2
    square = sum(each.readings * left**2 for each, left in zip(points, residuals, strict=True)) / between
    variance = repeatability**2
    return Line(
        offset=offset,
        slope=slope,
        offset_standard=repeatability * sqrt(1 / weight + middle**2 / along),
        slope_standard=repeatability / sqrt(along),
        middle=middle,
        middle_standard=repeatability / sqrt(weight),
        left=sqrt(max(0.0, square - variance) * len(points) / weight),
        largest_residual=max((abs(left) for left in residuals), default=0.0),
        ratio=_ratio(square, variance),
        degrees_between=between,
    )


def level(points: Sequence[At], repeatability: float) -> Line:
    """One error for all points, as a line without slope; each point weighted by its readings. Needs two points."""
    weight = sum(each.readings for each in points)
    middle = sum(each.readings * each.shown for each in points) / weight
    mean = sum(each.readings * each.error for each in points) / weight
    residuals = [each.error - mean for each in points]
    between = len(points) - 1
    square = sum(each.readings * left**2 for each, left in zip(points, residuals, strict=True)) / between
    variance = repeatability**2
    return Line(
        offset=mean,
        slope=0.0,
        offset_standard=repeatability / sqrt(weight),
        slope_standard=0.0,
        middle=middle,
        middle_standard=repeatability / sqrt(weight),
        left=sqrt(max(0.0, square - variance) * len(points) / weight),
        largest_residual=max(abs(left) for left in residuals),
        ratio=_ratio(square, variance),
        degrees_between=between,
    )


def _ratio(square: float, variance: float) -> float:
    """Fisher's F; without scatter every residual is beyond chance, and none is none."""
    if variance > 0.0:
        return square / variance
    return inf if square > 0.0 else 0.0


@dataclass(frozen=True, slots=True)
class Demand:
    """When residuals demand more than the simple fit, and what the two are called."""

    significance_permille: int
    matters: int
    unit: str
    simple: str
    otherwise: str


def demanded(line: Line, degrees: int, demand: Demand) -> tuple[bool, ResidualTest]:
    """Whether the simple fit has to be given up, and the test as it is reported. ``degrees``: of the repeatability."""
    probability = f_above(line.ratio, line.degrees_between, degrees)
    significant = probability < demand.significance_permille / 1000
    large = line.largest_residual > demand.matters
    largest = f"{round(line.largest_residual)} {demand.unit}"
    matters = f"{demand.matters} {demand.unit}"
    if significant and large:
        said = f"{demand.otherwise}: {demand.simple} misses a point by {largest}, more than {matters} and than chance."
    elif significant:
        said = f"{demand.simple}: it misses no point by more than {largest}; more than chance, but less than {matters}."
    elif large:
        said = f"{demand.simple}: it misses a point by {largest}, but readings scatter as far; no bend is shown."
    else:
        said = f"{demand.simple}: it misses no point by more than {largest}, and readings scatter as far."
    return significant and large, ResidualTest(
        ratio_milli=round(min(line.ratio, 1e6) * 1000),
        degrees_between=line.degrees_between,
        degrees_within=degrees,
        probability_ppm=round(probability * 1e6),
        largest_residual=round(line.largest_residual),
        significance_permille=demand.significance_permille,
        matters=demand.matters,
        sentence=said[:1].upper() + said[1:],
    )


def monotone(points: Sequence[At]) -> tuple[tuple[float, float], ...]:
    """(shown, true) of each point with true never falling: pools adjacent violators (least squares under order)."""
    pools: list[tuple[float, int, list[float]]] = []
    for each in sorted(points, key=lambda point: point.shown):
        level, weight, members = each.shown + each.error, each.readings, [each.shown]
        while pools and pools[-1][0] >= level:
            under, under_weight, under_members = pools.pop()
            level = (level * weight + under * under_weight) / (weight + under_weight)
            weight, members = weight + under_weight, under_members + members
        pools.append((level, weight, members))
    return tuple((shown, level) for level, _, members in pools for shown in members)


@dataclass(frozen=True, slots=True)
class DepthFit:
    """What was fitted to the errors of depth: true = gain × shown + offset, or straight between ``knots``.

    The line is always told, pieces or not; ``…_interval_95`` are half-widths that hold 95 %, references included.
    ``knots_nm`` are (shown, true) of the points, where pieces were chosen. Lengths are in nm, so that what is made of
    them is rounded to the pen's whole µm once.
    """

    kind: Literal["line", "pieces"]
    gain_ppm: int
    offset_nm: int
    gain_expanded_ppm: int
    offset_expanded_nm: int
    gain_interval_95_ppm: int
    offset_interval_95_nm: int
    knots_nm: tuple[tuple[int, int], ...]
    test: ResidualTest

    @property
    def offset_um(self) -> int:
        """The line's offset, to the nearest µm."""
        return round(self.offset_nm / 1000)

    def true_at(self, shown_um: float) -> float:
        """The true depth at a depth shown, in µm; beyond the outer points as between the outer two."""
        if self.kind == "line":
            return shown_um * self.gain_ppm / 1_000_000 + self.offset_nm / 1000
        return between(self.knots_nm, shown_um * 1000) / 1000


def knots(points: Sequence[At]) -> tuple[tuple[int, int], ...]:
    """(shown, true) of monotone pieces in nm, of points in µm; both strictly rising: a pen has to turn them."""
    rising: list[tuple[int, int]] = []
    for shown, level in monotone(points):
        x, y = round(shown * 1000), round(level * 1000)
        if rising:
            x, y = max(x, rising[-1][0] + 1), max(y, rising[-1][1] + 1)
        rising.append((x, y))
    return tuple(rising)


def between(knots: Sequence[tuple[float, float]], x: float) -> float:
    """Straight between knots (x rising), and beyond the outer ones as between the outer two."""
    upper = next((place for place in range(1, len(knots)) if x <= knots[place][0]), len(knots) - 1)
    (x0, y0), (x1, y1) = knots[upper - 1], knots[upper]
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
