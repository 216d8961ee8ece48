"""Depth: what is planted is found, worked out a second time by numpy and scipy; bad series are refused."""

from dataclasses import replace
from math import sqrt
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from controller.calibration.depth import calibrate_depth
from controller.calibration.readings import Reading, ReadingRefused, depth_plan
from tests.controller.calibration.bench import changed, depth, series, with_method

SETUP = depth()
PLAN = depth_plan(SETUP.method)
SEEDS = st.integers(0, 2**32)


def noisy(seed: int, gain: float = 1.0, offset: float = 0.0) -> list[Reading]:
    """Noise of a seed: 36 numbers of their own would take minutes to shrink, and mean no more."""
    random = Random(seed)
    return series(PLAN, lambda shown, *_: (gain - 1) * shown + offset + random.randint(-30, 30))


def test_a_pen_in_order_passes_and_says_how_sure() -> None:
    found = calibrate_depth(series(PLAN, lambda *_: 0.0), SETUP)
    assert (found.verdict.outcome, found.in_tolerance, found.largest_error_um) == ("passed", True, 0)
    assert found.repeatability.standard_nm == 0
    assert found.fit.kind == "line"
    assert (found.left.gain_ppm, found.left.offset_um) == (1_000_000, 0)
    assert [line.source for line in found.budget.lines if line.standard_milli > 1000] == [
        "gauge: its certificate",
        "reference cartridge: needles off the nominal",
        "cartridge seated, pen started anew",
    ]


def test_gain_offset_and_hysteresis_that_were_planted() -> None:
    def error(shown: int, direction: str, _: int) -> float:
        return 0.04 * shown + 80 + (12 if direction == "down" else -12)

    found = calibrate_depth(series(PLAN, error), SETUP)
    assert (found.fit.gain_ppm, found.fit.offset_um) == (pytest.approx(1_040_000, abs=300), 80)
    assert found.hysteresis is not None
    assert (found.hysteresis.mean_um, found.hysteresis.significant) == (24, True)
    assert found.verdict.outcome == "failed", "172 µm at 2 mm from deeper"
    assert found.largest_error_um == 172
    assert [(each.shown_um, each.error_um) for each in found.errors][-1] == (2000, 172)


def test_a_bend_is_found_and_a_line_not_believed() -> None:
    found = calibrate_depth(series(PLAN, lambda shown, *_: 80 * shown / 1000 * (2 - shown / 1000)), SETUP)
    assert found.fit.kind == "pieces"
    assert dict(found.fit.knots_nm)[1_000_000] == 1_080_000
    assert found.fit.true_at(1250) == pytest.approx(1250 + (80 + 60) / 2, abs=1), "straight between knots"
    assert found.left.expanded_um > found.budget.expanded + 30, "what a line does not follow is in what it leaves"


@settings(max_examples=30)
@given(SEEDS)
def test_worked_out_again_as_one_least_squares_problem(seed: int) -> None:
    readings = noisy(seed, 1.02, -40)
    found = calibrate_depth(readings, SETUP)
    keys = sorted({(each.point, each.direction) for each in readings})
    hours = np.array([(each.at_ms or 0) / 3.6e6 for each in readings])
    design = np.array([[float((each.point, each.direction) == key) for key in keys] for each in readings])
    design = np.column_stack([design, hours - hours.mean()])
    errors = np.array([each.reference - each.shown for each in readings], dtype=float)
    solved = np.linalg.lstsq(design, errors, rcond=None)[0]
    degrees = len(readings) - len(keys) - 1
    repeatability = sqrt(np.sum((errors - design @ solved) ** 2) / degrees)
    assert (found.repeatability.degrees, found.repeatability.standard_nm) == (
        degrees,
        pytest.approx(repeatability * 1000, abs=1),
    )
    by_key = dict(zip(keys, solved, strict=False))
    assert all(row.error_um == pytest.approx(by_key[row.point, row.direction], abs=0.501) for row in found.rows)
    assert found.drift is not None
    assert found.drift.nm_per_h == pytest.approx(solved[-1] * 1000, abs=1)
    means = [(by_key[point, "up"] + by_key[point, "down"]) / 2 for point in range(len(PLAN.points))]
    line = stats.linregress(PLAN.points, means)
    assert found.fit.gain_ppm == pytest.approx(1e6 * (1 + line.slope), abs=1)
    assert found.fit.offset_um == pytest.approx(line.intercept, abs=0.501)


