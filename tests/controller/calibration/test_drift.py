"""Drift since the last certificate."""

from dataclasses import replace

import pytest
from uncertainties import ufloat

from controller.calibration.depth import calibrate_depth
from controller.calibration.drift import LeftThen, drift_since, left_then
from controller.calibration.readings import depth_plan
from tests.controller.calibration.bench import depth, series

SETUP = depth()
PLAN = depth_plan(SETUP.method)
BELOW = SETUP.rule.student_below_degrees


def test_a_pen_that_moved_by_sixty_micrometres_in_a_year() -> None:
    then = calibrate_depth(series(PLAN, lambda *_: 10.0), SETUP)
    now = calibrate_depth(series(PLAN, lambda *_: 70.0), SETUP)
    drift = drift_since(now, left_then(then), 365, BELOW)
    assert {row.drift_um for row in drift.rows} == {60}
    assert (drift.largest_um, drift.um_per_year, drift.significant) == (60, 60, True)
    by_hand = ufloat(70, now.means[0].budget.standard_milli) - ufloat(10, then.means[0].budget.expanded_milli / 2)
    assert drift.rows[0].budget.standard_milli == pytest.approx(by_hand.s, abs=5)
    assert drift.rows[0].en_milli == pytest.approx(60e6 / drift.rows[0].budget.expanded_milli, abs=1)


def test_within_both_uncertainties_nothing_is_claimed() -> None:
    then = calibrate_depth(series(PLAN, lambda *_: 10.0), SETUP)
    now = calibrate_depth(series(PLAN, lambda *_: 15.0), SETUP)
    drift = drift_since(now, left_then(then), 100, BELOW)
    assert not drift.significant
    assert drift.largest_um == 5


def test_other_points_then_are_read_between() -> None:
    now = calibrate_depth(series(PLAN, lambda *_: 0.0), SETUP)
    last = [LeftThen(2000, 40, 15_000), LeftThen(0, 0, 15_000)]
    drift = drift_since(now, last, 365, BELOW)
    assert [row.left_error_um for row in drift.rows] == [5, 10, 15, 20, 30, 40]
    assert [row.drift_um for row in drift.rows] == [-5, -10, -15, -20, -30, -40]


def test_on_the_same_day_there_is_no_rate() -> None:
    now = calibrate_depth(series(PLAN, lambda *_: 3.0), SETUP)
    assert drift_since(now, left_then(now), 0, BELOW).um_per_year is None


def test_one_depth_tells_no_drift() -> None:
    now = calibrate_depth(series(PLAN, lambda *_: 3.0), SETUP)
    with pytest.raises(ValueError, match="two depths or more"):
        drift_since(now, [replace(left_then(now)[0])], 365, BELOW)
