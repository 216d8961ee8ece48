"""Clauses A1–A4: who gets a lease, who is refused and why, and how a lease ends."""

from dataclasses import replace

import pytest

from firmware_bridge.wire.codec import encode
from firmware_bridge.wire.messages import Capability, Disarm, Fault, Hello, PenState, Refusal, Stop
from firmware_bridge.wire.operations import CLEAR_FAULT, SELF_TEST, FaultMask
from simulators.personality import NW_1, NW_BLIND, NW_DIAL, NW_DIAL_UNSENSED, NW_NO_DEAD_MAN, NW_PLAIN


def test_a1_arm_gives_a_lease_that_status_shows(bench):
    bench.connect()
    armed = bench.arm()
    assert armed.refusal == Refusal.NONE
    assert armed.lease != 0
    status = bench.status()
    assert (status.lease, status.state, status.tick, status.refusal) == (armed.lease, PenState.ARMED, 0, 0)


def test_a1_every_lease_is_another(bench):
    bench.connect()
    leases = set()
    for _ in range(20):
        leases.add(bench.arm().lease)
        bench.say(Disarm(bench.lease))
    assert len(leases) == 20


def test_a2_refusals_come_in_the_order_of_the_protocol(bench):
    """All reasons at once, then taken away one after another."""
    pen = bench.pen
    bench.connect()
    tag = pen.cartridge.tag
    pen.faults.drain_battery(0.01)
    wrong = {"nonce": 1, "depth_ceiling_um": 0, "cartridge_tag": tag ^ 1}
    assert bench.arm(**wrong).refusal == Refusal.NONCE
    del wrong["nonce"]
    pen.faults.drain_battery(1.0)
    assert bench.arm().refusal == Refusal.NONE
    pen.faults.drain_battery(0.01)
    assert bench.arm(**wrong).refusal == Refusal.ARMED
    pen.faults.latch_internal()
    assert bench.arm(**wrong).refusal == Refusal.FAULTED
    assert bench.request(CLEAR_FAULT, FaultMask(Fault.INTERNAL)).refusal == Refusal.NONE
    bench.request(SELF_TEST)
    assert bench.arm(**wrong).refusal == Refusal.BUSY
    bench.say(Stop())
    assert bench.arm(**wrong).refusal == Refusal.RANGE
    del wrong["depth_ceiling_um"]
    assert bench.arm(**wrong).refusal == Refusal.CARTRIDGE
    assert bench.arm().refusal == Refusal.NOT_READY
    pen.faults.drain_battery(0.5)
    assert bench.arm().refusal == Refusal.NONE


@pytest.mark.parametrize(
    "ceilings",
    [
        {"depth_ceiling_um": 0},
        {"depth_ceiling_um": 2501},
        {"rate_ceiling_mhz": 0},
        {"rate_ceiling_mhz": 150_001},
    ],
    ids=str,
)
def test_a2_ceilings_outside_the_mechanism_are_refused_range(bench, ceilings):
    bench.connect()
    assert bench.arm(**ceilings).refusal == Refusal.RANGE


def test_a2_key_zero_is_refused_range(bench):
    bench.connect()
    body = bytearray(encode(bench.arm_message(key=1), 0)[:-4])
    body[6:10] = bytes(4)
    [armed] = bench.say_body(bytes(body))
    assert (armed.refusal, armed.lease) == (Refusal.RANGE, 0)


def test_a2_no_cartridge_and_another_cartridge_are_refused(bench):
    bench.connect()
    removed = bench.pen.remove_cartridge()
    assert bench.arm(cartridge_tag=removed.tag).refusal == Refusal.CARTRIDGE
    bench.pen.insert_cartridge()
    assert bench.arm(cartridge_tag=removed.tag).refusal == Refusal.CARTRIDGE
    assert bench.arm().refusal == Refusal.NONE


def test_a2_a_pen_that_does_not_identify_cartridges_takes_any_tag(make_bench):
    bench = make_bench(NW_PLAIN)
    bench.connect()
    assert bench.arm(cartridge_tag=0).refusal == Refusal.NONE


@pytest.mark.parametrize("temperature_c", [55.2, 59.0])
def test_a2_a_hot_pen_is_not_ready(bench, temperature_c):
    bench.connect()
    bench.pen.faults.heat_to(temperature_c)
    assert bench.arm().refusal == Refusal.NOT_READY


