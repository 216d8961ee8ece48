"""Verdicts by a decision rule that is data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from controller.calibration.acceptance import WORST_LAST, judged, outward, worst
from controller.calibration.uncertainty import Budget, Contribution, budget
from tests.controller.calibration.bench import POLICY, changed

RULE = POLICY.decision
GRADED = changed(RULE, statement="graded", guard_band_permille=1000)
BINARY = changed(RULE, statement="binary", guard_band_permille=1000)
SIMPLE = changed(RULE, statement="binary", guard_band_permille=0)


def known(standard: float, degrees: float = float("inf")) -> Budget:
    return budget("error", "um", [Contribution("all", "A", "student", standard, degrees=degrees)], 50)


@pytest.mark.parametrize(
    ("error", "graded", "binary", "simple"),
    [
        (0, "passed", "passed", "passed"),
        (130, "passed", "passed", "passed"),
        (-130, "passed", "passed", "passed"),
        (131, "passed_on_condition", "failed", "passed"),
        (150, "passed_on_condition", "failed", "passed"),
        (151, "failed_on_condition", "failed", "failed"),
        (170, "failed_on_condition", "failed", "failed"),
        (171, "failed", "failed", "failed"),
        (-171, "failed", "failed", "failed"),
    ],
)
def test_limits_belong_to_what_they_limit(error: int, graded: str, binary: str, simple: str) -> None:
    """Tolerance 150 µm, U = 20 µm."""
    assert judged(error * 1000, known(10.0), 150, GRADED).outcome == graded
    assert judged(error * 1000, known(10.0), 150, BINARY).outcome == binary
    assert judged(error * 1000, known(10.0), 150, SIMPLE).outcome == simple


def test_an_error_is_judged_as_it_is_and_not_as_it_is_rounded() -> None:
    """Tolerance 150 µm, U = 20 µm: 130.4 µm is shown as 130 µm, and is more than the acceptance limit."""
    verdict = judged(130_400, known(10.0), 150, GRADED)
    assert (verdict.error, verdict.acceptance_limit, verdict.outcome) == (130, 130, "passed_on_condition")
    assert judged(-150_001, known(10.0), 150, GRADED).outcome == "failed_on_condition"


@given(st.floats(-1e6, 1e6))
def test_what_is_rounded_outward_is_judged_as_the_value_itself(value: float) -> None:
    assert abs(value) - 1e-6 <= abs(outward(value)) < abs(value) + 1
    assert outward(-value) == -outward(value)
    assert outward(round(value) + 1e-9) == round(value), "what is whole but for the last bits"


def test_on_condition_is_in_order_only_where_the_policy_says_so() -> None:
    assert not judged(140_000, known(10.0), 150, GRADED).in_tolerance
    assert judged(140_000, known(10.0), 150, changed(GRADED, condition_is_in_order=True)).in_tolerance
    assert not judged(160_000, known(10.0), 150, changed(GRADED, condition_is_in_order=True)).in_tolerance


def test_a_measurement_coarser_than_the_tolerance_passes_nothing() -> None:
    verdict = judged(0, known(80.0), 150, GRADED)
    assert verdict.acceptance_limit < 0
    assert not verdict.in_tolerance


@given(st.integers(-400, 400), st.floats(0.1, 100.0), st.integers(1, 300), st.integers(3, 200))
def test_the_probability_to_conform_as_scipy_has_it(error: int, standard: float, tolerance: int, degrees: int) -> None:
    given_budget = known(standard, degrees)
    law = stats.t(degrees, loc=error, scale=given_budget.standard_milli / 1000)
    inside = law.cdf(tolerance) - law.cdf(-tolerance)
    verdict = judged(error * 1000, given_budget, tolerance, GRADED)
    assert verdict.conforming_permille == pytest.approx(inside * 1000, abs=1.001)


@given(st.integers(-400, 400), st.floats(0.0, 60.0), st.integers(1, 300), st.integers(0, 3000))
def test_a_wider_guard_band_accepts_less_and_what_passes_is_inside(
    error: int, standard: float, tolerance: int, guard: int
) -> None:
    verdict = judged(error * 1000, known(standard), tolerance, changed(GRADED, guard_band_permille=guard))
    if verdict.outcome == "passed":
        assert abs(error) <= tolerance - verdict.guard_band
        assert judged(error * 1000, known(standard), tolerance, SIMPLE).in_tolerance
    wider = judged(error * 1000, known(standard), tolerance, changed(GRADED, guard_band_permille=guard + 500))
    assert verdict.in_tolerance or not wider.in_tolerance


def test_the_whole_is_as_its_worst_part() -> None:
    verdicts = [judged(error * 1000, known(10.0), 150, GRADED) for error in (0, 151, 140, 20)]
    assert worst(verdicts).error == 151
    assert WORST_LAST.index(worst(verdicts).outcome) == max(WORST_LAST.index(each.outcome) for each in verdicts)


def test_of_pens_at_the_limit_at_most_one_in_forty_is_accepted_wrongly() -> None:
    """w = U: the one-sided tail of k = 2 (JCGM 106:2012, 8.3.2)."""
    u = 10.0
    accepted = stats.norm.cdf((150 - 2 * u - 150) / u)
    assert accepted < 0.025
    assert judged(130_000, known(u), 150, GRADED).conforming_permille >= 975
