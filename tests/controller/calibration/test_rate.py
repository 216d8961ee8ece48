"""Rate: gain, what is delivered of what is set, droop; worked out a second time."""

from collections.abc import Callable
from dataclasses import replace
from math import sqrt
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uncertainties import ufloat

from controller.calibration.droop import held_braked
from controller.calibration.rate import calibrate_rate
from controller.calibration.readings import Reading, ReadingRefused, load_plan, rate_plan
from tests.controller.calibration.bench import rate, series, with_method

SETUP = rate()
PLAN, LOADED = rate_plan(SETUP.method), load_plan(SETUP.method)
UNDER_LOAD = series(LOADED, lambda shown, *_: -0.08 * shown)


def delivered(readings: list[Reading], part: float) -> list[Reading]:
    """The same, by a pen that turns slower than it is set, and knows."""
    return [replace(each, shown=round(each.shown * part), reference=round(each.reference * part)) for each in readings]


def test_a_gain_that_was_planted_and_set_that_is_not_delivered() -> None:
    readings = delivered(series(PLAN, lambda shown, *_: 0.02 * shown), 0.9)
    found = calibrate_rate(readings, SETUP, delivered(UNDER_LOAD, 0.9 * 1.02))
    assert found.gain_ppm == pytest.approx(1_020_000, abs=20)
    assert {round(row.delivered_ppm, -3) for row in found.rows} == {-82_000}
    assert found.in_tolerance, "2 % within 5 %, droop 8 % within 20 %"
    assert [droop.droop_ppm for droop in found.droops] == [pytest.approx(80_000, abs=20)] * 2


def test_droop_as_uncertainties_propagates_it() -> None:
    readings = series(PLAN, lambda _, __, number: 40.0 * (number % 3))
    droop = calibrate_rate(readings, SETUP, UNDER_LOAD).droops[0]
    assert SETUP.load is not None
    digit = SETUP.tachometer.resolution_mhz / sqrt(12)
    free = ufloat(droop.free_mhz, digit) + ufloat(0, droop.budget.lines[1].standard_milli / 1e9 * droop.free_mhz)
    loaded = ufloat(droop.loaded_mhz, digit)
    load = ufloat(1, SETUP.load.expanded_ppm / 2e6)
    by_hand = (1 - loaded / free) / load * 1_000_000
    assert droop.droop_ppm == pytest.approx(by_hand.n, abs=20)
    assert droop.budget.standard_milli / 1000 == pytest.approx(by_hand.s, rel=0.1)


def test_too_much_droop_is_out_of_order_even_where_rate_is_shown_truly() -> None:
    found = calibrate_rate(series(PLAN, lambda *_: 0.0), SETUP, series(LOADED, lambda shown, *_: -0.3 * shown))
    assert found.verdict.in_tolerance
    assert not found.in_tolerance
    assert {droop.verdict.outcome for droop in found.droops} == {"failed"}


@pytest.mark.parametrize("part", [0.0, 0.001, -0.002, 0.05])
def test_a_load_that_was_not_on_is_no_droop_of_0(part: float) -> None:
    """Nor is a pen that turns faster under its load one that droops little: 0.2 % are within what 4 Hz here scatter."""
    scattering = series(PLAN, lambda _, __, number: 400.0 * (number % 3 - 1))
    loaded = series(LOADED, lambda shown, *_: part * shown)
    with pytest.raises(ReadingRefused, match=r"line 1: .* not slower .* nothing shows that the load was on") as told:
        calibrate_rate(scattering, SETUP, loaded)
    assert told.value.because == "load_not_felt"


def taking(readings: list[Reading], current_ma: Callable[[int], int]) -> list[Reading]:
    """The same, with what the motor took."""
    return [replace(each, current_ma=current_ma(number)) for number, each in enumerate(readings)]


def test_a_motor_that_takes_no_more_current_had_no_load() -> None:
    """A battery that runs low is slower, too."""
    free = taking(series(PLAN, lambda *_: 0.0), lambda number: 60 + number % 2)
    assert calibrate_rate(free, SETUP, taking(UNDER_LOAD, lambda _: 70)).in_tolerance
    for current_ma in (61, 60, 50):
        with pytest.raises(ReadingRefused, match=rf"takes {current_ma} mA, and without it 6[01] mA") as told:
            calibrate_rate(free, SETUP, taking(UNDER_LOAD, lambda _, taken=current_ma: taken))
        assert told.value.because == "load_not_felt"
    assert calibrate_rate(free, SETUP, UNDER_LOAD).in_tolerance, "nobody noted it"


@settings(max_examples=40)
@given(st.integers(0, 2**32))
def test_one_reading_tells_a_load_from_none(seed: int) -> None:
    random = Random(seed)
    free = series(PLAN, lambda shown, *_: random.gauss(0, shown * 1e-3))
    loaded, forgotten = UNDER_LOAD[0], series(LOADED, lambda *_: random.gauss(0, 20))[0]
    held_braked(loaded, free, SETUP, 1)
    with pytest.raises(ReadingRefused, match="line 4: "):
        held_braked(forgotten, free, SETUP, 4)


def test_one_gain_that_does_not_do_is_said_and_counted() -> None:
    found = calibrate_rate(series(PLAN, lambda shown, *_: 0.03 * shown * shown / 150_000), SETUP, UNDER_LOAD)
    assert found.test.sentence.startswith("Each rate apart: one gain misses a point by")
    assert found.left_budget.expanded > 20_000
    assert found.left_budget.expanded > 5 * found.gain_budget.expanded


def test_without_a_load_there_is_no_droop() -> None:
    setup = replace(with_method(SETUP, load=None, load_points_mhz=(), droop_max_ppm=None), load=None)
    assert calibrate_rate(series(PLAN, lambda *_: 0.0), setup).droops == ()


def test_a_method_with_a_load_is_not_done_without_it() -> None:
    with pytest.raises(ReadingRefused, match=r"line 1: 0 readings of 10"):
        calibrate_rate(series(PLAN, lambda *_: 0.0), SETUP)


@settings(max_examples=30)
@given(st.integers(0, 2**32))
def test_gain_and_its_uncertainty_worked_out_again(seed: int) -> None:
    random = Random(seed)
    readings = [replace(each, at_ms=None) for each in series(PLAN, lambda *_: random.randint(-300, 300))]
    found = calibrate_rate(readings, SETUP, UNDER_LOAD)
    errors = np.array([(each.reference - each.shown) / each.shown * 1e6 for each in readings])
    groups = np.array([each.point * 2 + (each.direction == "down") for each in readings])
    assert found.gain_ppm == pytest.approx(1e6 + errors.mean(), abs=1)
    within = sum(np.sum((errors[groups == group] - errors[groups == group].mean()) ** 2) for group in set(groups))
    repeatability = sqrt(within / (len(errors) - len(set(groups))))
    assert found.repeatability_ppm == pytest.approx(repeatability, abs=1)
    tachometer = SETUP.tachometer
    digit = tachometer.resolution_mhz / sqrt(12) / 40_000 * 1e6
    shown = 1 / sqrt(12) / 40_000 * 1e6
    by_hand = sqrt(repeatability**2 / len(errors) + (tachometer.expanded_ppm / 2) ** 2 + digit**2 + shown**2)
    assert found.gain_budget.standard_milli / 1000 == pytest.approx(by_hand, rel=1e-3)
