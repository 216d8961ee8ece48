"""How a pen's depth (or rate) wanders between calibrations, and when it will leave its tolerance.

Between two calibrations the error goes from what was left to what is found: one stretch. Stretches are taken as a walk
with a drift (a Wiener process, the usual model of wear that is measured now and then; e.g. C. Park and W. J. Padgett,
Lifetime Data Anal. 11, 2005): change = rate · days + chance · √days. From the stretches come rate and chance; from the
newest calibration, what was left. The interval holds all three: chance to come, doubt of the rate, uncertainty of what
was left. One stretch says nothing about chance, so it counts for what its two measurements are worth, and is told as
that. A stretch over which somebody opened the pen or dropped it is no wear, and left out.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal, NamedTuple

from controller.calibration.student import NORMAL_FROM, t_below, t_factor
from controller.health.policy import ForecastPolicy
from controller.health.trend import Forecast


class Calibrated(NamedTuple):
    """One calibration: the day, the error found, the error left, and the standard uncertainty of either."""

    day: float
    found: float
    left: float
    standard: float


@dataclass(frozen=True, slots=True)
class Drift:
    """What is known of a pen's wandering since ``day``, where ``left`` was its error.

    ``per_day`` and its standard uncertainty; ``chance`` the standard deviation that a day adds; ``freedom`` are the
    degrees of freedom, ``NORMAL_FROM`` where all that is known is the uncertainty of measuring.
    """

    day: float
    left: float
    standard: float
    stretches: int
    days: float
    per_day: float
    per_day_standard: float
    chance: float
    freedom: float

    def error(self, day: float) -> float:
        """The error expected on a day."""
        return self.left + self.per_day * (day - self.day)

    def deviation(self, day: float) -> float:
        """Its standard uncertainty."""
        days = max(0.0, day - self.day)
        return sqrt(self.standard**2 + self.chance**2 * days + (self.per_day_standard * days) ** 2)

    def chance_out(self, day: float, tolerance: float) -> float:
        """How likely the error is beyond ± ``tolerance`` on a day, 0 to 1."""
        expected, deviation = self.error(day), self.deviation(day)
        if deviation == 0:
            return float(abs(expected) > tolerance)
        above = 1 - t_below((tolerance - expected) / deviation, self.freedom)
        return above + t_below((-tolerance - expected) / deviation, self.freedom)


def drift(calibrations: Sequence[Calibrated], broken: Sequence[float] = ()) -> Drift | None:
    """The drift behind calibrations, oldest first; None where no stretch tells. ``broken`` are days on which somebody
    did what is no wear."""
    stretches = [
        (later.day - before.day, later.found - before.left, sqrt(before.standard**2 + later.standard**2))
        for before, later in itertools.pairwise(calibrations)
        if later.day > before.day and not any(before.day < day <= later.day for day in broken)
    ]
    if not stretches:
        return None
    days = sum(length for length, _, _ in stretches)
    per_day = sum(change for _, change, _ in stretches) / days
    measured = sqrt(sum(standard**2 for _, _, standard in stretches)) / days
    newest = calibrations[-1]
    freedom, chance, doubt = float(NORMAL_FROM), 0.0, measured
    if len(stretches) > 1:
        freedom = len(stretches) - 1
        chance = sqrt(sum((change - per_day * length) ** 2 / length for length, change, _ in stretches) / freedom)
        doubt = max(chance / sqrt(days), measured)
    return Drift(
        newest.day, newest.left, newest.standard, len(stretches), days, per_day, doubt, chance, freedom
    )  # fmt: skip


def leaves_tolerance(found: Drift | None, tolerance: float, *, now: float, policy: ForecastPolicy) -> Forecast:
    """When the error leaves ± ``tolerance``, by whole days from ``now`` on."""
    confidence_percent = policy.confidence_percent
    if found is None:
        return Forecast(
            "too_few", "a forecast wants two calibrations with nothing but wear between", None, None, None,
            confidence_percent,
        )  # fmt: skip
    several = f"{found.stretches} stretches" if found.stretches > 1 else "one stretch"
    rests = f"{several} between calibrations, {found.days:.0f} days"
    if found.stretches == 1:
        rests += "; of one stretch only the uncertainty of measuring is known"
    factor = t_factor(confidence_percent / 100, found.freedom)
    marks: dict[str, float | None] = {"earliest": None, "day": None, "latest": None}
    measured = abs(found.left) > tolerance
    until = policy.until(now, found.day, found.days)
    if until < now:
        old = f"its newest calibration was {now - found.day:.0f} days ago, and it is known over {found.days:.0f} days"
        return Forecast("left" if measured else "too_few", old, confidence_percent=confidence_percent)
    for ahead in range(int(until - now) + 1):
        day = now + ahead
        error, reach = found.error(day), factor * found.deviation(day)
        for name, size in (
            ("earliest", abs(error) + reach), ("day", abs(error)), ("latest", abs(error) - reach),
        ):  # fmt: skip
            if marks[name] is None and size > tolerance:
                marks[name] = day
    expected, earliest, latest = marks["day"], marks["earliest"], marks["latest"]
    if expected is None:
        return Forecast("steady", rests, None, earliest, None, confidence_percent, until)
    if expected == now:
        told_by: Literal["", "line"] = "" if measured else "line"
        return Forecast("left", rests, now, now, latest, confidence_percent, until, told_by)
    return Forecast("leaving", rests, expected, earliest, latest, confidence_percent, until)
