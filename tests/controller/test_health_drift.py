"""How a pen's depth wanders between calibrations: from walks whose drift is known."""

import random

import pytest
from scipy import stats

from controller.calibration.student import t_factor
from controller.health.drift import Calibrated, Drift, drift, leaves_tolerance
from controller.health.policy import load_health_policy

POLICY = load_health_policy().forecast.model_copy(update={"horizon_days": 1500, "reach_times": 20})
EVERY = 180


def walk(
    per_day: float, chance: float, *, stretches: int = 6, standard: float = 5.0, seed: int = 1
) -> list[Calibrated]:
    """Calibrations half a year apart of a pen that drifts and wanders, measured with an uncertainty of its own."""
    dice = random.Random(seed)
    found = [Calibrated(0, 0, 0, standard)]
    error = dice.gauss(0, standard)
    for number in range(1, stretches + 1):
        error += per_day * EVERY + dice.gauss(0, chance * EVERY**0.5)
        measured = error + dice.gauss(0, standard)
        error = dice.gauss(0, standard)  # what is left is off by what measuring is
        found.append(Calibrated(EVERY * number, measured, 0, standard))
    return found


def test_one_stretch_counts_for_what_its_measurements_are_worth() -> None:
    found = drift([Calibrated(0, 0, 2, 5), Calibrated(100, 42, 1, 5)])
    assert found is not None
    assert (found.stretches, found.per_day, found.left) == (1, pytest.approx(0.4), 1)
    assert found.per_day_standard == pytest.approx(50**0.5 / 100)
    said = leaves_tolerance(found, 150, now=100, policy=POLICY)
    assert said.state == "leaving"
    assert said.day == pytest.approx(100 + 149 / 0.4, abs=1)
    assert "only the uncertainty of measuring" in said.because


def test_one_calibration_or_none_says_nothing() -> None:
    for known in ([], [Calibrated(0, 5, 1, 5)], [Calibrated(9, 5, 1, 5), Calibrated(9, 5, 1, 5)]):
        assert drift(known) is None
        assert leaves_tolerance(drift(known), 150, now=0, policy=POLICY).state == "too_few"


def test_a_stretch_in_which_it_was_opened_or_dropped_is_no_wear() -> None:
    known = [Calibrated(0, 0, 0, 5), Calibrated(100, 300, 0, 5), Calibrated(200, 10, 0, 5), Calibrated(300, 12, 0, 5)]
    whole, wear = drift(known), drift(known, broken=[40])
    assert whole is not None
    assert wear is not None
    assert whole.per_day == pytest.approx(322 / 300)
    assert (wear.stretches, wear.per_day) == (2, pytest.approx(22 / 200))
    assert drift(known, broken=[40, 140, 240]) is None


def test_an_error_that_first_grows_smaller_leaves_on_the_other_side() -> None:
    found = Drift(0, -100, 0.0, 3, 500, 0.5, 0.0, 0.0, 2)
    said = leaves_tolerance(found, 150, now=0, policy=POLICY)
    assert said.day == 501
    assert found.chance_out(400, 150) == 0.0
    assert found.chance_out(501, 150) == 1.0


def test_already_out_is_told() -> None:
    found = Drift(0, 0, 5, 3, 500, 0.5, 0.01, 0.2, 2)
    assert leaves_tolerance(found, 150, now=400, policy=POLICY).state == "left"


def test_the_interval_holds_the_day_on_which_the_walk_leaves() -> None:
    """Walks of known drift and chance, 1 000 fixed seeds: the true day lies in the 90 % interval in 86 to 97 %.

    The ends are of the error on each day, the walk leaves when it first does: so not exactly 90.
    """
    held = told = 0
    for seed in range(1000):
        per_day, chance = 0.35, 1.0
        found = drift(walk(per_day, chance, seed=seed))
        assert found is not None
        said = leaves_tolerance(found, 150, now=found.day, policy=POLICY)
        dice = random.Random(seed + 10_000)
        error, day = dice.gauss(0, 5), found.day
        while abs(error) <= 150:
            error += per_day + dice.gauss(0, chance)
            day += 1
        if said.earliest is not None:
            told += 1
            held += said.earliest <= day <= (said.latest if said.latest is not None else float("inf"))
    assert told > 950
    assert 0.86 <= held / told <= 0.97


def test_the_error_a_year_ahead_lies_in_its_interval_as_often_as_it_says() -> None:
    """1 000 fixed seeds, 90 %: what a chance to be out of tolerance is made of."""
    held = 0
    for seed in range(1000):
        found = drift(walk(0.3, 1.2, seed=seed))
        assert found is not None
        dice = random.Random(seed + 50_000)
        error = dice.gauss(0, 5) + 0.3 * 365 + dice.gauss(0, 1.2 * 365**0.5)
        ahead = found.day + 365
        held += abs(error - found.error(ahead)) <= t_factor(0.9, found.freedom) * found.deviation(ahead)
    assert 0.87 <= held / 1000 <= 0.93


def test_the_chance_to_be_out_grows_with_time_and_is_one_half_where_the_line_meets_the_limit() -> None:
    found = Drift(0, 0, 5, 5, 900, 0.3, 0.02, 1.0, 4)
    chances = [found.chance_out(day, 150) for day in range(0, 1000, 50)]
    assert chances == sorted(chances)
    assert found.chance_out(500, 150) == pytest.approx(0.5, abs=0.01)
    assert found.chance_out(500, 150) == pytest.approx(
        stats.t.sf(0, 4) + stats.t.cdf(-300 / found.deviation(500), 4), rel=1e-9
    )
