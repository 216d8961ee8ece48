"""Clauses F and F1: what a pen notices by itself, that it stays latched, and what it takes to clear it."""

from dataclasses import replace

import pytest

from firmware_bridge.wire.messages import Capability, Fault, PenState, Refusal, Setpoint, Stop
from firmware_bridge.wire.operations import CLEAR_FAULT, FaultMask
from simulators.personality import FULL_CAPABILITIES, NW_1, NW_BLIND, NW_DIAL


def clear(bench, faults):
    return bench.request(CLEAR_FAULT, FaultMask(faults)).refusal


def treat(bench, ms, **changes):
    """Setpoints every 10 ms until the lease ends; says after how many ms it did."""
    for after_ms in range(ms):
        if after_ms % 10 == 0:
            bench.setpoint(**changes)
        bench.advance(1)
        if not bench.pen.truth.lease:
            return after_ms + 1
    return None


def test_f_stall_after_100_ms_of_a_driven_motor_that_does_not_turn(bench):
    bench.running()
    bench.pen.faults.jam_motor()
    assert treat(bench, 300) == 101
    assert bench.pen.truth.faults == Fault.STALL
    assert not bench.pen.truth.motor_driven


def test_f_stall_at_start(bench):
    bench.pen.faults.jam_motor()
    bench.ready()
    assert treat(bench, 300) == 100
    assert bench.pen.truth.faults == Fault.STALL


def test_f_spin_up_at_the_slowest_rate_is_no_stall(bench):
    bench.ready()
    assert treat(bench, 500, rate_mhz=20_000) is None


def test_f_over_depth_when_measured_beyond_ceiling_and_tolerance_for_20_ms(bench):
    bench.connect()
    bench.arm(depth_ceiling_um=500)
    treat(bench, 500)
    bench.pen.faults.drift_depth_sensor(155)
    assert treat(bench, 300) is None
    bench.pen.faults.drift_depth_sensor(165)
    assert treat(bench, 300) == 20
    assert bench.pen.truth.faults == Fault.OVER_DEPTH


def test_f_over_depth_for_less_than_20_ms_passes(bench):
    bench.connect()
    bench.arm(depth_ceiling_um=500)
    treat(bench, 500)
    for _ in range(10):
        bench.pen.faults.drift_depth_sensor(500)
        assert treat(bench, 19) is None
        bench.pen.faults.drift_depth_sensor(0)
        assert treat(bench, 10) is None


def test_f_over_depth_when_the_dial_stands_beyond_the_ceiling(make_bench):
    """Nothing refuses a dial: the pen notices what it measures."""
    bench = make_bench(NW_DIAL)
    bench.connect()
    bench.arm(depth_ceiling_um=250)
    assert treat(bench, 500) is not None
    assert bench.pen.truth.faults == Fault.OVER_DEPTH


def test_f_a_pen_that_does_not_sense_depth_cannot_notice_it(make_bench):
    bench = make_bench(NW_BLIND)
    bench.running()
    bench.pen.faults.drift_depth_sensor(1000)
    assert treat(bench, 200) is None


@pytest.mark.parametrize("motor_off", ["setpoint", "silence"])
def test_f_retract_failed_when_needles_are_not_out_in_time(bench, motor_off):
    bench.running()
    bench.pen.faults.stick_depth()
    if motor_off == "setpoint":
        bench.setpoint(motor=0)
    else:
        bench.setpoint()
        bench.advance(300)
    off_at = bench.pen.firmware.pen_time_ms
    for _ in range(249):
        bench.advance(1)
        if motor_off == "setpoint" and bench.pen.firmware.pen_time_ms % 50 == 0:
            assert bench.setpoint(motor=0) == 0
    assert not bench.pen.truth.faults & Fault.RETRACT_FAILED
    bench.advance(1)
    assert bench.pen.firmware.pen_time_ms - off_at == 250
    assert bench.pen.truth.faults & Fault.RETRACT_FAILED
    assert bench.pen.truth.lease == 0
    assert bench.pen.truth.state == PenState.RETRACTING
    assert clear(bench, Fault.RETRACT_FAILED) == Refusal.NOT_READY
    bench.pen.faults.stick_depth(False)
    bench.advance(250)
    assert bench.pen.truth.state == PenState.FAULT
    assert clear(bench, Fault(0xFFFF)) == Refusal.NONE
    assert bench.pen.truth.state == PenState.IDLE


def test_f_motor_on_again_before_the_needles_are_out_is_no_retract_failure(bench):
    bench.running()
    bench.setpoint(motor=0)
    bench.advance(50)
    assert treat(bench, 500) is None


