"""Repeatability and drift: against a whole design matrix solved by numpy."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.calibration.scatter import scatter

ITEMS = st.lists(st.floats(-100.0, 100.0), min_size=12, max_size=12)
GROUPS, REPEATS = 4, 3


def items(errors: list[float], *, timed: bool = True) -> list[tuple[int, float | None, float]]:
    """Four groups, three times: up, and then down again, as a series goes."""
    order = [0, 1, 2, 3, 3, 2, 1, 0, 0, 1, 2, 3]
    return [(group, number * 0.01 if timed else None, errors[number]) for number, group in enumerate(order)]


@given(ITEMS)
def test_analysis_of_covariance_as_numpy_solves_it(errors: list[float]) -> None:
    found = scatter(items(errors))
    hours = np.array([hours for _, hours, _ in items(errors)], dtype=float)
    groups = np.array([group for group, _, _ in items(errors)])
    design = np.column_stack([*(groups == group for group in range(GROUPS)), hours - hours.mean()]).astype(float)
    solved = np.linalg.lstsq(design, np.array(errors), rcond=None)[0]
    residuals = np.array(errors) - design @ solved
    degrees = len(errors) - GROUPS - 1
    repeatability = sqrt(np.sum(residuals**2) / degrees)
    assert (found.degrees, found.repeatability) == (degrees, pytest.approx(repeatability, abs=1e-6))
    assert found.slope == pytest.approx(solved[-1], abs=1e-5)
    covariance = np.linalg.inv(design.T @ design)
    assert found.slope_standard == pytest.approx(repeatability * sqrt(covariance[-1, -1]), abs=1e-6)
    for group in range(GROUPS):
        assert found.means[group].value == pytest.approx(solved[group], abs=1e-6)
        assert found.means[group].factor == pytest.approx(sqrt(covariance[group, group]))


@given(ITEMS)
def test_without_times_it_is_pooled_scatter(errors: list[float]) -> None:
    found = scatter(items(errors, timed=False))
    assert found.slope is None
    assert found.degrees == 12 - GROUPS
    squares = sum((error - found.means[group].value) ** 2 for group, _, error in items(errors, timed=False))
    assert found.repeatability == pytest.approx(sqrt(squares / found.degrees))
    assert all(mean.factor == pytest.approx(1 / sqrt(REPEATS)) for mean in found.means.values())


@given(ITEMS, st.floats(-500.0, 500.0))
def test_a_drift_is_found_whatever_else_there_is(errors: list[float], slope: float) -> None:
    drifting = [error + slope * number * 0.01 for number, error in enumerate(errors)]
    plain, drifted = scatter(items(errors)), scatter(items(drifting))
    assert plain.slope is not None
    assert drifted.slope == pytest.approx(plain.slope + slope, abs=1e-6)
    assert drifted.repeatability == pytest.approx(plain.repeatability, abs=1e-6)


@pytest.mark.parametrize(
    ("groups", "readings", "critical"),
    [(2, 3, 0.975), (5, 3, 0.6838), (10, 3, 0.4450), (12, 3, 0.3924), (5, 6, 0.5063)],
)
def test_cochrans_test_at_its_tabled_critical_values(groups: int, readings: int, critical: float) -> None:
    """5 %, ISO 5725-2:1994, table 4: one group of so large a share of all the variances is as rare as that."""
    rest = (1 - critical) / (groups - 1)
    shape = [-1.0, 1.0] + [0.0] * (readings - 2)
    size = sqrt(sum(each**2 for each in shape) / (readings - 1))
    rows = [
        (group, None, each / size * sqrt(critical if group == 1 else rest)) for group in range(groups) for each in shape
    ]
    widest, chance = scatter(rows).widest()
    assert widest == 1
    assert chance == pytest.approx(0.05, abs=0.002)


def test_groups_that_do_not_scatter_are_even() -> None:
    assert scatter([(group, None, 3.0) for group in (0, 1) for _ in range(3)]).widest()[1] == 1.0
    alone = scatter([(0, None, 0.0), (0, None, 0.0), (0, None, 0.0), (1, None, 0.0), (1, None, 5.0), (1, None, 0.0)])
    assert alone.widest() == (1, 0.0)


def test_one_time_missing_and_drift_is_not_known() -> None:
    known = items([float(number) for number in range(12)])
    known[5] = (known[5][0], None, known[5][2])
    assert scatter(known).slope is None
