"""Student's t: how far to go on both sides of an estimate that rests on few readings. Standard library only.

The distribution function is the regularised incomplete beta function, by Lentz's continued fraction (NIST Digital
Library of Mathematical Functions, 8.17.22); held against an independent computation in the tests.
"""

from math import exp, lgamma, log, sqrt
from statistics import NormalDist

_TINY = 1e-300
_CLOSE = 1e-14
_TERMS = 500


def two_sided(confidence: float, freedom: int | None) -> float:
    """The factor t that covers ``confidence`` (0 to 1) on both sides with so many degrees of freedom.

    ``freedom`` None is known exactly: the normal distribution's. Raises ValueError for none, or a confidence of 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence is between 0 and 1, not {confidence}")
    if freedom is None:
        return NormalDist().inv_cdf((1 + confidence) / 2)
    if freedom < 1:
        raise ValueError("an estimate without a degree of freedom has no interval")
    low, high = 0.0, 2.0
    while 1 - 2 * beyond(high, freedom) < confidence:
        high *= 2
    while high - low > 1e-10 * high:
        middle = (low + high) / 2
        if 1 - 2 * beyond(middle, freedom) < confidence:
            low = middle
        else:
            high = middle
    return high


def beyond(t: float, freedom: int | None) -> float:
    """The chance to come out above ``t``."""
    if freedom is None:
        return NormalDist().cdf(-t)
    if t < 0:
        return 1 - beyond(-t, freedom)
    return beta_share(freedom / (freedom + t * t), freedom / 2, 0.5) / 2


def beta_share(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b), 0 ≤ x ≤ 1."""
    if x <= 0 or x >= 1:
        return min(max(x, 0.0), 1.0)
    if x > (a + 1) / (a + b + 2):  # the fraction converges quickly below this, the other one above
        return 1 - beta_share(1 - x, b, a)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(1 - x)) / a
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1))
    total = d
    for m in range(1, _TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _away(1 + term * d)
            c = _away(1 + term / c)
            total *= c * d
        if abs(c * d - 1) < _CLOSE:
            break
    return front * total


def _away(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def root_of_squares(*parts: float) -> float:
    """Independent standard uncertainties, combined."""
    return sqrt(sum(part * part for part in parts))
