"""Student's t, Fisher's F, chi-square and the normal distribution. Standard library only.

Sources: Abramowitz and Stegun 26.4 to 26.7; the continued fraction is evaluated by Lentz' method. The tests hold
every function against scipy, to eight digits or more.
"""

from functools import lru_cache
from math import copysign, erf, exp, inf, lgamma, log, pi, sqrt

NORMAL_FROM = 1e5
"""Degrees of freedom from which Student's t is taken as normal: its factors then differ by a hundred-thousandth."""
_TINY = 1e-300
_STEPS_MAX = 10_000
_NEWTON_MAX = 200


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of the incomplete beta function; converges fast for x < (a + 1)/(a + b + 2)."""
    numerator, denominator = 1.0, 1.0 / max(1.0 - (a + b) * x / (a + 1.0), _TINY)
    value = denominator
    for step in range(1, _STEPS_MAX):
        twice = 2 * step
        even = step * (b - step) * x / ((a + twice - 1.0) * (a + twice))
        odd = -(a + step) * (a + b + step) * x / ((a + twice) * (a + twice + 1.0))
        denominator = 1.0 / ((1.0 + even * denominator) or _TINY)
        numerator = (1.0 + even / numerator) or _TINY
        value *= numerator * denominator
        denominator = 1.0 / ((1.0 + odd * denominator) or _TINY)
        numerator = (1.0 + odd / numerator) or _TINY
        change = numerator * denominator
        value *= change
        if -1e-14 < change - 1.0 < 1e-14:
            break
    return value


def incomplete_beta(x: float, a: float, b: float) -> float:
    """I_x(a, b), regularised, for 0 ≤ x ≤ 1 and positive a and b."""
    if x <= 0.0 or x >= 1.0:
        return 0.0 if x <= 0.0 else 1.0
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(1.0 - x))
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _fraction(x, a, b) / a
    return 1.0 - front * _fraction(1.0 - x, b, a) / b


def t_density(t: float, degrees: float) -> float:
    """Student's density with that many degrees of freedom; ``inf``: the normal one."""
    if degrees >= NORMAL_FROM:
        return exp(-t * t / 2.0) / sqrt(2.0 * pi)
    scale = lgamma((degrees + 1.0) / 2.0) - lgamma(degrees / 2.0) - log(degrees * pi) / 2.0
    return exp(scale - (degrees + 1.0) / 2.0 * log(1.0 + t * t / degrees))


def t_below(t: float, degrees: float) -> float:
    """The probability that Student's t is below ``t``."""
    if degrees >= NORMAL_FROM:
        return 0.5 * (1.0 + erf(t / sqrt(2.0)))
    if t * t < degrees:  # from the middle: from the tail, the digits of a small t are lost
        return 0.5 + copysign(0.5 * incomplete_beta(t * t / (degrees + t * t), 0.5, degrees / 2.0), t)
    tail = 0.5 * incomplete_beta(degrees / (degrees + t * t), degrees / 2.0, 0.5)
    return tail if t < 0.0 else 1.0 - tail


@lru_cache(maxsize=4096)
def t_factor(probability: float, degrees: float) -> float:
    """How many standard uncertainties to both sides hold ``probability``; GUM table G.2."""
    factor = 0.0
    for _ in range(_NEWTON_MAX):  # the distribution is concave above 0: each step stays below the answer
        step = (probability - 2.0 * t_below(factor, degrees) + 1.0) / (2.0 * t_density(factor, degrees))
        factor += step
        if step <= 1e-13 * factor:
            break
    return factor


def chi_square_below(value: float, degrees: float) -> float:
    """The probability that chi-square is below ``value``, by the series of the incomplete gamma function."""
    if value <= 0.0:
        return 0.0
    half, x = degrees / 2.0, value / 2.0
    term = total = 1.0 / half
    for step in range(1, _STEPS_MAX):
        term *= x / (half + step)
        total += term
        if term < 1e-16 * total:
            break
    return total * exp(half * log(x) - x - lgamma(half))


@lru_cache(maxsize=4096)
def chi_square(probability: float, degrees: float) -> float:
    """The value that chi-square is below with ``probability``: Wilson and Hilferty's (26.4.17), then Newton's steps."""
    z = (1.0 if probability >= 0.5 else -1.0) * t_factor(abs(2.0 * probability - 1.0), NORMAL_FROM)
    part = 2.0 / (9.0 * degrees)
    value = degrees * max(0.05, 1.0 - part + z * sqrt(part)) ** 3
    half = degrees / 2.0
    for _ in range(_NEWTON_MAX):
        density = exp((half - 1.0) * log(value / 2.0) - value / 2.0 - lgamma(half)) / 2.0
        step = (probability - chi_square_below(value, degrees)) / density
        value = max(value / 2.0, value + step)
        if abs(step) < 1e-12 * value:
            break
    return value


def f_above(ratio: float, between: float, within: float) -> float:
    """The probability that Fisher's F with these degrees of freedom is above ``ratio``."""
    if ratio <= 0.0:
        return 1.0
    if ratio == inf:
        return 0.0
    return incomplete_beta(within / (within + between * ratio), within / 2.0, between / 2.0)
