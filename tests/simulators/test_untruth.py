"""Pens that are not true: the needles are where the untruth puts them, and the pen shows its scale."""

from dataclasses import replace
from datetime import date
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.adjustment import AdjustmentTable
from simulators.errors import BadUntruth
from simulators.pen import SimulatedPen
from simulators.personality import NW_1, NW_2
from simulators.untruth import Untruth, parse_untruth

TODAY = date(2026, 5, 4)
STIFF = replace(NW_2, plant=replace(NW_2.plant, backlash_um=0.0))
"""NW-2 without the play that its own sensor sees."""


def untrue(model=STIFF, seed=1, **untruth):
    return SimulatedPen(model, rng=Random(seed), today=TODAY, noisy=False, untruth=Untruth(**untruth))


def drive(pen, depth_um, rate_hz=100.0, ms=400):
    """Drives the mechanism as the firmware would, off skin, and lets it settle."""
    pen.plant.hold_on("air", touching=False)
    adjustment = pen.memory.adjustment
    pen.plant.drive(adjustment.scale_of(float(depth_um)), rate_hz / adjustment.rate_gain)
    for _ in range(ms):
        pen.plant.step(0.001)
    return pen.plant.protrusion_um


@pytest.mark.parametrize("depth_um", [0, 250, 1250, 2500])
def test_the_needles_are_where_gain_offset_and_bend_put_them(depth_um):
    pen = untrue(gain_ppm=1_040_000, offset_um=80, bend_um=-60)
    share = depth_um / 2500
    true_um = 1.04 * depth_um + 80 - 60 * 4 * share * (1 - share)
    assert drive(pen, depth_um) == pytest.approx(true_um, abs=1e-6)
    assert pen.plant.carriage_um == depth_um
    assert pen.firmware._sensors.depth_um() == depth_um
    assert (pen.truth.protrusion_um, pen.truth.scale_um) == pytest.approx((true_um, depth_um))


def test_hysteresis_is_half_its_play_behind_and_not_seen_by_the_scale():
    pen = untrue(hysteresis_um=60)
    up = drive(pen, 1000)
    assert drive(pen, 2000) == pytest.approx(1970)
    down = drive(pen, 1000)
    assert (up, down) == (pytest.approx(970), pytest.approx(1030))
    assert pen.plant.carriage_um == 1000


def test_noise_is_drawn_for_each_drive_to_a_depth_and_not_between():
    pen = untrue(noise_um=10)
    found = []
    for _ in range(200):
        found.append(drive(pen, 1000, ms=100) - 1000)
        drive(pen, 1000, ms=20)
        assert pen.plant.protrusion_um - 1000 == found[-1]
        drive(pen, 500, ms=100)
    assert sum(found) / 200 == pytest.approx(0, abs=3)
    assert (sum(each**2 for each in found) / 200) ** 0.5 == pytest.approx(10, rel=0.15)


def test_drift_goes_by_hours_and_shows_at_the_next_drive():
    pen = untrue(drift_um_per_h=60)
    pen.age(0.5)
    assert drive(pen, 1000) == pytest.approx(1030, abs=0.1)
    pen.plant.release()
    pen.advance(1_800_000)
    assert drive(pen, 1000) == pytest.approx(1060, abs=0.1)


def test_the_rate_is_so_many_times_what_is_shown():
    pen = untrue(rate_gain_ppm=950_000)
    drive(pen, 1000, rate_hz=100, ms=600)
    assert pen.truth.rate_hz == pytest.approx(95, rel=0.002)
    assert pen.firmware._sensors.rate_mhz() == pytest.approx(100_000, rel=0.002)


def test_the_right_table_makes_it_true():
    pen = untrue(gain_ppm=1_040_000, offset_um=80, rate_gain_ppm=950_000)
    pen.memory.adjustment = AdjustmentTable(1, 950_000, (0, 2500), (80, 2680))
    assert drive(pen, 1000, rate_hz=95, ms=600) == pytest.approx(1000, abs=0.01)
    assert pen.firmware._sensors.depth_um() == 1000
    assert pen.truth.rate_hz == pytest.approx(95, rel=0.002)
    assert pen.firmware._sensors.rate_mhz() == pytest.approx(95_000, rel=0.002)


