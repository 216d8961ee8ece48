"""What a forecast looks like drawn: expected value and both ends of its interval over the days shown. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from controller.calibration.student import t_factor
from controller.health.drift import Drift
from controller.health.trend import Forecast, Reading, line

_STEPS = 60
_LEAST_AHEAD_DAYS = 60
_WORTH_SHOWING = 1.6
"""How far behind the expected day a picture goes, as a share of the way there: its latest day may be years off."""


class Expected(NamedTuple):
    """What is expected on a day, and between what it lies at the confidence."""

    day: float
    value: float
    low: float
    high: float


def of_line(readings: Sequence[Reading], coming: Forecast, *, today: float, resolution: float) -> tuple[Expected, ...]:
    """The line through readings with its band, from the first on; nothing where no forecast is made."""
    found = line(readings, resolution)
    if found is None or coming.state == "too_few":
        return ()
    confidence = coming.confidence_percent / 100
    days = _days(readings[0].day, today, coming, readings[-1].day - readings[0].day)
    return tuple(
        Expected(day, found.at(day), found.at(day) - edge, found.at(day) + edge)
        for day in days
        for edge in [found.half_width(day, confidence)]
    )


def of_drift(found: Drift | None, coming: Forecast, *, today: float) -> tuple[Expected, ...]:
    """The expected error with its band since the newest calibration."""
    if found is None:
        return ()
    factor = t_factor(coming.confidence_percent / 100, found.freedom)
    days = _days(found.day, today, coming, found.days / found.stretches)
    return tuple(
        Expected(day, found.error(day), found.error(day) - edge, found.error(day) + edge)
        for day in days
        for edge in [factor * found.deviation(day)]
    )


def _days(first: float, today: float, coming: Forecast, known: float) -> list[float]:
    ahead = max(_LEAST_AHEAD_DAYS, known / 2)
    if coming.day is not None:
        ahead = max(ahead, (coming.day - today) * _WORTH_SHOWING)
    last = max(first, today) + ahead
    return [first + (last - first) * step / _STEPS for step in range(_STEPS + 1)]
