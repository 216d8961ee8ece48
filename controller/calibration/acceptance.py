"""From an error and its uncertainty to a verdict, by a decision rule that is data (ISO/IEC 17025, 7.8.6; JCGM 106)."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Literal

from controller.calibration.policy import DecisionRule
from controller.calibration.student import t_below
from controller.calibration.uncertainty import Budget

Outcome = Literal["passed", "passed_on_condition", "failed_on_condition", "failed"]
WORST_LAST: tuple[Outcome, ...] = ("passed", "passed_on_condition", "failed_on_condition", "failed")
"""Outcomes from best to worst."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the decision rule says of one error. All quantities in whole units of the budget it was judged by.

    ``acceptance_limit`` is the tolerance less the guard band; below 0 nothing can pass: the measurement is too coarse
    for the tolerance. ``conforming_permille`` is the probability that the true error is within the tolerance, given
    the measurement alone (JCGM 106:2012, 7).
    """

    outcome: Outcome
    in_tolerance: bool
    error: int
    expanded: int
    tolerance: int
    guard_band: int
    acceptance_limit: int
    conforming_permille: int


def judged(error: int, budget: Budget, tolerance: int, rule: DecisionRule) -> Verdict:
    """The verdict on an error as it is reported, in whole units, with its budget. Pure; guard band rounded up."""
    guard_band = -(-budget.expanded * rule.guard_band_permille // 1000)
    outcome = _outcome(abs(error), tolerance, guard_band, graded=rule.statement == "graded")
    return Verdict(
        outcome=outcome,
        in_tolerance=outcome == "passed" or (outcome == "passed_on_condition" and rule.condition_is_in_order),
        error=error,
        expanded=budget.expanded,
        tolerance=tolerance,
        guard_band=guard_band,
        acceptance_limit=tolerance - guard_band,
        conforming_permille=_conforming_permille(error, budget, tolerance),
    )


def _outcome(size: int, tolerance: int, guard_band: int, *, graded: bool) -> Outcome:
    if size <= tolerance - guard_band:
        return "passed"
    if not graded or size > tolerance + guard_band:
        return "failed"
    return "passed_on_condition" if size <= tolerance else "failed_on_condition"


def _conforming_permille(error: int, budget: Budget, tolerance: int) -> int:
    standard = budget.standard_milli / 1000
    if standard == 0.0:
        return 1000 if abs(error) <= tolerance else 0
    degrees = inf if budget.degrees is None else max(1.0, float(budget.degrees))
    inside = t_below((tolerance - error) / standard, degrees) - t_below((-tolerance - error) / standard, degrees)
    return int(inside * 1000)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict on the whole: that of its worst part, of equal ones that with the least probability to conform."""
    return max(verdicts, key=lambda each: (WORST_LAST.index(each.outcome), -each.conforming_permille, abs(each.error)))