def test_a_pen_without_a_table_can_be_untrue_too():
    pen = untrue(model=NW_1, offset_um=100)
    assert drive(pen, 1000) == pytest.approx(1090)
    assert pen.firmware._sensors.depth_um() == 990


@given(
    gain_ppm=st.integers(900_000, 1_100_000),
    offset_um=st.integers(-150, 120),
    bend_um=st.integers(-100, 100),
    hysteresis_um=st.integers(0, 60),
    depths_um=st.lists(st.integers(0, 2500), min_size=1, max_size=6),
)
def test_the_scale_never_sees_the_untruth_and_the_needles_never_leave_it(
    gain_ppm, offset_um, bend_um, hysteresis_um, depths_um
):
    untruth = Untruth(gain_ppm, offset_um, bend_um, hysteresis_um)
    pen = SimulatedPen(STIFF, rng=Random(1), today=TODAY, noisy=False, untruth=untruth)
    for depth_um in depths_um:
        drive(pen, depth_um, ms=200)
        assert pen.plant.carriage_um == depth_um
        span = [untruth.true_of(depth_um + half, 2500) for half in (-hysteresis_um / 2, hysteresis_um / 2)]
        assert span[0] - 1e-6 <= pen.plant.protrusion_um <= span[1] + 1e-6


@given(untruth=st.builds(Untruth, st.integers(800_000, 1_200_000), st.integers(-200, 100), st.integers(-150, 150)),
       carriage_um=st.floats(-300, 2700), deeper_um=st.floats(0, 500))  # fmt: skip
def test_what_a_watch_leans_on_holds(untruth, carriage_um, deeper_um):
    pen = SimulatedPen(STIFF, rng=Random(1), today=TODAY, noisy=False, untruth=untruth)
    pen.plant.carriage_um = carriage_um + deeper_um
    pen.plant._move_carriage(carriage_um + deeper_um, 0.0)
    assert pen.plant.protrusion_um >= pen.plant.least_protrusion_at(carriage_um) - 1e-6


def test_over_depth_is_told_by_the_scale(make_bench):
    """The pen sees its scale alone: needles that are truly too deep are no fault to it, a scale too deep is."""
    bench = make_bench(STIFF)
    bench.pen.swap("NW2-000002", Untruth(offset_um=150))
    bench.advance(100)
    bench.ready().run(1000, depth_um=1500)
    assert bench.pen.truth.protrusion_um == pytest.approx(1650)
    assert not bench.pen.truth.faults
    bench.pen.plant.drive_offset_um = 200
    bench.setpoint(depth_um=1500)
    bench.advance(100)
    assert bench.pen.truth.faults.name == "OVER_DEPTH"


@pytest.mark.parametrize(
    ("untruth", "why"),
    [
        ({"hysteresis_um": -1}, "under 0"),
        ({"gain_ppm": 3_000_000}, "from 0.5 to 2"),
        ({"rate_gain_ppm": 1}, "from 0.5 to 2"),
        ({"bend_um": 700}, "turn the needles back"),
        ({"offset_um": 300}, "home switch"),
    ],
)
def test_what_no_mechanism_is_is_refused(untruth, why):
    with pytest.raises(BadUntruth, match=why):
        untrue(**untruth)


def test_it_is_written_as_people_write_it():
    written = (
        "gain=1.04, offset_mm=0.08,bend_mm=-0.02,hysteresis_mm=0.03,noise_mm=0.004,drift_mm_per_h=0.001,rate_gain=0.97"
    )
    assert parse_untruth(written) == Untruth(1_040_000, 80.0, -20.0, 30.0, 4.0, 1.0, 970_000)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("gian=1.04", "Nearest: gain"),
        ("gain", "needs a number"),
        ("gain=much", "needs a number"),
        ("gain=nan", "nothing a pen could be"),
        ("gain=1,gain=2", "twice"),
        ("", "has no untruth"),
    ],
)
def test_what_is_not_understood_is_refused(text, why):
    with pytest.raises(BadUntruth, match=why):
        parse_untruth(text)
