"""The table that corrects a pen: after it, and through any table before it, errors are gone."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.calibration.adjustment import IDENTITY, Adjustment, adjustment_for
from controller.calibration.depth import calibrate_depth
from controller.calibration.rate import calibrate_rate
from controller.calibration.readings import Reading, depth_plan, load_plan, rate_plan
from controller.errors import ControlRefused
from tests.controller.calibration.bench import depth, rate, series, with_method

SETUP = depth()
PLAN = depth_plan(SETUP.method)


def read_through(table: Adjustment, gain: float, offset: float, bend: float) -> list[Reading]:
    """A series of a pen whose scale lies that way, and which corrects itself by a table it already has."""

    def error(shown: int, *_: object) -> float:
        scale = table.scale_at(shown)
        return gain * scale + offset + bend * scale / 1000 * (2.5 - scale / 1000) - shown

    return series(PLAN, error)


@settings(max_examples=40)
@given(st.floats(0.93, 1.07), st.floats(-90.0, 90.0), st.sampled_from([0.0, 0.0, 60.0, -60.0]))
def test_what_was_found_is_gone_after_it_and_again_after_the_next(gain: float, offset: float, bend: float) -> None:
    table = adjustment_for(calibrate_depth(read_through(IDENTITY, gain, offset, bend), SETUP), None, IDENTITY)
    as_left = calibrate_depth(read_through(table, gain, offset, bend), SETUP)
    assert abs(as_left.largest_error_um) <= 16, "a line may leave 10 µm at the points, and more between and beyond"
    again = adjustment_for(as_left, None, table)
    assert abs(calibrate_depth(read_through(again, gain, offset, bend), SETUP).largest_error_um) <= 16
    for held in (table, again):
        assert 2 <= len(held.shown_um) <= 16
        assert all(low < high for low, high in pairwise(held.shown_um))
        assert all(low < high for low, high in pairwise(held.true_um))


@settings(max_examples=40)
@given(st.floats(0.93, 1.07), st.floats(-90.0, 90.0))
def test_a_table_is_rounded_once(gain: float, offset: float) -> None:
    """Its whole µm are the nearest to the line itself: an offset that was rounded before would put some 1 µm off."""
    readings = read_through(IDENTITY, gain, offset, 0)
    table = adjustment_for(calibrate_depth(readings, SETUP), None, IDENTITY)
    slope, at_0 = np.polyfit([each.shown for each in readings], [each.reference for each in readings], 1)
    for shown, true in zip(table.shown_um, table.true_um, strict=True):
        assert abs(true - (slope * shown + at_0)) <= 0.502


def test_a_straight_pen_gets_two_points() -> None:
    table = adjustment_for(calibrate_depth(read_through(IDENTITY, 1.04, 80, 0), SETUP), None, IDENTITY)
    assert table == Adjustment((250, 2000), (340, 2160), 1_000_000)


def test_tables_on_tables_stay_within_what_a_pen_holds() -> None:
    points = tuple(range(0, 2500, 160))
    before = Adjustment(points, tuple(point + (point // 160) % 3 for point in points))
    assert len(before.shown_um) == 16
    table = adjustment_for(calibrate_depth(read_through(before, 1.0, 0, 60), SETUP), None, before)
    assert len(table.shown_um) == 16
    assert abs(calibrate_depth(read_through(table, 1.0, 0, 60), SETUP).largest_error_um) <= 15


def test_rate_multiplies_and_depth_stays_as_it_was() -> None:
    setup = rate()
    found = calibrate_rate(
        series(rate_plan(setup.method), lambda shown, *_: 0.02 * shown), setup,
        series(load_plan(setup.method), lambda *_: 0.0),
    )  # fmt: skip
    before = Adjustment((0, 2000), (10, 2020), 990_000)
    table = adjustment_for(None, found, before)
    assert (table.shown_um, table.true_um) == (before.shown_um, before.true_um)
    assert table.rate_gain_ppm == pytest.approx(990_000 * 1.02, abs=20)
    assert adjustment_for(None, None, before) == before


def test_a_table_the_wire_cannot_carry_is_refused() -> None:
    setup = with_method(SETUP, absurd_um=60_000)
    found = calibrate_depth(series(depth_plan(setup.method), lambda shown, *_: shown * 20), setup)
    with pytest.raises(ControlRefused, match=r"does not fit into it.*Nothing was written"):
        adjustment_for(found, None, IDENTITY)


@given(st.floats(-500.0, 3000.0))
def test_there_and_back(depth_um: float) -> None:
    table = Adjustment((0, 1000, 2500), (15, 1080, 2400))
    assert table.scale_at(table.true_at(depth_um)) == pytest.approx(depth_um, abs=1e-6)
    assert IDENTITY.scale_at(depth_um) == IDENTITY.true_at(depth_um) == depth_um
