"""Drift since the last certificate: what a pen's errors were left at, against what they are found to be. Pure.

References are taken as independent of those of then: where gauge and cartridge are the same ones, their own errors
cancel in truth and the uncertainty told here is too large, never too small.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from controller.calibration.depth_results import DepthCalibration
from controller.calibration.fit import between
from controller.calibration.uncertainty import Budget, Contribution, budget
from controller.service_events import ErrorAtDepth


@dataclass(frozen=True, slots=True)
class DriftRow:
    """At one depth: the error as left then and as found now, µm, and what lies between. ``budget`` is of the drift.

    ``en_milli``: drift over its expanded uncertainty, in thousandths; beyond 1000 either way it is more than both
    calibrations allow (the E_n number of ISO 13528).
    """

    shown_um: int
    left_error_um: int
    found_error_um: int
    drift_um: int
    budget: Budget
    en_milli: int

    @property
    def significant(self) -> bool:
        """Whether it is more than the uncertainty of both."""
        return abs(self.en_milli) > 1000


@dataclass(frozen=True, slots=True)
class DriftSinceLast:
    """Drift at each point. ``um_per_year``: of the largest; None on the day of the last certificate itself."""

    rows: tuple[DriftRow, ...]
    days: int
    largest_um: int
    um_per_year: int | None
    significant: bool


def drift_since(
    now: DepthCalibration, last: Sequence[ErrorAtDepth], last_expanded_um: int, days: int, student_below: int
) -> DriftSinceLast:
    """Drift since errors that were left ``days`` ago with that expanded uncertainty (k = 2).

    ``last`` are means of both directions, two or more depths, as :attr:`DepthCalibration.means` gives them; between
    them straight. ``student_below``: of the decision rule.
    """
    then = sorted((each.shown_um, each.error_um) for each in last)
    if len(then) < 2:
        raise ValueError("drift needs the errors of two depths or more from the last certificate")
    rows = []
    for point, mean in enumerate(now.means):
        known = max((row.budget for row in now.rows if row.point == point), key=lambda each: each.standard_milli)
        left_um = round(between(then, mean.shown_um))
        degrees = inf if known.degrees is None else float(known.degrees)
        lines = [
            Contribution("errors as found now", "A", "student", known.standard_milli / 1000, degrees=degrees),
            Contribution("errors as left, last certificate", "B", "normal", float(last_expanded_um)),
        ]
        between_both = budget(f"drift at {mean.shown_um} µm", "um", lines, student_below)
        drift_um = mean.error_um - left_um
        en_milli = round(drift_um * 1_000_000 / between_both.expanded_milli) if between_both.expanded_milli else 0
        rows.append(DriftRow(mean.shown_um, left_um, mean.error_um, drift_um, between_both, en_milli))
    largest_um = max((row.drift_um for row in rows), key=abs)
    return DriftSinceLast(
        rows=tuple(rows),
        days=days,
        largest_um=largest_um,
        um_per_year=round(largest_um * 365.25 / days) if days > 0 else None,
        significant=any(row.significant for row in rows),
    )
