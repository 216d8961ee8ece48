"""A straight line through readings over time, and when it meets a limit, with both ends of an interval.

The line is least squares. When it meets a limit is Fieller's question: the days at which the limit lies inside the
line's confidence band are the interval (E. C. Fieller, J. R. Stat. Soc. B 16, 1954). Where the slope may as well be
none, that band never leaves the limit, and the interval has no latest day. What is assumed: the wear of a part goes on
as it went, and readings scatter about it independently. Both hold for months, not for years: hence the horizon.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean
from typing import Literal, NamedTuple

from controller.calibration.student import t_factor


class Reading(NamedTuple):
    """One value and its time, in days of whatever beginning."""

    day: float
    value: float


@dataclass(frozen=True, slots=True)
class Line:
    """value = ``mean_value`` + ``per_day`` · (day − ``mean_day``). ``scatter`` is the standard deviation about it."""

    readings: int
    mean_day: float
    mean_value: float
    per_day: float
    scatter: float
    spread: float
    """Sum of squared distances of the days from their mean."""

    def at(self, day: float) -> float:
        """The line's value."""
        return self.mean_value + self.per_day * (day - self.mean_day)

    def half_width(self, day: float, confidence: float) -> float:
        """How far the line itself may lie from :meth:`at`, both sides."""
        t = t_factor(confidence, self.readings - 2)
        return t * self.scatter * sqrt(1 / self.readings + (day - self.mean_day) ** 2 / self.spread)


@dataclass(frozen=True, slots=True)
class Forecast:
    """When a quantity leaves its limit, if it goes on as it went.

    *too_few*: nothing can be said yet. *left*: it is beyond its limit now. *leaving*: on ``day``, at the confidence
    between ``earliest`` and ``latest``, where None is *not within the horizon*. *steady*: not within the horizon,
    though it may be from ``earliest`` on. ``because`` says what it rests on, in words; ``until`` is the day as far as
    which it looks. ``told_by``: what alone says that a limit was left, the newest *reading* while the line is not there
    yet, or the *line*, while nothing beyond it was read; empty where both do.
    """

    state: Literal["too_few", "left", "leaving", "steady"]
    because: str
    day: float | None = None
    earliest: float | None = None
    latest: float | None = None
    confidence_percent: int = 90
    until: float | None = None
    told_by: Literal["", "reading", "line"] = ""


def line(readings: Sequence[Reading], resolution: float = 0.0) -> Line | None:
    """The least-squares line; None for fewer than three readings, or all of one moment.

    ``resolution`` is the step in which values come: a scatter is never taken for less than it gives by itself.
    """
    if len(readings) < 3:
        return None
    mean_day = fmean(reading.day for reading in readings)
    mean_value = fmean(reading.value for reading in readings)
    spread = sum((reading.day - mean_day) ** 2 for reading in readings)
    if spread <= 0:
        return None
    per_day = sum((day - mean_day) * (value - mean_value) for day, value in readings) / spread
    squares = sum((value - mean_value - per_day * (day - mean_day)) ** 2 for day, value in readings)
    scatter = max(sqrt(squares / (len(readings) - 2)), resolution / sqrt(12))
    return Line(len(readings), mean_day, mean_value, per_day, scatter, spread)


def meeting(found: Line, limit: float, confidence: float) -> tuple[float, float] | None:
    """First and last day at which the limit lies in the line's band; None where the band may never leave it.

    A slope that is not told from none at this confidence gives None.
    """
    reach = t_factor(confidence, found.readings - 2) * found.scatter
    gap = limit - found.mean_value
    # (gap − b·x)² = reach²·(1/n + x²/S) in x = day − mean_day
    a = found.per_day**2 - reach**2 / found.spread
    if a <= 0:
        return None
    b, c = -2 * gap * found.per_day, gap**2 - reach**2 / found.readings
    root = sqrt(max(0.0, b * b - 4 * a * c))
    return found.mean_day + (-b - root) / (2 * a), found.mean_day + (-b + root) / (2 * a)


def first_day_in_band(found: Line, limit: float, now: float, until: float, confidence: float) -> float | None:
    """The first day from ``now`` on at which the band reaches the limit, by whole days; None if not ``until`` then."""
    above = found.at(now) > limit
    day = now
    while day <= until:
        edge = found.half_width(day, confidence)
        if (found.at(day) - edge <= limit) if above else (found.at(day) + edge >= limit):
            return day
        day += 1
    return None
