"""Uncertainty budgets by the GUM (JCGM 100:2008): lines, Welch-Satterthwaite, k = 2, and a 95 % interval.

A budget is data: every line says where it comes from, how it was found (A by repeating, B otherwise), its distribution
and what it adds. The expanded uncertainty has k = 2; with fewer effective degrees of freedom than the policy says,
Student's factor for 95.45 % stands in its place, and the budget says so (EA-4/02 M:2022, Annex E).

``interval_95`` answers another question: which half-width holds 95 %? Where one rectangular or two-valued line is a
large part of the whole, a factor from Student's t is wrong, so that line is folded in exactly and only the rest is
taken as Student's t (what JCGM 101 does by drawing lots, in closed form). Coverage is tested on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, inf, isfinite, sqrt
from typing import Literal

from controller.calibration.student import NORMAL_FROM, t_below, t_density, t_factor

Unit = Literal["um", "mhz", "ppm"]
Distribution = Literal["student", "normal", "rectangular", "two_valued"]
"""``student``: a standard deviation from repeats; ``normal``: an expanded uncertainty (k = 2) of a certificate;
``rectangular``: a half-width; ``two_valued``: plus or minus the value, nothing between (a direction of approach)."""

DIVISOR: dict[Distribution, float] = {"student": 1.0, "normal": 2.0, "rectangular": sqrt(3.0), "two_valued": 1.0}
K2_PROBABILITY = 0.954499736103642
"""What k = 2 holds of a normal distribution."""
P95 = 0.95
FOLDED_FROM_DEGREES = 1.5
"""With fewer, Student's tails are so long that a line without tails changes nothing, and their integral fails."""
TAIL_95_MAX = 8.0
"""Student's factor for 95 % with that few degrees is 7.4: a bound for the search."""
DEGREES_SHOWN_MAX = 10_000
"""Effective degrees of freedom beyond which a budget says "infinite" (None), wherever it is shown: nobody knows them to
that many digits, and Student's factor there is 2 within 0.02 %."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """One line before it is worked out. ``value`` in the unit of its budget, as its distribution takes it."""

    source: str
    kind: Literal["A", "B"]
    distribution: Distribution
    value: float
    sensitivity: float = 1.0
    degrees: float = inf

    @property
    def standard(self) -> float:
        """Its part of the combined standard uncertainty, in the unit of the budget."""
        return abs(self.value * self.sensitivity) / DIVISOR[self.distribution]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a budget. ``…_milli``: thousandths (of the budget's unit, or of 1). ``degrees`` None: infinite."""

    source: str
    kind: Literal["A", "B"]
    distribution: Distribution
    value_milli: int
    divisor_milli: int
    sensitivity_milli: int
    standard_milli: int
    degrees: int | None
    share_permille: int


