"""Parts that every series of a certificate has: points, budgets, readings. Pure.

Lengths become nanometres, since an uncertainty has parts of a micrometre; relative errors of rate stay ppm.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from controller.calibration.acceptance import Verdict
from controller.calibration.readings import Reading as Taken
from controller.calibration.uncertainty import Budget
from controller.service_events import Direction
from logger.certificate import document as paper

NM_PER_UM = 1000


@dataclass(frozen=True, slots=True)
class Named:
    """A method's id in the policy, and the SHA-256 of the policy it stands in."""

    method: str
    policy_sha256: str


def point_result(
    *,
    set_to: int,
    readings: tuple[paper.Reading, ...],
    shown: int,
    reference: int,
    spread: int,
    budget: Budget,
    verdict: Verdict,
    worst_single: int | None = None,
) -> paper.PointResult:
    """A point in the document. Values in µm become nm where the budget is of a length; ``spread`` is in nm or ppm.
    The error is the one that was judged, so that anybody can judge it again."""
    length = budget.unit == "um"
    per_unit = NM_PER_UM if length else 1
    return paper.PointResult(
        set=set_to * per_unit,
        direction=readings[0].direction,
        readings=readings,
        shown=shown * per_unit,
        reference=reference * per_unit,
        error=verdict.error_milli if length else verdict.error,
        spread=spread,
        expanded=budget.expanded_milli if length else budget.expanded,
        factor_milli=budget.factor_milli,
        degrees=budget.degrees,
        tolerance=verdict.tolerance * per_unit,
        acceptance=verdict.acceptance_limit * per_unit,
        conforming_permille=verdict.conforming_permille,
        verdict=verdict.outcome,
        worst_single=None if worst_single is None else worst_single * per_unit,
    )


def taken(readings: Sequence[Taken], point: int, direction: Direction, per_unit: int) -> tuple[paper.Reading, ...]:
    """The readings of one point from one direction; ``per_unit`` 1000 makes nm of µm."""
    return tuple(
        paper.Reading(
            direction=each.direction,
            repeat=each.repeat,
            shown=each.shown * per_unit,
            reference=each.reference * per_unit,
        )
        for each in readings
        if (each.point, each.direction) == (point, direction)
    )


def budget_of(budget: Budget, measurand: str = "") -> paper.Budget:
    """A budget in the document; ``measurand`` says what it is of in the units that people read."""
    return paper.Budget(
        measurand=measurand or budget.measurand,
        unit=budget.unit,
        lines=tuple(
            paper.BudgetLine(
                source=line.source,
                evaluation=line.kind,
                distribution=line.distribution,
                value_milli=line.value_milli,
                divisor_milli=line.divisor_milli,
                sensitivity_milli=line.sensitivity_milli,
                standard_milli=line.standard_milli,
                degrees=line.degrees,
                share_permille=line.share_permille,
            )
            for line in budget.lines
        ),
        standard_milli=budget.standard_milli,
        degrees=budget.degrees,
        factor_milli=budget.factor_milli,
        expanded_milli=budget.expanded_milli,
        interval_95_milli=budget.interval_95_milli,
    )
