"""Clauses C1–C7 and the frame rules: who is connected, and what bytes may do."""

import pytest

from firmware_bridge.wire.codec import FRAME_MAX_ARMED_BYTES, encode
from firmware_bridge.wire.framing import frame
from firmware_bridge.wire.messages import Arm, Busy, Capability, Disarm, Hello, Setpoint, Stop, Welcome
from firmware_bridge.wire.operations import CALIBRATION_READ, CARTRIDGE_READ, EVENT_LOG, LogPosition
from simulators.personality import NW_1


def test_c1_hello_is_answered_at_once_with_its_nonce_and_the_data_sheet(bench):
    bench.pen.receive(1, b"\x00")
    welcome = bench.connect(nonce=0xDEADBEEF)
    assert isinstance(welcome, Welcome)
    assert (welcome.nonce, welcome.version) == (0xDEADBEEF, 1)
    assert welcome.model.rstrip(b"\0") == b"NW-1"
    assert welcome.boot_id == bench.pen.firmware.boot_id
    assert welcome.capabilities == NW_1.capabilities | Capability.SIMULATED
    assert (welcome.depth_min_um, welcome.depth_max_um, welcome.depth_step_um) == (0, 2500, 50)
    assert (welcome.rate_min_mhz, welcome.rate_max_mhz, welcome.rate_step_mhz) == (20_000, 150_000, 1_000)
    assert (welcome.dead_man_ms, welcome.retract_ms, welcome.status_period_ms) == (300, 250, 20)


def test_c1_a_repeated_hello_is_answered_again(bench):
    first = bench.connect(nonce=5)
    assert bench.connect(nonce=5) == first


def test_c1_hello_with_nonce_zero_is_no_hello(bench):
    assert bench.say_body(bytes((1, 0, 0, 0, 0, 0, 1))) == []


def test_c2_no_status_before_a_hello_then_one_every_period(bench):
    bench.advance(500)
    assert bench.statuses[1] == []
    bench.connect()
    bench.advance(19)
    assert bench.statuses[1] == []
    bench.advance(81)
    times = [status.pen_time_ms for status in bench.statuses[1]]
    assert times == [520, 540, 560, 580, 600]


def test_c3_another_version_is_told_ours_and_gets_no_connection(bench):
    [welcome] = bench.say(Hello(5, 9))
    assert (welcome.nonce, welcome.version) == (5, 1)
    bench.advance(100)
    assert bench.statuses[1] == []
    bench.nonce = 5
    assert bench.say(bench.arm_message()) == []


def test_c3_another_version_on_the_medium_of_the_lease_ends_it(bench):
    bench.running()
    bench.say(Hello(6, 2))
    assert bench.pen.truth.lease == 0
    assert not bench.pen.truth.motor_driven
    assert not bench.pen.truth.faults


def test_c3_another_version_on_another_medium_of_a_live_lease_is_busy_and_disturbs_nothing(bench):
    bench.running()
    assert bench.say(Hello(6, 2), medium=2) == [Busy(6)]
    bench.run(200)
    assert bench.pen.truth.motor_driven
    assert bench.statuses[2] == []


@pytest.mark.parametrize("nonce", [77, 78], ids=["the same nonce, delivered late", "a new nonce"])
def test_c4_hello_on_the_medium_of_the_lease_ends_it_without_a_fault(bench, nonce):
    bench.running()
    welcome = bench.connect(nonce=nonce)
    assert isinstance(welcome, Welcome)
    truth = bench.pen.truth
    assert (truth.lease, truth.motor_driven, truth.faults) == (0, False, 0)
    assert bench.status().lease == 0
    assert bench.arm().refusal == 0


def test_c4_hello_on_another_medium_of_a_live_lease_is_busy_and_changes_nothing(bench):
    bench.running()
    assert bench.say(Hello(99, 1), medium=2) == [Busy(99)]
    bench.run(200)
    assert bench.pen.truth.motor_driven
    assert bench.statuses[2] == []


def test_c5_without_a_lease_another_medium_takes_over_and_the_old_one_falls_silent(bench):
    bench.connect()
    bench.advance(100)
    bench.connect(nonce=5, medium=2)
    heard = len(bench.statuses[1])
    bench.advance(100)
    bench.advance(100, medium=2)
    assert len(bench.statuses[1]) == heard
    assert len(bench.statuses[2]) == 10


def test_c6_a_medium_without_the_connection_is_heard_only_for_hello_and_stop(bench):
    bench.running()
    lease, now = bench.lease, bench.pen.firmware.pen_time_ms
    assert bench.say(bench.arm_message(), medium=2) == []
    assert bench.say(Setpoint(lease, 1000, 0, 0, 0, now), medium=2) == []
    assert bench.say(Disarm(lease), medium=2) == []
    assert bench.pen.truth.motor_driven
    bench.say(Stop(), medium=2)
    assert not bench.pen.truth.motor_driven


def test_c7_a_medium_that_goes_away_stops_nothing_by_itself_silence_does(bench):
    bench.running()
    left_ms = 299 - (bench.pen.firmware.pen_time_ms - bench.statuses[1][-1].pen_time_ms)
    bench.pen.forget(1)
    bench.advance(200)
    assert bench.pen.truth.motor_driven
    bench.advance(left_ms)
    assert not bench.pen.truth.motor_driven


def test_frames_damaged_short_unknown_or_empty_are_dropped_silently(bench):
    bench.connect()
    good = frame(Stop(), 0)
    damaged = bytearray(good)
    damaged[1] ^= 0x40
    for junk in (b"\0\0\0", bytes(damaged), b"\x02\x08\0", b"\xff" * 300 + b"\0", b"pen?\r\n\0", good[:-3] + b"\0"):
        bench.pen.receive(1, junk)
    assert bench.hear() == []
    assert bench.pen.firmware.media.damaged_frames >= 4
    assert isinstance(bench.connect(nonce=3), Welcome)


def test_a_longer_payload_is_accepted_and_its_tail_ignored(bench):
    [welcome] = bench.say_body(encode(Hello(5, 1), 0)[:-4] + b"more than this version knows")
    assert welcome.nonce == 5


def test_no_frame_is_longer_than_allowed_while_a_lease_lives(bench):
    bench.running()
    for operation, arguments in ((CALIBRATION_READ, b""), (CARTRIDGE_READ, b""), (EVENT_LOG, LogPosition(1))):
        response = bench.request(operation, arguments)
        assert len(encode(response, 0)) <= FRAME_MAX_ARMED_BYTES
    assert len(encode(bench.status(), 0)) <= FRAME_MAX_ARMED_BYTES


def test_sequence_counts_the_frames_of_a_medium(bench):
    bench.connect()
    bench.advance(6000)
    assert bench._deframers[1].lost == 0
    assert bench._deframers[1].frames == 301


def test_arm_is_not_heard_before_any_hello(bench):
    assert bench.say(Arm(0, 1, 500, 100_000, 1)) == []