CAUSES = {
    Fault.OVER_TEMPERATURE: (lambda faults: faults.heat_to(60.5), lambda faults: faults.heat_to(30.0)),
    Fault.BROWN_OUT: (lambda faults: faults.drop_supply(3.0), lambda faults: faults.drop_supply(0.0)),
    Fault.INGRESS: (lambda faults: faults.wet(), lambda faults: faults.wet(False)),
    Fault.SENSOR: (lambda faults: faults.kill_depth_sensor(), lambda faults: faults.kill_depth_sensor(False)),
    Fault.INTERNAL: (lambda faults: faults.latch_internal(), lambda faults: None),
}


@pytest.mark.parametrize("fault", CAUSES)
def test_f_f1_latched_until_cleared_and_not_cleared_while_the_cause_persists(bench, fault):
    cause, remedy = CAUSES[fault]
    bench.running()
    cause(bench.pen.faults)
    ended = treat(bench, 50) if bench.pen.truth.lease else 0
    assert ended is not None
    assert ended <= 16
    assert bench.pen.truth.faults == fault
    bench.advance(300)
    status = bench.status()
    assert (status.state, status.faults, status.lease) == (PenState.FAULT, fault, 0)
    if fault != Fault.INTERNAL:
        assert clear(bench, fault) == Refusal.NOT_READY
    remedy(bench.pen.faults)
    bench.advance(300)
    assert bench.pen.truth.faults == fault
    assert bench.arm().refusal == Refusal.FAULTED
    assert clear(bench, fault) == Refusal.NONE
    assert bench.status().state == PenState.IDLE
    assert bench.arm().refusal == Refusal.NONE


def test_f_heat_is_noticed_without_a_lease_too(bench):
    bench.connect()
    bench.pen.faults.heat_to(61.0)
    bench.advance(16)
    assert bench.status().state == PenState.FAULT


@pytest.mark.parametrize(
    ("sensed", "cause"),
    [("TEMPERATURE_SENSED", lambda faults: faults.heat_to(61.0)), ("INGRESS_SENSED", lambda faults: faults.wet())],
)
def test_f_what_is_not_sensed_is_not_noticed(make_bench, sensed, cause):
    bench = make_bench(replace(NW_1, capabilities=FULL_CAPABILITIES & ~Capability[sensed]))
    bench.connect()
    cause(bench.pen.faults)
    bench.advance(100)
    assert bench.pen.truth.faults == 0


def test_f_cartridge_removed_under_a_lease_needs_a_cartridge_to_be_cleared(bench):
    bench.running()
    removed = bench.pen.remove_cartridge()
    assert (bench.pen.truth.lease, bench.pen.truth.motor_driven) == (0, False)
    assert bench.pen.truth.faults == Fault.CARTRIDGE_REMOVED
    assert not bench.status().interlocks & 1
    assert clear(bench, Fault.CARTRIDGE_REMOVED) == Refusal.NOT_READY
    bench.pen.insert_cartridge(removed)
    assert clear(bench, Fault.CARTRIDGE_REMOVED) == Refusal.NONE


def test_f_cartridge_removed_without_a_lease_is_no_fault(bench):
    bench.connect()
    bench.pen.remove_cartridge()
    bench.advance(100)
    assert bench.pen.truth.faults == 0


def test_f1_clears_all_that_are_named_or_none(bench):
    bench.running()
    bench.pen.faults.wet()
    bench.pen.faults.latch_internal()
    bench.advance(300)
    assert bench.pen.truth.faults == Fault.INGRESS | Fault.INTERNAL
    assert clear(bench, Fault.INGRESS | Fault.INTERNAL) == Refusal.NOT_READY
    assert bench.pen.truth.faults == Fault.INGRESS | Fault.INTERNAL
    assert clear(bench, Fault.INTERNAL) == Refusal.NONE
    assert bench.pen.truth.faults == Fault.INGRESS


def test_f1_dead_man_has_no_lasting_cause(bench):
    bench.running()
    bench.advance(600)
    assert bench.pen.truth.faults == Fault.DEAD_MAN
    assert clear(bench, Fault.DEAD_MAN) == Refusal.NONE


def test_f1_a_cleared_fault_does_not_bring_the_old_lease_back(bench):
    bench.running()
    old = bench.lease
    bench.advance(600)
    clear(bench, Fault.DEAD_MAN)
    bench.say(Setpoint(old, 10_000, 1, 500, 100_000, bench.pen.firmware.pen_time_ms))
    assert not bench.pen.truth.motor_driven
    assert bench.pen.firmware.refusal == Refusal.LEASE


def test_f_a_stop_that_is_not_heard_leaves_the_motor_to_the_next_one(bench):
    bench.running()
    bench.pen.faults.ignore_stops(3)
    for _ in range(3):
        bench.say(Stop())
        assert bench.pen.truth.motor_driven
    bench.say(Stop())
    assert not bench.pen.truth.motor_driven
