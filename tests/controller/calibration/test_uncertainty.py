"""Budgets: against worked examples of the GUM, against `uncertainties`, and against drawn lots."""

from math import inf, sqrt

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import integrate, stats
from uncertainties import ufloat

from controller.calibration.uncertainty import (
    DIVISOR,
    Contribution,
    budget,
    coverage_factor,
    effective_degrees,
    half_width,
)


def student(value: float, degrees: float = inf, sensitivity: float = 1.0) -> Contribution:
    return Contribution("repeats", "A", "student", value, sensitivity, degrees)


def rectangular(value: float) -> Contribution:
    return Contribution("half-width", "B", "rectangular", value)


def two_valued(value: float) -> Contribution:
    return Contribution("direction", "A", "two_valued", value)


LINES = st.lists(
    st.builds(
        Contribution,
        source=st.just("any"),
        kind=st.sampled_from("AB"),
        distribution=st.sampled_from(list(DIVISOR)),
        value=st.floats(0.001, 1000.0),
        sensitivity=st.floats(-3.0, 3.0).filter(lambda value: abs(value) > 0.01),
        degrees=st.one_of(st.just(inf), st.floats(2.0, 200.0)),
    ),
    min_size=1,
    max_size=8,
)


def test_the_end_gauge_of_the_gum() -> None:
    """JCGM 100:2008, H.1: standard, difference, expansion and temperature, in nm: u_c = 32 nm with 16 degrees."""
    lines = [student(25, 18), student(9.7, 25.6), student(2.9, 50), student(16.6, 2)]
    worked = budget("end gauge", "um", lines, student_below=50)
    assert worked.standard_milli / 1000 == pytest.approx(32, abs=0.5)
    assert worked.degrees == 16
    assert worked.factor_milli == pytest.approx(2169, abs=1), "few degrees: Student's factor for 95.45 %, not 2"


def test_a_dominant_rectangular_line_has_the_factor_known_for_it() -> None:
    """EA-4/02 M:2022, S9: a rectangular line alone holds 95 % within 1.65 standard uncertainties."""
    alone = half_width([rectangular(10.0), student(0.01)])
    assert alone / (10 / sqrt(3)) == pytest.approx(1.645, abs=0.005)
    assert half_width([rectangular(10.0)]) == pytest.approx(9.5)


def test_nothing_uncertain_is_nothing() -> None:
    nothing = budget("nothing", "um", [student(0.0, 5)], student_below=50)
    assert (nothing.expanded, nothing.interval_95_milli, nothing.degrees) == (0, 0, None)
    assert nothing.lines[0].share_permille == 0


@given(LINES)
def test_combined_as_uncertainties_propagates_it(lines: list[Contribution]) -> None:
    total = sum(line.sensitivity * ufloat(0.0, line.value / DIVISOR[line.distribution]) for line in lines)
    assert budget("any", "um", lines, 50).standard_milli / 1000 == pytest.approx(total.std_dev, rel=1e-6, abs=1.1e-3)


@given(LINES)
def test_welch_satterthwaite_lies_between_the_least_and_the_sum(lines: list[Contribution]) -> None:
    degrees = effective_degrees(lines)
    assert degrees >= min(line.degrees for line in lines) - 1e-9
    if all(line.degrees < inf for line in lines):
        assert degrees <= sum(line.degrees for line in lines) + 1e-6


@given(LINES, st.integers(0, 7), st.floats(1.0, 5.0))
def test_a_line_known_less_never_makes_the_whole_known_better(
    lines: list[Contribution], which: int, worse: float
) -> None:
    which %= len(lines)
    line = lines[which]
    grown = Contribution(line.source, line.kind, line.distribution, line.value * worse, line.sensitivity, inf)
    alike = [*lines[:which], Contribution(line.source, line.kind, line.distribution, line.value, line.sensitivity, inf),
             *lines[which + 1 :]]  # fmt: skip
    larger = [*lines[:which], grown, *lines[which + 1 :]]
    assert budget("any", "um", larger, 50).standard_milli >= budget("any", "um", alike, 50).standard_milli


@given(LINES)
def test_reported_is_never_less_than_worked_out(lines: list[Contribution]) -> None:
    whole = budget("any", "um", lines, 50)
    standard = sqrt(sum(line.standard**2 for line in lines))
    assert whole.expanded_milli >= 2000 * standard - 1e-3
    assert whole.expanded * 1000 >= whole.expanded_milli > (whole.expanded - 1) * 1000
    assert whole.factor_milli >= 2000
    assert sum(line.share_permille for line in whole.lines) == pytest.approx(1000, abs=len(lines))


@pytest.mark.parametrize(
    "lines",
    [
        [rectangular(10), student(3)],
        [rectangular(10), rectangular(9), student(2)],
        [rectangular(10), rectangular(10), rectangular(10)],
        [two_valued(10), student(3, 23)],
        [two_valued(5), rectangular(6), student(4, 12)],
        [rectangular(10), student(3, 4)],
        [student(3, 23), student(2), rectangular(1)],
    ],
    ids=str,
)
def test_the_interval_holds_95_of_100_drawn(lines: list[Contribution]) -> None:
    """Monte Carlo as JCGM 101 does it, 400 000 lots: the shapes as they are, none of our formulas."""
    random, lots = np.random.default_rng(20261126), 400_000
    total = np.zeros(lots)
    for line in lines:
        match line.distribution:
            case "rectangular":
                total += random.uniform(-line.value, line.value, lots)
            case "two_valued":
                total += random.choice((-line.value, line.value), lots)
            case _ if line.degrees == inf:
                total += random.normal(0, line.value, lots)
            case _:
                total += line.value * random.standard_t(line.degrees, lots)
    held = np.mean(np.abs(total) <= half_width(lines))
    assert 0.945 <= held <= 0.962, "the second largest of several without tails is taken as bell-shaped: a little wide"


@given(st.floats(0.5, 100.0), st.floats(0.01, 100.0), st.floats(1.6, 300.0))
def test_the_interval_of_two_lines_by_quadrature(reach: float, sigma: float, degrees: float) -> None:
    assume(0.02 < sigma / reach < 50)
    width = half_width([rectangular(reach), student(sigma, degrees)])
    law = stats.t(degrees, scale=sigma)
    held, _ = integrate.quad(lambda at: (law.cdf(width - at) - law.cdf(-width - at)) / (2 * reach), -reach, reach)
    assert held == pytest.approx(0.95, abs=2e-5)


def test_with_hardly_any_degrees_students_tails_are_all() -> None:
    assert half_width([rectangular(1.0), student(5.0, 1.2)]) > 5.0 * 6


@pytest.mark.parametrize(("degrees", "shown"), [(9_999.0, 9_999), (10_000.0, 10_000), (145_484.0, None), (inf, None)])
def test_degrees_that_nobody_knows_to_the_last_are_infinite(degrees: float, shown: int | None) -> None:
    worked = budget("x", "um", [student(1.0, degrees)], 50)
    assert (worked.degrees, worked.lines[0].degrees, worked.factor_milli) == (shown, shown, 2000)


def test_k_is_two_from_so_many_degrees_on() -> None:
    assert coverage_factor(50.0, 50) == 2.0
    assert coverage_factor(49.9, 50) > 2.0, "truncated to 49, as the GUM does"
