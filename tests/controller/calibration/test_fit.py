"""Line or pieces: against numpy's and scipy's fits, and the test that chooses."""

from itertools import pairwise
from math import inf, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from controller.calibration.fit import At, Demand, between, demanded, knots, level, monotone, straight

DEMAND = Demand(significance_permille=10, matters=10, unit="µm", simple="a line", otherwise="pieces")
ERRORS = st.lists(st.floats(-150.0, 150.0), min_size=3, max_size=12)


def points(errors: list[float], readings: int = 6) -> list[At]:
    return [At(250.0 * (place + 1), error, readings) for place, error in enumerate(errors)]


@given(ERRORS, st.floats(0.5, 20.0))
def test_the_line_and_its_uncertainties_as_least_squares_has_them(errors: list[float], repeatability: float) -> None:
    line = straight(points(errors), repeatability)
    shown = np.array([each.shown for each in points(errors)])
    design = np.column_stack([np.ones_like(shown), shown])
    offset, slope = np.linalg.lstsq(design, np.array(errors), rcond=None)[0]
    assert (line.offset, line.slope) == (pytest.approx(offset, abs=1e-6), pytest.approx(slope, abs=1e-9))
    covariance = np.linalg.inv(design.T @ design) * repeatability**2 / 6
    assert line.offset_standard == pytest.approx(sqrt(covariance[0, 0]))
    assert line.slope_standard == pytest.approx(sqrt(covariance[1, 1]))
    at = np.array([1.0, 900.0])
    assert line.standard_at(900.0) == pytest.approx(sqrt(at @ covariance @ at))


@given(ERRORS, st.floats(0.5, 20.0))
def test_lack_of_fit_as_the_textbook_has_it(errors: list[float], repeatability: float) -> None:
    line = straight(points(errors), repeatability)
    shown = [each.shown for each in points(errors)]
    residuals = np.array(errors) - np.polyval(np.polyfit(shown, errors, 1), shown)
    between_points = len(errors) - 2
    ratio = 6 * np.sum(residuals**2) / between_points / repeatability**2
    assert line.ratio == pytest.approx(ratio, rel=1e-6, abs=1e-9)
    bends, test = demanded(line, 23, DEMAND)
    probability = stats.f.sf(ratio, between_points, 23)
    assert test.probability_ppm == pytest.approx(probability * 1e6, abs=1)
    if abs(probability - 0.01) > 1e-6 and abs(np.max(np.abs(residuals)) - 10) > 1e-6:
        assert bends == (probability < 0.01 and np.max(np.abs(residuals)) > 10)


@pytest.mark.parametrize(
    ("errors", "repeatability", "bends", "said"),
    [
        ([10.0, 20.0, 30.0, 40.0], 5.0, False, "readings scatter as far"),
        ([0.0, 60.0, 60.0, 0.0], 5.0, True, "Pieces: a line misses a point by"),
        ([0.0, 6.0, 6.0, 0.0], 0.5, False, "more than chance, but less than 10 µm"),
        ([0.0, 40.0, 40.0, 0.0], 60.0, False, "readings scatter as far; no bend is shown"),
        ([0.0, 40.0, 40.0, 0.0], 0.0, True, "Pieces"),
        ([5.0, 5.0, 5.0, 5.0], 0.0, False, "A line"),
    ],
)
def test_pieces_only_where_residuals_demand_them(
    errors: list[float], repeatability: float, bends: bool, said: str
) -> None:
    found, test = demanded(straight(points(errors), repeatability), 23, DEMAND)
    assert found is bends
    assert said in test.sentence


def test_without_scatter_any_residual_is_beyond_chance() -> None:
    assert straight(points([0.0, 40.0, 0.0]), 0.0).ratio == inf
    assert level(points([3.0, 3.0]), 0.0).ratio == 0.0


@given(ERRORS, st.floats(0.5, 20.0))
def test_one_level_for_all_as_analysis_of_variance_has_it(errors: list[float], repeatability: float) -> None:
    line = level(points(errors), repeatability)
    assert line.error(400.0) == pytest.approx(np.mean(errors), abs=1e-9)
    assert line.ratio == pytest.approx(6 * np.var(errors, ddof=1) / repeatability**2, rel=1e-6, abs=1e-9)
    assert line.left == pytest.approx(sqrt(max(0.0, np.var(errors, ddof=1) - repeatability**2 / 6)), rel=1e-6, abs=1e-6)


@given(st.lists(st.floats(-900.0, 900.0), min_size=3, max_size=12))
def test_monotone_pieces_as_scipys_isotonic_regression(errors: list[float]) -> None:
    true = [each.shown + each.error for each in points(errors)]
    found = [level for _, level in monotone(points(errors))]
    assert found == pytest.approx(list(optimize.isotonic_regression(true).x), abs=1e-6)


@given(st.lists(st.floats(-900.0, 900.0), min_size=3, max_size=12))
def test_what_a_table_holds_rises_strictly(errors: list[float]) -> None:
    table = knots(points(errors))
    assert all(low[0] < high[0] and low[1] < high[1] for low, high in pairwise(table))
    assert [shown for shown, _ in table] == [round(each.shown * 1000) for each in points(errors)]


@given(st.floats(-500.0, 3000.0))
def test_between_knots_and_beyond_them(x: float) -> None:
    table = [(0.0, 0.0), (1000.0, 1100.0), (2000.0, 2000.0)]
    if 0 <= x <= 2000:
        assert between(table, x) == pytest.approx(np.interp(x, [0, 1000, 2000], [0, 1100, 2000]))
    assert between(table, -100.0) == pytest.approx(-110.0)
    assert between(table, 3000.0) == pytest.approx(2900.0)