def test_the_row_budget_worked_out_by_hand() -> None:
    """At 2.00 mm without scatter, of what the example's certificates say: docs/calibration.md shows the same."""
    found = calibrate_depth([replace(each, at_ms=None) for each in series(PLAN, lambda *_: 0.0)], SETUP)
    assert found.drift is None, "without times nobody knows"
    deepest = found.rows[-1].budget
    gauge, cartridge = (3 + 0.001 * 2000) / 2, 10 / sqrt(3)
    digit, pen = 0.5 / sqrt(3), 0.5 / sqrt(3)
    tilt, temperature = 2000 * 0.02**2 / 2 / sqrt(3), 2000 * 11.5e-6 * 3.3 / sqrt(3)
    by_hand = sqrt(gauge**2 + cartridge**2 + digit**2 + pen**2 + tilt**2 + temperature**2 + 4**2)
    assert deepest.standard_milli / 1000 == pytest.approx(by_hand, abs=0.001)
    assert (deepest.factor_milli, deepest.degrees) == (2000, 231), "of the study's 19"


@settings(max_examples=30)
@given(SEEDS, st.integers(-300, 300))
def test_an_error_of_the_reference_moves_every_error_and_nothing_else(seed: int, shift: int) -> None:
    found = calibrate_depth(noisy(seed), SETUP)
    moved = calibrate_depth([replace(each, reference=each.reference + shift) for each in noisy(seed)], SETUP)
    for row, other in zip(found.rows, moved.rows, strict=True):
        assert other.error_um - row.error_um == pytest.approx(shift, abs=1)
    assert moved.repeatability == found.repeatability
    assert moved.hysteresis is not None
    assert found.hysteresis is not None
    assert moved.hysteresis.mean_nm == pytest.approx(found.hysteresis.mean_nm, abs=1)
    assert moved.hysteresis.interval_95_nm == pytest.approx(found.hysteresis.interval_95_nm, abs=1)
    assert moved.drift is not None
    assert found.drift is not None
    assert moved.drift.nm_per_h == pytest.approx(found.drift.nm_per_h, abs=1)


@settings(max_examples=30)
@given(SEEDS)
def test_what_is_left_is_less_sure_than_any_mean(seed: int) -> None:
    found = calibrate_depth(noisy(seed), SETUP)
    assert found.left.expanded_um >= max(mean.budget.expanded for mean in found.means)
    assert found.left.budget.lines[0].source == "repeatability of one setting"


def test_play_that_the_pens_own_sensor_sees_is_in_what_a_limit_takes_away() -> None:
    chance = Random(4)
    setup = depth()
    points_um, readings = setup.method.points_um, []
    for place in depth_plan(setup.method).places():
        play_um = 30 if place.direction == "down" else -30
        true_um = points_um[place.point] + play_um + round(chance.gauss(0, 2))
        readings.append(Reading(place.point, place.direction, place.repeat, shown=true_um, reference=true_um))
    result = calibrate_depth(readings, setup)
    assert result.largest_error_um == 0, "what is shown is true"
    assert result.left.expanded_um >= 60, "and what is set is 30 µm off, either way"


def test_one_direction_has_no_hysteresis_to_tell() -> None:
    setup = with_method(SETUP, directions=("up",))
    found = calibrate_depth(series(depth_plan(setup.method), lambda *_: 5.0), setup)
    assert found.hysteresis is None
    assert {row.direction for row in found.rows} == {"up"}
    assert not any("direction" in line.source for line in found.left.budget.lines)


def test_drift_within_a_series_is_told_and_taken_out() -> None:
    found = calibrate_depth(series(PLAN, lambda _, __, number: number * 1.0), SETUP)
    assert found.drift is not None
    assert found.drift.nm_per_h == pytest.approx(180_000, abs=1), "1 µm each 20 s"
    assert found.drift.significant
    assert {row.error_um for row in found.rows} <= {17, 18}, "17.5 µm, as in the middle of the series"
    assert found.hysteresis is not None
    assert found.hysteresis.mean_um == 0, "down is read later than up: that is no hysteresis"


def test_a_guard_band_makes_the_doubtful_fail() -> None:
    readings = series(PLAN, lambda *_: 145.0)
    assert calibrate_depth(readings, SETUP).verdict.outcome == "passed_on_condition"
    simple = replace(SETUP, rule=changed(SETUP.rule, guard_band_permille=0))
    assert calibrate_depth(readings, simple).verdict.outcome == "passed"


def test_one_point_that_scatters_more_than_the_rest_is_named() -> None:
    random = Random(5)

    def error(shown: int, direction: str, _: int) -> float:
        return random.gauss(0, 60 if (shown, direction) == (1000, "down") else 4)

    found = calibrate_depth(series(PLAN, error), SETUP).repeatability
    assert (found.widest_point, found.widest_direction, found.even) == (3, "down", False)
    assert found.chance_ppm < 10_000
    assert calibrate_depth(noisy(7), SETUP).repeatability.even


def test_a_series_that_is_not_sound_is_refused_whole() -> None:
    readings = series(PLAN, lambda *_: 0.0)
    with pytest.raises(ReadingRefused, match=r"line 36: 35 readings of 36"):
        calibrate_depth(readings[:-1], SETUP)


def test_the_same_readings_give_the_same_result() -> None:
    assert calibrate_depth(noisy(7), SETUP) == calibrate_depth(noisy(7), SETUP)
