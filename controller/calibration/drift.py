"""Drift since the last certificate: what a pen's errors were left at, against what they are found to be. Pure.

References are taken as independent of those of then: where gauge and cartridge are the same ones, their own errors
cancel in truth and the uncertainty told here is too large, never too small.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from controller.calibration.depth_results import DepthCalibration
from controller.calibration.fit import between
from controller.calibration.uncertainty import Budget, Contribution, budget


@dataclass(frozen=True, slots=True)
class LeftThen:
    """An error as the last certificate states it, mean of the directions, with its expanded uncertainty (k = 2)."""

    shown_um: int
    error_um: int
    expanded_nm: int


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


def drift_since(now: DepthCalibration, last: Sequence[LeftThen], days: int, student_below: int) -> DriftSinceLast:
    """Drift since errors that were left ``days`` ago; of ``last`` two depths or more, straight between them.

    ``student_below``: of the decision rule. Raises ValueError for fewer.
    """
    then = sorted(last, key=lambda each: each.shown_um)
    if len(then) < 2:
        raise ValueError("drift needs the errors of two depths or more from the last certificate")
    errors = [(each.shown_um, each.error_um) for each in then]
    known = [(each.shown_um, each.expanded_nm) for each in then]
    rows = []
    for mean in now.means:
        left_um, expanded_nm = round(between(errors, mean.shown_um)), between(known, mean.shown_um)
        lines = [
            *mean.budget.contributions,
            Contribution("error as left: the last certificate", "B", "normal", expanded_nm / 1000),
        ]
        both = budget(f"drift at {mean.shown_um} µm", "um", lines, student_below)
        drift_um = mean.error_um - left_um
        en_milli = round(drift_um * 1_000_000 / both.expanded_milli)
        rows.append(DriftRow(mean.shown_um, left_um, mean.error_um, drift_um, both, en_milli))
    drifts_um = [row.drift_um for row in rows]
    largest_um = max(drifts_um, key=abs)
    return DriftSinceLast(
        rows=tuple(rows),
        days=days,
        largest_um=largest_um,
        um_per_year=round(largest_um * 365.25 / days) if days > 0 else None,
        significant=any(row.significant for row in rows),
    )


def left_then(calibration: DepthCalibration) -> tuple[LeftThen, ...]:
    """What a calibration leaves for the next one to be held against."""
    return tuple(LeftThen(mean.shown_um, mean.error_um, mean.budget.expanded_milli) for mean in calibration.means)
