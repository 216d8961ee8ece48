"""Clauses S1–S4, D1, T1, T2: what moves the motor, and what stops it."""

import pytest

from firmware_bridge.wire.codec import encode
from firmware_bridge.wire.framing import frame
from firmware_bridge.wire.messages import Fault, PenState, Refusal, Setpoint, Stop
from firmware_bridge.wire.operations import SELF_TEST
from simulators.personality import NW_DIAL, NW_NO_DEAD_MAN
from simulators.sensors import NO_U16, NO_U32


def test_s1_refusals_come_in_the_order_of_the_protocol(bench):
    bench.connect()
    assert bench.arm(depth_ceiling_um=500, rate_ceiling_mhz=100_000).refusal == 0
    bench.advance(200)
    bench.setpoint()
    bench.advance(250)
    bench.setpoint()
    bench.pen.press_button()
    bench.advance(100)
    now = bench.pen.firmware.pen_time_ms
    wrong = {
        "lease": bench.lease ^ 1,
        "depth_um": 1501,
        "rate_mhz": 140_500,
        "tick": 1,
        "seen_pen_time_ms": now - 300,
    }
    assert bench.setpoint(**wrong) == Refusal.LEASE
    del wrong["lease"]
    assert bench.setpoint(**wrong) == Refusal.RANGE
    wrong["depth_um"] = 1500
    assert bench.setpoint(**wrong) == Refusal.RANGE
    wrong["rate_mhz"] = 140_000
    assert bench.setpoint(**wrong) == Refusal.OLD_TICK
    del wrong["tick"]
    assert bench.setpoint(**wrong) == Refusal.STALE
    wrong["seen_pen_time_ms"] = now - 150
    assert bench.setpoint(**wrong) == Refusal.DEPTH_CEILING
    wrong["depth_um"] = 500
    assert bench.setpoint(**wrong) == Refusal.RATE_CEILING
    wrong["rate_mhz"] = 100_000
    assert bench.setpoint(**wrong) == Refusal.PRESSED
    assert bench.status().refusal == Refusal.PRESSED
    wrong["seen_pen_time_ms"] = now
    assert bench.setpoint(**wrong) == Refusal.NONE


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"motor": 1, "depth_um": 525}, Refusal.RANGE),
        ({"motor": 1, "depth_um": 2550}, Refusal.RANGE),
        ({"motor": 1, "rate_mhz": 19_000}, Refusal.RANGE),
        ({"motor": 1, "rate_mhz": 151_000}, Refusal.RANGE),
        ({"motor": 1, "rate_mhz": 100_001}, Refusal.RANGE),
        ({"motor": 1, "rate_mhz": 0}, Refusal.RANGE),
        ({"motor": 1, "depth_um": 0}, Refusal.NONE),
        ({"motor": 0, "depth_um": 0, "rate_mhz": 0}, Refusal.NONE),
        ({"motor": 0, "depth_um": 525, "rate_mhz": 0}, Refusal.RANGE),
        ({"motor": 0, "depth_um": 0, "rate_mhz": 1}, Refusal.RANGE),
        ({"motor": 0, "depth_um": 1550, "rate_mhz": 0}, Refusal.DEPTH_CEILING),
    ],
    ids=str,
)
def test_s1_ranges_steps_and_ceilings(bench, changes, refusal):
    bench.ready()
    assert bench.setpoint(**changes) == refusal


def test_s1_a_motor_that_is_neither_on_nor_off_is_out_of_range(bench):
    bench.ready()
    body = bytearray(encode(Setpoint(bench.lease, 1, 1, 500, 100_000, 0), 0)[:-4])
    body[10] = 2
    bench.say_body(bytes(body))
    assert bench.pen.firmware.refusal == Refusal.RANGE
    assert not bench.pen.truth.motor_driven


def test_s1_a_refused_setpoint_leaves_the_earlier_one_in_force(bench):
    bench.running(depth_um=500)
    assert bench.setpoint(depth_um=1550) == Refusal.DEPTH_CEILING
    status = bench.status()
    assert (status.state, status.depth_set_um, status.refusal) == (PenState.RUNNING, 500, Refusal.DEPTH_CEILING)