@dataclass(frozen=True, slots=True)
class Budget:
    """What is measured, its lines, and what they come to. ``…_milli``: thousandths of ``unit``, rounded up.

    ``contributions`` are as they were worked with; ``lines`` are the same as they are reported. ``factor_milli`` is the
    coverage factor of ``expanded_milli``: 2000, or Student's where ``degrees`` are few.
    """

    measurand: str
    unit: Unit
    contributions: tuple[Contribution, ...]
    standard_milli: int
    degrees: int | None
    factor_milli: int
    expanded_milli: int

    @property
    def expanded(self) -> int:
        """The expanded uncertainty in whole units, rounded up."""
        return -(-self.expanded_milli // 1000)

    @property
    def interval_95_milli(self) -> int:
        """The half-width that holds 95 %; worked out from the lines when it is asked for."""
        return _up(half_width(self.contributions))

    @property
    def lines(self) -> tuple[Line, ...]:
        """The budget as it is shown: every line in whole thousandths, with its share of the variance."""
        standard = combined(self.contributions)
        return tuple(_line(each, standard) for each in self.contributions)


def effective_degrees(contributions: Sequence[Contribution]) -> float:
    """Welch-Satterthwaite (GUM G.4.1, G.2b), not yet truncated; ``inf`` where nothing was found by few repeats."""
    variance = sum(each.standard**2 for each in contributions)
    below = sum(each.standard**4 / each.degrees for each in contributions if isfinite(each.degrees))
    return variance**2 / below if below > 0.0 else inf


def combined(contributions: Sequence[Contribution]) -> float:
    """The combined standard uncertainty of uncorrelated lines (GUM 5.1.2)."""
    return sqrt(sum(each.standard**2 for each in contributions))


def coverage_factor(degrees: float, student_below: int) -> float:
    """2, or Student's factor for the same probability where the degrees of freedom are few; at least 2."""
    if degrees >= student_below:
        return 2.0
    return t_factor(K2_PROBABILITY, max(1.0, _truncated(degrees)))


def half_width(contributions: Sequence[Contribution]) -> float:
    """The half-width that holds 95 %: the largest line without tails exactly, the rest Student's t."""
    shaped = [each for each in contributions if each.distribution in {"rectangular", "two_valued"}]
    largest = max(shaped, key=lambda each: each.standard, default=None)
    if largest is None or largest.standard == 0.0:
        return _student(contributions)
    rest = [each for each in contributions if each is not largest]
    sigma, reach = combined(rest), abs(largest.value * largest.sensitivity)
    if sigma <= 1e-9 * reach:
        return reach * (P95 if largest.distribution == "rectangular" else 1.0)
    degrees = effective_degrees(rest)
    if degrees <= FOLDED_FROM_DEGREES:
        return _student(contributions)

    two_valued = largest.distribution == "two_valued"
    low, high = 0.0, reach + TAIL_95_MAX * sigma
    x = 2.0 * combined(contributions)
    for _ in range(60):  # Newton's method, kept between bounds that always hold the answer
        upper, lower = (x + reach) / sigma, (x - reach) / sigma
        below_upper, below_lower = t_below(upper, degrees), t_below(lower, degrees)
        density_upper, density_lower = t_density(upper, degrees), t_density(lower, degrees)
        if two_valued:
            held = below_upper + below_lower - 1.0
            rise = (density_upper + density_lower) / sigma
        else:
            area = _integral(upper, degrees, below_upper, density_upper)
            area -= _integral(lower, degrees, below_lower, density_lower)
            held = sigma / reach * area - 1.0
            rise = (below_upper - below_lower) / reach
        low, high = (x, high) if held < P95 else (low, x)
        following = x - (held - P95) / rise if rise > 0.0 else low
        x, before = (following if low < following < high else (low + high) / 2.0), x
        if abs(x - before) <= 1e-7 * x:
            break
    return x


def _student(contributions: Sequence[Contribution]) -> float:
    return t_factor(P95, max(1.0, effective_degrees(contributions))) * combined(contributions)


def _integral(t: float, degrees: float, below: float, density: float) -> float:
    """The integral of Student's distribution function up to ``t``, from its value and density there (degrees > 1)."""
    spread = 1.0 if degrees >= NORMAL_FROM else (degrees + t * t) / (degrees - 1.0)
    return t * below + density * spread


def budget(measurand: str, unit: Unit, contributions: Sequence[Contribution], student_below: int) -> Budget:
    """Works a budget out. ``student_below``: the policy's limit of degrees of freedom for k = 2."""
    standard, degrees = combined(contributions), effective_degrees(contributions)
    factor = coverage_factor(degrees, student_below)
    return Budget(
        measurand=measurand,
        unit=unit,
        contributions=tuple(contributions),
        standard_milli=_up(standard),
        degrees=_degrees(degrees),
        factor_milli=_up(factor),
        expanded_milli=_up(factor * standard),
    )


def _line(each: Contribution, combined_standard: float) -> Line:
    share = (each.standard / combined_standard) ** 2 if combined_standard > 0.0 else 0.0
    return Line(
        source=each.source,
        kind=each.kind,
        distribution=each.distribution,
        value_milli=round(abs(each.value) * 1000),
        divisor_milli=round(DIVISOR[each.distribution] * 1000),
        sensitivity_milli=round(each.sensitivity * 1000),
        standard_milli=round(each.standard * 1000),
        degrees=_degrees(each.degrees),
        share_permille=round(share * 1000),
    )


def _degrees(degrees: float) -> int | None:
    return None if degrees > DEGREES_SHOWN_MAX else _truncated(degrees)


def _truncated(degrees: float) -> int:
    """To the next whole number below (GUM G.4.2); 23 that lost its last bit stays 23."""
    return floor(degrees + 1e-6)


def _up(value: float) -> int:
    """Thousandths, rounded up; what is a whole thousandth but for the last bits stays it."""
    return ceil(round(value * 1000, 6))