def test_a2_a_manual_depth_that_nothing_senses_cannot_be_armed(make_bench):
    bench = make_bench(NW_DIAL_UNSENSED)
    bench.connect()
    assert bench.arm().refusal == Refusal.UNSUPPORTED


def test_a2_a_depth_that_is_neither_set_nor_sensed_cannot_be_armed(make_bench):
    bench = make_bench(
        replace(NW_1, capabilities=NW_1.capabilities & ~(Capability.DEPTH_SET | Capability.DEPTH_SENSED))
    )
    bench.connect()
    assert bench.arm().refusal == Refusal.UNSUPPORTED


@pytest.mark.parametrize("model", [NW_DIAL, NW_BLIND, NW_NO_DEAD_MAN], ids=lambda model: model.name)
def test_a2_the_other_models_can_be_armed(make_bench, model):
    bench = make_bench(model)
    bench.connect()
    assert bench.arm().refusal == Refusal.NONE


def test_a2_the_same_arm_again_gets_the_same_answer_while_its_lease_lives(bench):
    bench.connect()
    message = bench.arm_message()
    [first] = bench.say(message)
    bench.advance(100)
    assert bench.say(message) == [first]
    [other] = bench.say(message._replace(key=message.key + 1))
    assert (other.refusal, other.lease) == (Refusal.ARMED, 0)


def test_a2_a_repeated_arm_does_not_refresh_the_lease(bench):
    bench.connect()
    message = bench.arm_message()
    bench.say(message)
    bench.advance(250)
    bench.say(message)
    bench.advance(50)
    assert bench.pen.truth.faults == Fault.DEAD_MAN


@pytest.mark.parametrize("silence_ms", [299, 300])
def test_a3_a_lease_without_setpoints_lives_for_one_dead_man_time(bench, silence_ms):
    bench.connect()
    bench.advance(1234)
    bench.arm()
    bench.advance(silence_ms)
    assert (bench.pen.truth.lease == 0) == (silence_ms == 300)
    assert (bench.pen.truth.faults == Fault.DEAD_MAN) == (silence_ms == 300)


ENDINGS = {
    "stop": (lambda bench: bench.say(Stop()), PenState.IDLE),
    "disarm": (lambda bench: bench.say(Disarm(bench.lease)), PenState.IDLE),
    "hello": (lambda bench: bench.say(Hello(1234, 1)), PenState.IDLE),
    "fault": (lambda bench: bench.pen.faults.latch_internal(), PenState.FAULT),
    "cartridge removed": (lambda bench: bench.pen.remove_cartridge(), PenState.FAULT),
    "silence": (lambda bench: bench.advance(299), PenState.FAULT),
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("motor", [1, 0])
def test_a4_every_end_of_a_lease_stops_the_motor_at_once_and_retracts_in_time(bench, ending, motor):
    end, settled = ENDINGS[ending]
    bench.running(500, motor=motor)
    bench.setpoint(motor=motor)
    end(bench)
    if ending == "silence":
        assert bench.pen.truth.motor_driven == bool(motor)
        bench.advance(1)
    truth = bench.pen.truth
    assert (truth.lease, truth.motor_driven) == (0, False)
    if motor:
        assert truth.state == PenState.RETRACTING
    bench.advance(bench.pen.model.retract_ms)
    assert bench.pen.truth.needles_out
    assert bench.pen.truth.state == settled
    assert bench.setpoint() == Refusal.LEASE
    assert not bench.pen.truth.motor_driven


def test_a4_reboot_ends_the_lease_and_retracts(bench):
    bench.running()
    old_lease = bench.lease
    bench.pen.reboot(down_ms=50)
    assert (bench.pen.truth.lease, bench.pen.truth.motor_driven) == (0, False)
    bench.advance(50)
    bench.connect()
    assert bench.setpoint(lease=old_lease) == Refusal.LEASE
    bench.advance(bench.pen.model.retract_ms)
    assert bench.pen.truth.needles_out
    assert bench.pen.truth.state == PenState.IDLE


def test_a4_disarm_of_another_lease_ends_nothing(bench):
    bench.running()
    bench.say(Disarm(bench.lease ^ 1))
    assert bench.pen.truth.motor_driven