def test_s1_a_repeated_setpoint_is_harmless(bench):
    bench.running()
    again = Setpoint(bench.lease, bench.tick, 1, 1000, 100_000, bench.pen.firmware.pen_time_ms)
    bench.say(again)
    assert bench.status().depth_set_um == 500


@pytest.mark.parametrize(("age_ms", "refusal"), [(299, Refusal.NONE), (300, Refusal.STALE), (-1, Refusal.STALE)])
def test_s1_what_was_decided_on_an_old_or_future_status_is_stale(bench, age_ms, refusal):
    bench.ready()
    for _ in range(4):
        bench.setpoint(motor=0)
        bench.advance(100)
    assert bench.setpoint(seen_pen_time_ms=bench.pen.firmware.pen_time_ms - age_ms) == refusal


def test_s2_freshness_runs_from_the_status_seen_not_from_arrival(bench):
    bench.running()
    now = bench.pen.firmware.pen_time_ms
    for age_ms in (0, 100, 200):
        assert bench.setpoint(seen_pen_time_ms=now - age_ms) == 0
    bench.advance(299)
    assert bench.pen.truth.motor_driven
    bench.advance(1)
    assert not bench.pen.truth.motor_driven


def test_s2_setpoints_held_in_a_buffer_keep_no_motor_alive(bench):
    """A second of setpoints, written at 20 Hz and delivered together when the pen has stopped by itself."""
    bench.running()
    begun = bench.pen.firmware.pen_time_ms
    held = b"".join(frame(Setpoint(bench.lease, bench.tick + 1 + n, 1, 500, 100_000, begun), n) for n in range(20))
    bench.advance(240)
    bench.pen.receive(1, held)
    bench.advance(59)
    assert bench.pen.truth.motor_driven
    bench.advance(1)
    assert not bench.pen.truth.motor_driven
    bench.pen.receive(1, held)
    bench.advance(500)
    assert not bench.pen.truth.motor_driven
    assert bench.pen.truth.faults == Fault.DEAD_MAN


def test_s2_depth_and_rate_in_force_change_at_once(bench):
    bench.running(depth_um=500, rate_mhz=100_000)
    bench.setpoint(depth_um=1000, rate_mhz=120_000)
    status = bench.status()
    assert (status.depth_set_um, status.rate_set_mhz, status.tick) == (1000, 120_000, bench.tick)


def test_s3_motor_on_runs_motor_off_stays_armed_with_needles_out(bench):
    bench.running(1000, depth_um=1000, rate_mhz=120_000)
    status = bench.status()
    assert status.state == PenState.RUNNING
    assert abs(status.depth_measured_um - 1000) <= 15
    assert abs(status.rate_measured_mhz - 120_000) < 3_000
    bench.setpoint(motor=0, depth_um=0, rate_mhz=0)
    assert not bench.pen.truth.motor_driven
    bench.advance(250)
    status = bench.statuses[1][-1]
    assert (status.state, status.lease, status.depth_set_um, status.rate_set_mhz) == (
        PenState.ARMED, bench.lease, 0, 0,
    )  # fmt: skip
    assert bench.pen.truth.needles_out


def test_s4_a_manual_dial_decides_and_what_the_host_does_not_set_is_not_shown_as_set(make_bench):
    bench = make_bench(NW_DIAL)
    bench.connect()
    assert bench.arm(depth_ceiling_um=1000).refusal == 0
    for _ in range(20):
        assert bench.setpoint(depth_um=60_000, rate_mhz=1) == 0
        bench.advance(50)
    status = bench.status()
    assert (status.depth_set_um, status.rate_set_mhz) == (NO_U16, NO_U32)
    assert abs(status.depth_measured_um - 500) <= 15
    assert abs(status.rate_measured_mhz - 117_000) < 3_000


@pytest.mark.parametrize("motor", [0, 1])
def test_d1_silence_stops_in_the_millisecond_of_the_deadline(bench, motor):
    bench.running(motor=motor)
    assert bench.setpoint(motor=motor) == 0
    bench.advance(299)
    assert bench.pen.truth.lease == bench.lease
    assert bench.pen.truth.motor_driven == bool(motor)
    bench.advance(1)
    truth = bench.pen.truth
    assert (truth.lease, truth.motor_driven, truth.faults) == (0, False, Fault.DEAD_MAN)
    bench.advance(bench.pen.model.retract_ms)
    assert bench.pen.truth.needles_out
    assert bench.pen.truth.state == PenState.FAULT
    assert bench.arm().refusal == Refusal.FAULTED


