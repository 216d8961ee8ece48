"""How large a share may be of which some were counted (Clopper and Pearson's upper end), and ranks of measurements."""

from collections.abc import Sequence

from controller.calibration.student import incomplete_beta


def at_most(bad: int, of: int, confidence: float) -> float:
    """The greatest share, 0 to 1, that ``bad`` among ``of`` still agree with at a one-sided confidence.

    None found in 4 000 is not none: at 95 % the share may be 3 in 4 000. Raises ValueError for counts that are none.
    """
    if not 0 <= bad <= of or of == 0:
        raise ValueError(f"{bad} among {of} is no share")
    if bad == of:
        return 1.0
    low, high = bad / of, 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        if incomplete_beta(middle, bad + 1, of - bad) < confidence:
            low = middle
        else:
            high = middle
    return high


def rank(values: Sequence[float], share: float) -> float:
    """The value that a ``share`` of the values, 0 to 1, is at or below, by nearest rank. Raises ValueError for none."""
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * round(share * 1000) // 1000) - 1)]
