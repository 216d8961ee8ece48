"""When a quantity that wears leaves its limit: the line of :mod:`controller.health.trend`, judged by the policy."""

import itertools
from collections.abc import Sequence
from statistics import fmean
from typing import Literal

from controller.health.policy import ForecastPolicy
from controller.health.trend import Forecast, Reading, first_day_in_band, line, meeting

Side = Literal["at_least", "at_most"]
"""Whether a limit is a floor or a ceiling."""


def forecast(
    readings: Sequence[Reading], limit: float, side: Side, *, now: float, policy: ForecastPolicy, resolution: float
) -> Forecast:
    """When the line through the newest of ``readings`` leaves the limit.

    Days as theirs; ``resolution`` in the unit of the values. How many of them count is the policy's ``window_days``.
    A reading beyond the limit is beyond it, whatever the line says.
    """
    beyond = bool(readings) and _beyond(readings[-1].value, limit, side)
    readings = recent(readings, policy)
    percent = policy.confidence_percent
    days = readings[-1].day - readings[0].day if readings else 0.0
    found = line(readings, resolution)
    few = found is None or len(readings) < policy.least_readings or days < policy.least_days
    if found is None or few:
        known = f"read on {len(readings)} day{'s' * (len(readings) != 1)}, over {days:.0f} days"
        rests = f"{known}; a forecast wants {policy.least_readings} over {policy.least_days} days"
        return Forecast("left" if beyond else "too_few", rests, confidence_percent=percent)
    confidence = percent / 100
    rests = f"readings on {found.readings} days, over {days:.0f} days, scattering by {found.scatter:.3g}"
    until = policy.until(now, readings[-1].day, days)
    if until < now:
        old = f"its newest reading is {now - readings[-1].day:.0f} days old, and those before it are of {days:.0f} days"
        return Forecast("left" if beyond else "too_few", old, confidence_percent=percent)
    passed = _beyond(found.at(now), limit, side)
    if beyond or passed:
        told_by: Literal["", "reading", "line"] = "" if beyond and passed else "reading" if beyond else "line"
        return Forecast("left", rests, confidence_percent=percent, told_by=told_by)
    outward = found.per_day > 0 if side == "at_most" else found.per_day < 0
    earliest = first_day_in_band(found, limit, now, until, confidence)
    day = found.mean_day + (limit - found.mean_value) / found.per_day if outward else None
    if day is None or day > until:
        return Forecast("steady", rests, None, earliest, None, percent, until)
    ends = meeting(found, limit, confidence)
    if ends is None:  # the line's own day would be chance's
        return Forecast(
            "steady", f"{rests}; no trend that can be told from chance", None, earliest, None, percent, until
        )
    latest = None if ends[1] > until else ends[1]
    return Forecast("leaving", rests, day, max(now, ends[0]), latest, percent, until)


def recent(readings: Sequence[Reading], policy: ForecastPolicy) -> list[Reading]:
    """The readings a line is drawn through: of the policy's last days before the newest one, the mean of each day.

    What is read twice on a day is nearly the same reading: counted twice, it would make the line look surer than it is.
    """
    window = [one for one in readings if one.day >= readings[-1].day - policy.window_days]
    by_day = (tuple(of_day) for _, of_day in itertools.groupby(window, key=lambda one: int(one.day)))
    return [Reading(fmean(one.day for one in of_day), fmean(one.value for one in of_day)) for of_day in by_day]


def _beyond(value: float, limit: float, side: Side) -> bool:
    return value > limit if side == "at_most" else value < limit