def test_d1_refused_setpoints_do_not_keep_the_motor_alive(bench):
    bench.running()
    for _ in range(6):
        bench.setpoint(depth_um=1550)
        bench.advance(50)
    assert bench.pen.truth.faults == Fault.DEAD_MAN


def test_a_pen_without_a_dead_man_runs_on_which_is_why_no_host_arms_it(make_bench):
    bench = make_bench(NW_NO_DEAD_MAN)
    bench.running()
    bench.advance(5000)
    assert bench.pen.truth.motor_driven
    bench.say(Stop())
    assert not bench.pen.truth.motor_driven


STATES = {
    PenState.IDLE: lambda bench: bench.connect(),
    PenState.ARMED: lambda bench: bench.ready(),
    PenState.RUNNING: lambda bench: bench.running(),
    PenState.RETRACTING: lambda bench: bench.running().say(Stop()),
    PenState.FAULT: lambda bench: bench.ready().pen.faults.latch_internal(),
    PenState.SELF_TEST: lambda bench: (bench.connect(), bench.request(SELF_TEST)),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("medium", [1, 2])
def test_t1_stop_works_in_every_state_on_every_medium_without_a_fault(bench, state, medium):
    STATES[state](bench)
    assert bench.pen.truth.state == state
    faults = bench.pen.truth.faults
    bench.say(Stop(), medium)
    truth = bench.pen.truth
    assert (truth.lease, truth.motor_driven, truth.faults) == (0, False, faults)
    assert truth.state not in {PenState.RUNNING, PenState.ARMED, PenState.SELF_TEST}
    status = bench.status()
    assert status.lease == 0
    assert status.state != PenState.RUNNING


def test_t1_stop_before_any_hello_does_no_harm(bench):
    assert bench.say(Stop()) == []
    assert bench.pen.truth.state == PenState.IDLE


@pytest.mark.parametrize("press", ["press_button", "press_pedal"])
def test_t2_a_press_while_running_stops_the_motor_and_keeps_the_lease(bench, press):
    bench.running()
    decided_before = bench.pen.firmware.pen_time_ms
    getattr(bench.pen, press)()
    bench.advance(1)
    truth = bench.pen.truth
    assert (truth.motor_driven, truth.lease, truth.state) == (False, bench.lease, PenState.ARMED)
    assert bench.setpoint(seen_pen_time_ms=decided_before) == Refusal.PRESSED
    assert bench.setpoint(seen_pen_time_ms=decided_before, motor=0) == Refusal.NONE
    status = bench.status()
    assert (status.button_presses, status.pedal_presses) == ((1, 0) if press == "press_button" else (0, 1))
    assert bench.setpoint(seen_pen_time_ms=status.pen_time_ms) == Refusal.NONE
    assert bench.pen.truth.motor_driven


def test_t2_a_press_while_armed_makes_an_older_motor_on_wait_too(bench):
    bench.ready()
    decided_before = bench.pen.firmware.pen_time_ms
    bench.pen.press_pedal()
    bench.advance(1)
    assert bench.setpoint(seen_pen_time_ms=decided_before) == Refusal.PRESSED


def test_t2_a_press_long_ago_is_in_nobodys_way_when_pen_time_has_wrapped(make_bench):
    bench = make_bench(pen_time_start_ms=2**32 - 500)
    bench.connect()
    bench.pen.press_button()
    bench.advance(1000)
    assert bench.arm().refusal == 0
    assert bench.setpoint() == 0


def test_t2_presses_count_modulo_256_and_show_as_held(bench):
    bench.connect()
    for _ in range(300):
        bench.pen.press_button(held_ms=10)
        bench.advance(1)
    bench.pen.press_button(held_ms=30)
    bench.advance(0)
    status = bench.status()
    assert status.button_presses == 301 % 256
    assert status.interlocks & 4
    bench.advance(100)
    assert not bench.status().interlocks & 4
