"""From an error and its uncertainty to a verdict, by a decision rule that is data (ISO/IEC 17025, 7.8.6; JCGM 106)."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, copysign, inf
from typing import Literal

from controller.calibration.policy import DecisionRule
from controller.calibration.student import t_below
from controller.calibration.uncertainty import Budget

Outcome = Literal["passed", "passed_on_condition", "failed_on_condition", "failed"]
WORST_LAST: tuple[Outcome, ...] = ("passed", "passed_on_condition", "failed_on_condition", "failed")
"""Outcomes from best to worst."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the decision rule says of one error. All quantities in whole units of the budget it was judged by; ``error``
    to the nearest of them, while what was judged is ``error_milli``, in thousandths.

    ``acceptance_limit`` is the tolerance less the guard band; below 0 nothing can pass: the measurement is too coarse
    for the tolerance. ``conforming_permille`` is the probability that the true error is within the tolerance, given
    the measurement alone (JCGM 106:2012, 7).
    """

    outcome: Outcome
    in_tolerance: bool
    error: int
    error_milli: int
    expanded: int
    tolerance: int
    guard_band: int
    acceptance_limit: int
    conforming_permille: int


def outward(value: float) -> int:
    """The whole number next to it that is not nearer to 0; what is whole but for the last bits stays it.

    Held against a whole limit it passes exactly where the value itself does, so a verdict follows from what is told.
    """
    return int(copysign(ceil(round(abs(value), 6)), value))


def judged(error_milli: int, budget: Budget, tolerance: int, rule: DecisionRule) -> Verdict:
    """The verdict on an error in thousandths of the budget's unit, not rounded to whole ones: half a unit decides at
    the limit. Pure; guard band rounded up. ``tolerance`` in whole units."""
    guard_band = -(-budget.expanded * rule.guard_band_permille // 1000)
    outcome = _outcome(abs(error_milli), tolerance * 1000, guard_band * 1000, graded=rule.statement == "graded")
    return Verdict(
        outcome=outcome,
        in_tolerance=outcome == "passed" or (outcome == "passed_on_condition" and rule.condition_is_in_order),
        error=round(error_milli / 1000),
        error_milli=error_milli,
        expanded=budget.expanded,
        tolerance=tolerance,
        guard_band=guard_band,
        acceptance_limit=tolerance - guard_band,
        conforming_permille=_conforming_permille(error_milli / 1000, budget, tolerance),
    )


def _outcome(size: int, tolerance: int, guard_band: int, *, graded: bool) -> Outcome:
    if size <= tolerance - guard_band:
        return "passed"
    if not graded or size > tolerance + guard_band:
        return "failed"
    return "passed_on_condition" if size <= tolerance else "failed_on_condition"


def _conforming_permille(error: float, budget: Budget, tolerance: int) -> int:
    standard = budget.standard_milli / 1000
    if standard == 0.0:
        return 1000 if abs(error) <= tolerance else 0
    degrees = inf if budget.degrees is None else max(1.0, float(budget.degrees))
    inside = t_below((tolerance - error) / standard, degrees) - t_below((-tolerance - error) / standard, degrees)
    return int(inside * 1000)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict on the whole: that of its worst part, of equal ones that with the least probability to conform."""
    return max(verdicts, key=lambda it: (WORST_LAST.index(it.outcome), -it.conforming_permille, abs(it.error_milli)))
