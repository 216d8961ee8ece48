"""The accuracy test of 21 CFR 878.4430: set against measured."""

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest

from controller.calibration.accuracy import judge_accuracy
from controller.calibration.readings import ReadingRefused, accuracy_depth_plan, accuracy_rate_plan
from tests.controller.calibration.bench import accuracy, series

SETUP = accuracy()
DEPTHS, RATES = accuracy_depth_plan(SETUP.method), accuracy_rate_plan(SETUP.method)
TRUE_DEPTHS, TRUE_RATES = series(DEPTHS, lambda *_: 0.0), series(RATES, lambda *_: 0.0)


def test_a_pen_that_does_what_is_set_passes() -> None:
    found = judge_accuracy(TRUE_DEPTHS, TRUE_RATES, SETUP)
    assert found.passed
    assert [depth.error_um for depth in found.depths] == [0] * len(DEPTHS.points)
    assert found.depth_verdict.outcome == found.rate_verdict.outcome == "passed"


def test_measured_is_held_against_set_and_not_against_shown() -> None:
    """A pen that shows its fault truly still does not do what is set."""
    honest = [replace(each, shown=each.shown + 180, reference=each.reference + 180) for each in TRUE_DEPTHS]
    found = judge_accuracy(honest, TRUE_RATES, SETUP)
    assert not found.passed
    assert {depth.error_um for depth in found.depths} == {180}
    assert all(rate.passed for rate in found.rates)


def test_a_rate_that_is_not_delivered_fails() -> None:
    slow = series(RATES, lambda shown, *_: -0.15 * shown)
    found = judge_accuracy(TRUE_DEPTHS, slow, SETUP)
    assert not found.passed
    assert {rate.error_ppm for rate in found.rates} == {-150_000}
    assert found.rate_verdict.outcome == "failed"


def test_one_measurement_beyond_the_tolerance_fails_where_the_mean_would_pass() -> None:
    stray = [replace(each, reference=each.reference + 170) if number == 5 else each
             for number, each in enumerate(TRUE_DEPTHS)]  # fmt: skip
    found = judge_accuracy(stray, TRUE_RATES, SETUP)
    depth = next(each for each in found.depths if each.worst_single_um == 170)
    assert abs(depth.error_um) < 50
    assert not depth.passed
    assert not found.passed


def test_spread_and_uncertainty_worked_out_again() -> None:
    readings = series(DEPTHS, lambda _, __, number: float((number * 7) % 23))
    found = judge_accuracy(readings, TRUE_RATES, SETUP)
    by_point = [[each.reference - DEPTHS.points[point] for each in readings if each.point == point]
                for point in range(len(DEPTHS.points))]  # fmt: skip
    pooled = sqrt(float(np.mean([np.var(errors, ddof=1) for errors in by_point])))
    for depth, errors in zip(found.depths, by_point, strict=True):
        assert depth.error_um == round(float(np.mean(errors)))
        assert depth.spread_nm == pytest.approx(np.std(errors, ddof=1) * 1000, abs=1)
        assert depth.budget.lines[0].standard_milli == pytest.approx(pooled / sqrt(len(errors)) * 1000, abs=1)


def test_too_few_measurements_are_refused() -> None:
    with pytest.raises(ReadingRefused, match="19 readings of 20"):
        judge_accuracy(TRUE_DEPTHS[:-1], TRUE_RATES, SETUP)
    with pytest.raises(ReadingRefused, match="asks for 15 readings and here are 16"):
        judge_accuracy(TRUE_DEPTHS, [*TRUE_RATES, TRUE_RATES[-1]], SETUP)
