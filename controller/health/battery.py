"""How many minutes of treating are left in a battery, from what treatments took out of it before."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev
from typing import NamedTuple

from controller.calibration.student import t_factor
from controller.health.policy import BatteryPolicy

_S_PER_MIN = 60
_SAME_DAY_S = 6 * 3600
_LEAST_RUN_S = 60
_LEAST_FALL_PERMILLE = 5
"""Charge is told in steps of a thousandth, or coarser: a smaller fall says nothing of a rate."""


class Charge(NamedTuple):
    """Charge in ‰ at a moment (s), and the time the motor had run until then (s)."""

    at_s: float
    run_s: int
    permille: int


@dataclass(frozen=True, slots=True)
class MinutesLeft:
    """Minutes of treating until the reserve; ``at_least`` and ``at_most`` at the confidence. ``because``: from what.

    A confidence of None: nothing was counted that could have one, both ends are by the policy's assumption.
    """

    minutes: int
    at_least: int
    at_most: int
    confidence_percent: int | None
    because: str


def loads(charges: Sequence[Charge]) -> list[float]:
    """What treatments took, in ‰ a minute of motor, one for each stretch with nothing charged in between."""
    found = []
    for before, later in itertools.pairwise(charges):
        fell, ran = before.permille - later.permille, later.run_s - before.run_s
        if later.at_s - before.at_s <= _SAME_DAY_S and ran >= _LEAST_RUN_S and fell >= _LEAST_FALL_PERMILLE:
            found.append(fell * _S_PER_MIN / ran)
    return found


def minutes_left(
    charge_permille: int, taken: Sequence[float], *, policy: BatteryPolicy, confidence_percent: int
) -> MinutesLeft | None:
    """Minutes left at the load of treatments so far (:func:`loads`); None where nothing is known of it.

    With three treatments or more, the interval is where the next one's load will be; with fewer, what the policy says
    of how loads differ.
    """
    if not taken:
        return None
    usable = max(0, charge_permille - policy.reserve_permille)
    load = fmean(taken)
    if len(taken) >= 3:
        reach = t_factor(confidence_percent / 100, len(taken) - 1) * stdev(taken) * sqrt(1 + 1 / len(taken))
        because = f"{len(taken)} treatments took {load:.1f} ‰ a minute"
        return _left(usable, load, reach, confidence_percent, because)
    reach = load * policy.load_spread_percent / 100
    because = f"{'one treatment' if len(taken) == 1 else 'two treatments'} took {load:.1f} ‰ a minute"
    return _left(usable, load, reach, None, because)


def minutes_left_at_current(
    charge_permille: int,
    current_ma: int,
    *,
    battery_mah: int,
    capacity_permille: int | None,
    policy: BatteryPolicy,
) -> MinutesLeft | None:
    """Minutes left at a current, from the data sheet's capacity and what the pen says is left of it; None at none.

    A pen that does not say what is left of its capacity may have anything between the limit and all of it.
    """
    if current_ma <= 0:
        return None
    usable = max(0, charge_permille - policy.reserve_permille)
    known = capacity_permille if capacity_permille is not None else (1000 + policy.capacity_least_permille) // 2
    load = current_ma * 1000 / (battery_mah * known / 1000) / _S_PER_MIN
    doubt = policy.load_spread_percent / 100
    if capacity_permille is None:
        doubt = sqrt(doubt**2 + ((1000 - policy.capacity_least_permille) / 2 / known) ** 2)
    because = f"{current_ma} mA now, {battery_mah} mA·h in the data sheet"
    return _left(usable, load, load * doubt, None, because)


def _left(usable: int, load: float, reach: float, confidence_percent: int | None, because: str) -> MinutesLeft:
    least = load - reach
    most = usable / least if least > 0 else usable * 10 / load
    return MinutesLeft(
        int(usable / load), int(usable / (load + reach)), int(min(most, usable * 10 / load)),
        confidence_percent, because,
    )  # fmt: skip
