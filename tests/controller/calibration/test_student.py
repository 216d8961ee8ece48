"""Distribution functions, held against scipy's."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from controller.calibration.student import chi_square, f_above, incomplete_beta, t_below, t_density, t_factor

DEGREES = st.floats(1.0, 5_000.0)


@given(st.floats(0.0, 1 - 1e-9) | st.just(1.0), st.floats(0.5, 500.0), st.floats(0.5, 500.0))
def test_the_incomplete_beta_function(x: float, a: float, b: float) -> None:
    # In the last bits under 1, where nothing here asks, 1 - x has no digits left and scipy is the one further off.
    assert incomplete_beta(x, a, b) == pytest.approx(stats.beta.cdf(x, a, b), abs=1e-11)


@given(st.floats(-50.0, 50.0), DEGREES)
def test_students_distribution_and_density(t: float, degrees: float) -> None:
    # As far as scipy goes: of a t near 0 with few degrees it has nine digits, of which this one has more.
    assert t_below(t, degrees) == pytest.approx(stats.t.cdf(t, degrees), abs=1e-9)
    assert t_density(t, degrees) == pytest.approx(stats.t.pdf(t, degrees), rel=1e-9, abs=1e-14)


@given(st.floats(0.1, 0.9999), DEGREES)
def test_students_factor(probability: float, degrees: float) -> None:
    assert t_factor(probability, degrees) == pytest.approx(stats.t.ppf((1 + probability) / 2, degrees), rel=1e-8)


@pytest.mark.parametrize(
    ("degrees", "factor"),
    [(1, 13.97), (2, 4.53), (3, 3.31), (5, 2.65), (10, 2.28), (20, 2.13), (50, 2.05), (inf, 2.00)],
)
def test_the_factors_printed_in_the_gum_for_the_probability_of_k_2(degrees: float, factor: float) -> None:
    assert t_factor(0.9545, degrees) == pytest.approx(factor, abs=0.005), "JCGM 100:2008, table G.2"


@given(st.floats(0.0, 1000.0), st.integers(1, 30), st.integers(1, 300))
def test_fishers_tail(ratio: float, between: int, within: int) -> None:
    assert f_above(ratio, between, within) == pytest.approx(stats.f.sf(ratio, between, within), abs=1e-7)


def test_fishers_tail_at_its_ends() -> None:
    assert f_above(0.0, 3, 12) == 1.0
    assert f_above(inf, 3, 12) == 0.0


@given(st.floats(0.001, 0.999), st.integers(1, 400))
def test_chi_square(probability: float, degrees: int) -> None:
    assert chi_square(probability, degrees) == pytest.approx(stats.chi2.ppf(probability, degrees), rel=1e-7)
