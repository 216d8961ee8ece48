"""Clauses M1–M6: service leases, raw readings, the adjustment table, what a pen counts; and pens that are not true."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.wire.codec import unpack
from firmware_bridge.wire.messages import Fault, Refusal, Stop
from firmware_bridge.wire.operations import CALIBRATION_READ, CALIBRATION_WRITE, CalibrationData
from firmware_bridge.wire.service_operations import (
    ADJUSTMENT_READ,
    ADJUSTMENT_WRITE,
    LIFETIME_READ,
    RAW_READ,
    SERVICE_ARM,
    AdjustmentData,
    LifetimeData,
    RawReadings,
    ServiceCeilings,
    ServiceLease,
)
from simulators.adjustment import AdjustmentTable
from simulators.nonvolatile import LeaseEnd, LogCode
from simulators.personality import NW_2
from simulators.untruth import Untruth

CEILINGS = ServiceCeilings(2000, 120_000, 60_000)


@pytest.fixture
def on_jig(make_bench):
    """A connected NW-2 that touches no skin."""
    bench = make_bench(NW_2)
    bench.connect()
    bench.pen.hold_on("air", touching=False)
    return bench


def in_service(bench, ceilings=CEILINGS):
    response = bench.request(SERVICE_ARM, ceilings)
    assert response.refusal == Refusal.NONE
    bench.lease, bench.tick = unpack(ServiceLease, response.data).lease, 0
    return bench


def log(bench):
    return [(int.from_bytes(entry[8:9]), int.from_bytes(entry[9:13], "little"))
            for entry in bench.pen.memory._entries]  # fmt: skip


def test_m1_a_service_lease_wants_neither_cartridge_nor_calibration(on_jig):
    on_jig.pen.remove_cartridge()
    on_jig.pen.memory.calibration = on_jig.pen.memory.calibration._replace(valid=0)
    in_service(on_jig).run(500, depth_um=1000)
    assert on_jig.pen.truth.protrusion_um == pytest.approx(1000, abs=11)


def test_m2_it_ends_on_skin_within_16_ms(on_jig):
    in_service(on_jig).run(500)
    on_jig.pen.hold_on("cheek", touching=True)
    on_jig.advance(16)
    truth = on_jig.pen.truth
    assert (truth.lease, truth.motor_driven, truth.faults) == (0, False, Fault(0))
    assert log(on_jig)[-1] == (LogCode.LEASE_ENDED, LeaseEnd.SKIN)


def test_m1_it_is_not_given_on_skin(on_jig):
    on_jig.pen.hold_on("cheek", touching=True)
    assert on_jig.request(SERVICE_ARM, CEILINGS).refusal == Refusal.NOT_READY
    assert on_jig.pen.truth.lease == 0


def test_m2_it_is_over_after_its_lifetime_however_fresh_the_setpoints(on_jig):
    in_service(on_jig, CEILINGS._replace(lifetime_ms=1_000)).run(950)
    assert on_jig.pen.truth.motor_driven
    on_jig.advance(50)
    assert (on_jig.pen.truth.lease, on_jig.pen.truth.motor_driven) == (0, False)
    assert log(on_jig)[-1] == (LogCode.LEASE_ENDED, LeaseEnd.LIFETIME)


def test_m2_silence_and_stop_end_it_as_any_other(on_jig):
    in_service(on_jig).run(500)
    on_jig.advance(NW_2.dead_man_ms)
    assert (on_jig.pen.truth.lease, on_jig.pen.truth.faults) == (0, Fault.DEAD_MAN)
    assert on_jig.request(SERVICE_ARM, CEILINGS).refusal == Refusal.FAULTED
    on_jig.pen.firmware.clear(Fault.DEAD_MAN)
    in_service(on_jig).say(Stop())
    assert on_jig.pen.truth.lease == 0


def test_m1_its_ceilings_hold(on_jig):
    in_service(on_jig)
    assert on_jig.setpoint(depth_um=2050) == Refusal.DEPTH_CEILING
    assert on_jig.setpoint(rate_mhz=121_000) == Refusal.RATE_CEILING
    assert on_jig.setpoint(depth_um=2000, rate_mhz=120_000) == Refusal.NONE


def test_m3_asked_again_by_the_same_request_it_is_the_same_lease_or_none(on_jig):
    first = on_jig.request(SERVICE_ARM, CEILINGS, key=5)
    assert on_jig.request(SERVICE_ARM, CEILINGS, key=5) == first
    on_jig.say(Stop())
    assert on_jig.request(SERVICE_ARM, CEILINGS, key=5).refusal == Refusal.LEASE
    assert on_jig.pen.truth.lease == 0


def test_m4_raw_readings_are_those_without_the_table(on_jig):
    table = AdjustmentTable(1, 1_050_000, (0, 2000), (100, 2200))
    assert on_jig.request(ADJUSTMENT_WRITE, table.as_data()).refusal == Refusal.NONE
    in_service(on_jig).run(1000, depth_um=1000, rate_mhz=105_000)
    raw = unpack(RawReadings, on_jig.request(RAW_READ).data)
    status = on_jig.status()
    assert raw.depth_raw_um == pytest.approx((1000 - 100) / 1.05, abs=12)
    assert status.depth_measured_um == pytest.approx(1000, abs=12)
    assert raw.rate_raw_mhz == pytest.approx(100_000, rel=0.002)
    assert status.rate_measured_mhz == pytest.approx(105_000, rel=0.002)


def test_m5_a_table_is_taken_whole_and_ends_the_calibration(on_jig):
    assert unpack(AdjustmentData, on_jig.request(ADJUSTMENT_READ).data) == AdjustmentData(0, 1_000_000, b"")
    table = AdjustmentTable(1, 990_000, (0, 1000, 2500), (50, 1040, 2560))
    assert on_jig.request(ADJUSTMENT_WRITE, table.as_data()).refusal == Refusal.NONE
    assert AdjustmentTable.of(unpack(AdjustmentData, on_jig.request(ADJUSTMENT_READ).data)) == table
    assert unpack(CalibrationData, on_jig.request(CALIBRATION_READ).data).valid == 0


@pytest.mark.parametrize(
    "data",
    [
        AdjustmentTable(2, 1_000_000).as_data(),
        AdjustmentTable(0, 1_000_000).as_data(),
        AdjustmentTable(1, 1_251_000).as_data(),
        AdjustmentTable(1, 1_000_000, (0, 1000), (0, 600)).as_data(),
        AdjustmentTable(1, 1_000_000, (0, 0), (0, 100)).as_data(),
        AdjustmentTable(1, 1_000_000, (0,), (0,)).as_data(),
        AdjustmentTable(1, 1_000_000, tuple(range(17)), tuple(range(17))).as_data(),
        AdjustmentData(1, 1_000_000, b"\0" * 9),
    ],
    ids=["number ahead", "number behind", "rate", "too far", "not rising", "one point", "17 points", "a piece"],
)
def test_m5_what_is_no_table_is_refused_and_nothing_changes(on_jig, data):
    before = on_jig.pen.memory.calibration, on_jig.pen.memory.adjustment
    assert on_jig.request(ADJUSTMENT_WRITE, data).refusal == Refusal.RANGE
    assert (on_jig.pen.memory.calibration, on_jig.pen.memory.adjustment) == before


tables = st.lists(st.tuples(st.integers(1, 400), st.integers(1, 400)), min_size=2, max_size=16).map(
    lambda steps: AdjustmentTable(
        1,
        1_000_000,
        *(tuple(sum(step[place] for step in steps[: to + 1]) for to in range(len(steps))) for place in (0, 1)),
    )
)


@given(table=tables, at=st.floats(-500, 3000))
def test_m5_there_and_back_is_where_it_was(table, at):
    assert table.scale_of(table.true_of(at)) == pytest.approx(at, abs=1e-6)


@given(table=tables)
def test_m5_a_table_goes_over_the_wire_and_comes_back(table):
    assert AdjustmentTable.of(table.as_data()) == table


def test_m6_the_pen_counts_its_life_and_what_came_since_its_calibration(on_jig):
    on_jig.pen.age(10.0, cycles=50.0)
    in_service(on_jig).run(2000, rate_mhz=100_000)
    before = unpack(LifetimeData, on_jig.request(LIFETIME_READ).data)
    assert before.run_s == before.run_since_s == 36_002
    assert before.strokes == pytest.approx(3_600_200, abs=30)
    assert before.battery_capacity_permille == 980
    assert before.battery_resistance_mohm == 165
    on_jig.say(Stop())
    on_jig.advance(500)
    on_jig.pen.knock()
    on_jig.request(CALIBRATION_WRITE, on_jig.pen.memory.calibration)
    on_jig.pen.knock()
    on_jig.pen.reboot()
    on_jig.advance(100)
    on_jig.connect()
    after = unpack(LifetimeData, on_jig.request(LIFETIME_READ).data)
    assert (after.shocks, after.shocks_since, after.run_since_s, after.strokes_since) == (2, 1, 0, 0)
    assert after.starts == before.starts + 1


def test_m6_a_run_that_a_power_cut_ended_is_counted(on_jig):
    in_service(on_jig).run(3000)
    on_jig.pen.reboot()
    assert on_jig.pen.memory.lifetime.ran_ms == pytest.approx(3000, abs=50)


ACTS = st.one_of(
    st.tuples(st.just("service"), st.integers(1, 50), st.integers(1_000, 4_000)),
    st.tuples(st.just("setpoint"), st.integers(0, 60), st.integers(0, 400)),
    st.tuples(st.sampled_from(["touch", "lift", "stop", "clear", "table", "button", "reboot"]), st.just(0), st.just(0)),
)


@settings(max_examples=60)
@given(story=st.lists(st.tuples(st.integers(1, 300), ACTS), min_size=4, max_size=30), bent=st.booleans())
def test_m1_m2_the_motor_runs_in_service_only_off_skin_in_time_and_above_the_ceiling(make_bench, story, bent):
    """Whatever is asked, touched or pressed, in whatever order, on a pen that is not true."""
    bench = make_bench(NW_2)
    bench.pen.swap("NW2-000002", Untruth(1_040_000, 80.0, 40.0 if bent else 0.0, 30.0))
    bench.advance(100)
    bench.connect()
    pen = bench.pen
    pen.hold_on("air", touching=False)
    ceiling_um, over_at_ms, touched_at_ms = 0, 0, None
    for wait_ms, (do, value, other) in [(1, ("service", 30, 4_000)), (1, ("setpoint", 20, 0)), *story]:
        match do:
            case "service":
                answer = bench.request(SERVICE_ARM, ServiceCeilings(value * 50, 150_000, other))
                if answer is not None and not answer.refusal:
                    bench.lease, bench.tick = unpack(ServiceLease, answer.data).lease, 0
                    ceiling_um, over_at_ms = value * 50, pen.lived_ms + other
            case "setpoint":
                seen_ms = pen.firmware.pen_time_ms - other
                bench.setpoint(depth_um=value * 50, seen_pen_time_ms=seen_ms % 2**32)
            case "touch" | "lift":
                pen.hold_on("cheek", touching=do == "touch")
                touched_at_ms = (pen.lived_ms if touched_at_ms is None else touched_at_ms) if do == "touch" else None
            case "stop":
                bench.say(Stop())
            case "clear":
                pen.firmware.clear(Fault(0x3FF))
            case "table":
                number = pen.memory.adjustment.number + 1
                table = AdjustmentTable(number, 1_000_000, (0, 2500), (80 + 10 * number % 50, 2680))
                bench.request(ADJUSTMENT_WRITE, table.as_data())
            case "button":
                pen.press_button()
            case "reboot":
                pen.reboot()
                bench.advance(60)
                bench.connect()
        for _ in range(wait_ms):
            bench.advance(1)
            plant = pen.plant
            if not plant.driven:
                continue
            assert pen.truth.lease == bench.lease
            assert pen.lived_ms <= over_at_ms
            assert touched_at_ms is None or pen.lived_ms - touched_at_ms <= 16
            assert pen.memory.adjustment.true_of(plant.target_um) <= ceiling_um + 1e-6
