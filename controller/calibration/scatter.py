"""How repeated errors scatter: means of groups, pooled repeatability, and drift over the series. Internal, in floats.

A group is a point read from one direction. With times, one straight drift over the whole series is taken out by
analysis of covariance (one slope, a mean for each group), always and not only when it looks large: a test first would
make the stated uncertainty wrong. Means then stand for the middle of the series.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, sqrt
from typing import Generic, TypeVar

from controller.calibration.student import f_above

Group = TypeVar("Group", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Mean(Generic[Group]):
    """The mean error of a group, and the factor that makes its standard uncertainty of the pooled repeatability.

    ``off_h``: how much later than the middle of the series it was read, in hours; 0 without times.
    """

    group: Group
    value: float
    readings: int
    factor: float
    spread: float
    off_h: float


@dataclass(frozen=True, slots=True)
class Scatter(Generic[Group]):
    """``repeatability`` is the standard deviation of one reading. ``slope`` is per hour, None without times.

    ``slope_standard`` is its standard uncertainty, ``off_factor_h`` what that is of the repeatability; ``hours`` how
    long the series took.
    """

    means: Mapping[Group, Mean[Group]]
    repeatability: float
    degrees: int
    slope: float | None
    off_factor_h: float
    hours: float

    @property
    def slope_standard(self) -> float:
        """The standard uncertainty of the slope, of repeats alone."""
        return self.repeatability * self.off_factor_h

    def widest(self) -> tuple[Group, float]:
        """The group that scatters most, and Cochran's test: how likely one does so by chance, at most.

        Groups have the same number of readings. The bound is the usual one, by Fisher's F and the number of groups.
        """
        widest = max(self.means.values(), key=lambda mean: mean.spread)
        total = sum(mean.spread**2 for mean in self.means.values())
        share, groups, within = widest.spread**2 / total if total > 0.0 else 0.0, len(self.means), widest.readings - 1
        if groups < 2 or share == 0.0:
            return widest.group, 1.0
        ratio = share * (groups - 1) / (1.0 - share) if share < 1.0 else inf
        return widest.group, min(1.0, groups * f_above(ratio, within, (groups - 1) * within))


def scatter(items: Sequence[tuple[Group, float | None, float]]) -> Scatter[Group]:
    """Of (group, hours since the series began or None, error). Needs more readings than groups, plus one with times."""
    groups: dict[Group, list[tuple[float | None, float]]] = {}
    for group, hours, error in items:
        groups.setdefault(group, []).append((hours, error))
    times = [hours for _, hours, _ in items if hours is not None]
    timed = len(times) == len(items)
    middles = {group: _mean([hours or 0.0 for hours, _ in rows]) for group, rows in groups.items()}
    plain = {group: _mean([error for _, error in rows]) for group, rows in groups.items()}
    along = sum(((hours or 0.0) - middles[group]) ** 2 for group, hours, _ in items)
    degrees = len(items) - len(groups)
    slope: float | None = None
    if timed and along > 0.0 and degrees > 1:
        slope = sum(((hours or 0.0) - middles[group]) * (error - plain[group]) for group, hours, error in items) / along
        degrees -= 1
    left = sum(
        (error - plain[group] - (slope or 0.0) * ((hours or 0.0) - middles[group])) ** 2
        for group, hours, error in items
    )
    repeatability = sqrt(left / degrees)
    middle = _mean(times) if timed else 0.0
    means = {}
    for group, rows in groups.items():
        off = middles[group] - middle if timed else 0.0
        spread = sqrt(sum((error - plain[group]) ** 2 for _, error in rows) / (len(rows) - 1)) if len(rows) > 1 else 0.0
        factor = sqrt(1 / len(rows) + (off**2 / along if slope is not None else 0.0))
        means[group] = Mean(group, plain[group] - (slope or 0.0) * off, len(rows), factor, spread, off)
    return Scatter(
        means=means,
        repeatability=repeatability,
        degrees=degrees,
        slope=slope,
        off_factor_h=1 / sqrt(along) if slope is not None else 0.0,
        hours=max(times) - min(times) if timed else 0.0,
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
