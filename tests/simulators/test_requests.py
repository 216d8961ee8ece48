"""Clauses R1–R7: requests, their refusals, what is remembered over a reboot, self-test and event log."""

import struct
from dataclasses import replace

import pytest

from firmware_bridge.wire.codec import pack, unpack
from firmware_bridge.wire.messages import Capability, Fault, PenState, Refusal, Request, Stop
from firmware_bridge.wire.operations import (
    CALIBRATION_READ,
    CALIBRATION_WRITE,
    CARTRIDGE_CONSUME,
    CARTRIDGE_READ,
    CLEAR_FAULT,
    EVENT_LOG,
    OPERATIONS,
    OUTCOME,
    SELF_TEST,
    CalibrationData,
    CartridgeData,
    CartridgeTag,
    FaultMask,
    LogEntries,
    LogPosition,
    OutcomeData,
    OutcomeKey,
    SelfTestData,
)
from firmware_bridge.wire.service_operations import SERVICE_ARM, ServiceCeilings
from simulators.personality import FULL_CAPABILITIES, NW_1, NW_2, NW_PLAIN, day_number

EVERYTHING = replace(NW_2, capabilities=NW_2.capabilities | Capability.FIRMWARE_UPDATE)


def log(bench):
    """The whole event log, read over the wire: [(number, time, code, argument), …]."""
    entries, first = [], 1
    while True:
        answer = unpack(LogEntries, bench.request(EVENT_LOG, LogPosition(first)).data)
        piece = list(struct.iter_unpack("<IIBI", answer.entries))
        assert len(piece) <= 3
        if not piece:
            return entries
        entries += piece
        first = piece[-1][0] + 1


def codes(bench):
    return [(code, argument) for _, _, code, argument in log(bench)]


def test_r1_refusals_come_in_the_order_of_the_protocol(bench):
    bench.running()
    assert bench.request(0x99, b"", nonce=1).refusal == Refusal.NONCE
    assert bench.request(0x99, b"").refusal == Refusal.UNSUPPORTED
    assert bench.request(CARTRIDGE_CONSUME, b"").refusal == Refusal.RANGE
    assert bench.request(CARTRIDGE_CONSUME, CartridgeTag(1)).refusal == Refusal.ARMED
    bench.say(Stop())
    assert bench.request(SELF_TEST) is None
    assert bench.request(CARTRIDGE_CONSUME, CartridgeTag(1)).refusal == Refusal.BUSY
    bench.advance(1500)
    assert bench.request(CARTRIDGE_CONSUME, CartridgeTag(1)).refusal == Refusal.CARTRIDGE
    assert bench.request(CARTRIDGE_CONSUME, CartridgeTag(bench.pen.cartridge.tag)).refusal == Refusal.NONE


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_r1_a_key_belongs_to_what_is_not_repeatable_and_to_nothing_else(make_bench, operation):
    bench = make_bench(EVERYTHING)
    bench.connect()
    arguments = bytes(60)
    wrong_key = 5 if operation.repeatable else 0
    assert bench.request(operation, arguments, key=wrong_key).refusal == Refusal.RANGE


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_r1_a_pen_that_lacks_the_capability_does_not_have_the_operation(make_bench, operation):
    capabilities = Capability(0) if operation.capability is None else FULL_CAPABILITIES & ~operation.capability
    bench = make_bench(replace(NW_1, capabilities=capabilities))
    bench.connect()
    refusal = bench.request(operation, b"\x01" * 60)
    refused = refusal is not None and refusal.refusal == Refusal.UNSUPPORTED
    assert refused == (operation.capability is not None)


def test_r1_requests_that_change_something_are_refused_armed_and_reads_are_not(make_bench):
    bench = make_bench(EVERYTHING).running()
    for operation in OPERATIONS:
        arguments = ServiceCeilings(1000, 100_000, 5_000) if operation is SERVICE_ARM else b"\x01" * 60
        response = bench.request(operation, arguments)
        assert (response.refusal == Refusal.ARMED) == (not operation.while_armed), operation.name


def test_r2_status_flows_during_a_self_test_and_the_answer_comes_at_its_end(bench):
    bench.connect()
    assert bench.request(SELF_TEST) is None
    assert bench.pen.truth.state == PenState.SELF_TEST
    assert bench.advance(bench.pen.model.self_test_ms - 1) == []
    assert {status.state for status in bench.statuses[1]} == {PenState.SELF_TEST}
    assert len(bench.statuses[1]) >= 49
    [response] = bench.advance(1)
    result = unpack(SelfTestData, response.data)
    assert (response.id, response.refusal, result.passed, result.tested) == (9, Refusal.NONE, 0x3F, 0x3F)
    assert bench.pen.truth.state == PenState.IDLE


@pytest.mark.parametrize("freed", [True, False])
def test_r2_a_motor_that_was_held_fast_leaves_no_current_for_the_self_test_to_find(bench, freed):
    """Let go, the drive is off: no current flows. The self-test does not drive, so it cannot see a motor still held."""
    bench.pen.faults.jam_motor()
    bench.ready()
    bench.setpoint()
    bench.advance(20)
    bench.setpoint()
    assert bench.status().motor_current_ma > 1000
    bench.say(Stop())
    bench.pen.faults.jam_motor(not freed)
    assert bench.status().motor_current_ma == 0
    assert bench.pen.plant.current_a == 0.0
    bench.advance(300)
    bench.request(SELF_TEST)
    [response] = bench.advance(1000)
    assert unpack(SelfTestData, response.data) == SelfTestData(passed=0x3F, tested=0x3F)


def test_r2_reads_are_answered_during_a_self_test(bench):
    bench.connect()
    bench.request(SELF_TEST)
    assert bench.request(CALIBRATION_READ).refusal == Refusal.NONE


def test_r2_a_repeat_of_the_running_self_test_is_answered_once_at_its_end(bench):
    bench.connect()
    assert bench.request(SELF_TEST, key=5) is None
    assert bench.request(SELF_TEST, key=5) is None
    assert len(bench.advance(1500)) == 1


def test_r3_a_repeated_key_is_not_executed_again(bench):
    bench.connect()
    tag = CartridgeTag(bench.pen.cartridge.tag)
    assert bench.request(CARTRIDGE_CONSUME, tag, key=5).refusal == Refusal.NONE
    before = codes(bench)
    assert bench.request(CARTRIDGE_CONSUME, tag, key=5) == (9, Refusal.NONE, b"")
    assert codes(bench) == before


def test_r3_a_kept_refusal_stays_one_though_its_reason_is_gone(bench):
    bench.ready()
    tag = CartridgeTag(bench.pen.cartridge.tag)
    assert bench.request(CARTRIDGE_CONSUME, tag, key=5).refusal == Refusal.ARMED
    bench.say(Stop())
    assert bench.request(CARTRIDGE_CONSUME, tag, key=5).refusal == Refusal.ARMED
    assert not bench.pen.cartridge.used
    assert bench.request(CARTRIDGE_CONSUME, tag, key=6).refusal == Refusal.NONE
    assert bench.pen.cartridge.used


def test_r3_refused_for_its_nonce_is_not_kept(bench):
    bench.connect()
    tag = CartridgeTag(bench.pen.cartridge.tag)
    bench.request(CARTRIDGE_CONSUME, tag, key=5, nonce=1)
    assert bench.request(OUTCOME, OutcomeKey(5)).refusal == Refusal.UNKNOWN_KEY
    assert bench.request(CARTRIDGE_CONSUME, tag, key=5).refusal == Refusal.NONE


def test_r3_r4_the_last_16_outcomes_are_kept_over_a_reboot(bench):
    bench.connect()
    for key in range(1, 18):
        mask = FaultMask(0) if key % 2 else None
        bench.request(CLEAR_FAULT, b"" if mask is None else mask, key=key)
    bench.pen.reboot()
    bench.advance(50)
    bench.connect()
    assert bench.request(OUTCOME, OutcomeKey(1)).refusal == Refusal.UNKNOWN_KEY
    for key in range(2, 18):
        answer = bench.request(OUTCOME, OutcomeKey(key))
        expected = Refusal.NONE if key % 2 else Refusal.RANGE
        assert unpack(OutcomeData, answer.data) == OutcomeData(key, expected)
    assert bench.request(OUTCOME, OutcomeKey(99)).refusal == Refusal.UNKNOWN_KEY


def test_r3_arm_keys_are_not_among_the_outcomes(bench):
    bench.connect()
    bench.arm(key=4242)
    assert bench.request(OUTCOME, OutcomeKey(4242)).refusal == Refusal.UNKNOWN_KEY


def test_r3_a_self_test_cut_by_a_reboot_has_no_outcome(bench):
    bench.connect()
    bench.request(SELF_TEST, key=5)
    bench.advance(500)
    bench.pen.reboot()
    bench.advance(2000)
    bench.connect()
    assert bench.request(OUTCOME, OutcomeKey(5)).refusal == Refusal.UNKNOWN_KEY


def test_r5_reads_are_computed_anew(bench):
    bench.connect()
    first = unpack(CartridgeData, bench.request(CARTRIDGE_READ).data)
    assert (first.present, first.used, first.tag) == (1, 0, bench.pen.cartridge.tag)
    assert (first.needle_count, first.needle_length_um) == (12, 1500)
    assert first.expiry_day > day_number(bench.pen.today)
    bench.request(CARTRIDGE_CONSUME, CartridgeTag(first.tag))
    assert unpack(CartridgeData, bench.request(CARTRIDGE_READ).data).used == 1
    bench.pen.remove_cartridge()
    assert unpack(CartridgeData, bench.request(CARTRIDGE_READ).data) == CartridgeData(
        0, 0, 0, 0, 0, 0, bytes(16), bytes(16)
    )


def test_a_cartridge_stays_used_over_reboot_and_removal(bench):
    bench.connect()
    bench.request(CARTRIDGE_CONSUME, CartridgeTag(bench.pen.cartridge.tag))
    cartridge = bench.pen.remove_cartridge()
    bench.pen.reboot()
    bench.pen.insert_cartridge(cartridge)
    bench.advance(50)
    bench.connect()
    assert unpack(CartridgeData, bench.request(CARTRIDGE_READ).data).used == 1


def test_a_pen_that_does_not_identify_cartridges_cannot_read_one(make_bench):
    bench = make_bench(NW_PLAIN)
    bench.connect()
    assert bench.request(CARTRIDGE_READ).refusal == Refusal.UNSUPPORTED
    assert bench.status().interlocks & 1


def test_calibration_is_valid_from_the_factory_replaced_whole_and_kept_over_a_reboot(bench):
    bench.connect()
    factory = unpack(CalibrationData, bench.request(CALIBRATION_READ).data)
    assert (factory.valid, factory.depth_gain_ppm, factory.depth_offset_um, factory.depth_uncertainty_um) == (
        1, 1_000_000, 0, 50,
    )  # fmt: skip
    today = day_number(bench.pen.today)
    assert factory.calibrated_day < today < factory.due_day - 365
    written = CalibrationData(1, b"CERT-7".ljust(16, b"\0"), today, today + 365, 1_010_000, -20, 40, 990_000)
    assert bench.request(CALIBRATION_WRITE, pack(written)[:-1]).refusal == Refusal.RANGE
    assert unpack(CalibrationData, bench.request(CALIBRATION_READ).data) == factory
    assert bench.request(CALIBRATION_WRITE, written).refusal == Refusal.NONE
    bench.pen.reboot()
    bench.advance(50)
    bench.connect()
    assert unpack(CalibrationData, bench.request(CALIBRATION_READ).data) == written


def test_r6_self_test_with_faults_latched_but_not_with_a_lease(bench):
    bench.ready()
    assert bench.request(SELF_TEST).refusal == Refusal.ARMED
    bench.pen.faults.wet()
    bench.advance(300)
    assert bench.pen.truth.faults == Fault.INGRESS
    assert bench.request(SELF_TEST) is None
    [response] = bench.advance(1500)
    assert response.refusal == Refusal.NONE
    assert bench.pen.truth.state == PenState.FAULT


def test_r6_self_test_never_moves_motor_or_needles(bench):
    bench.connect()
    bench.request(SELF_TEST)
    for _ in range(1500):
        bench.advance(1)
        assert not bench.pen.truth.motor_driven
        assert bench.pen.truth.needles_out


def test_r6_self_test_shows_the_part_that_fails(bench):
    bench.connect()
    bench.pen.faults.kill_depth_sensor()
    bench.request(SELF_TEST)
    [response] = bench.advance(1500)
    assert unpack(SelfTestData, response.data) == SelfTestData(passed=0x3D, tested=0x3F)


def test_r6_a_calibration_that_was_ended_is_no_failed_memory(bench):
    bench.pen.memory.calibration = bench.pen.memory.calibration._replace(valid=0)
    bench.connect()
    bench.request(SELF_TEST)
    [response] = bench.advance(1500)
    assert unpack(SelfTestData, response.data) == SelfTestData(passed=0x3F, tested=0x3F)


def test_t1_stop_aborts_a_self_test_and_it_counts_as_not_done(bench):
    bench.connect()
    bench.request(SELF_TEST, key=5)
    [response] = bench.say(Stop())
    assert (response.id, response.refusal) == (9, Refusal.NOT_READY)
    assert bench.pen.truth.state == PenState.IDLE
    answer = bench.request(OUTCOME, OutcomeKey(5))
    assert unpack(OutcomeData, answer.data).refusal == Refusal.NOT_READY


def test_r6_a_self_test_whose_host_has_gone_answers_nobody_and_is_remembered(bench):
    bench.connect(nonce=1)
    bench.request(SELF_TEST, key=5)
    bench.connect(nonce=2)
    assert bench.advance(1500) == []
    assert unpack(OutcomeData, bench.request(OUTCOME, OutcomeKey(5)).data).refusal == Refusal.NONE


def test_r7_the_log_tells_what_happened_numbered_over_boots(bench):
    bench.running()
    lease = bench.lease
    bench.pen.press_button()
    bench.pen.press_pedal()
    bench.advance(300)
    bench.advance(300)
    bench.request(CLEAR_FAULT, FaultMask(Fault.DEAD_MAN))
    bench.request(CARTRIDGE_CONSUME, CartridgeTag(bench.pen.cartridge.tag))
    calibration = bench.pen.memory.calibration
    bench.request(CALIBRATION_WRITE, calibration)
    bench.request(SELF_TEST)
    bench.advance(1500)
    bench.pen.reboot()
    bench.advance(50)
    bench.connect()
    assert codes(bench) == [
        (1, 0), (2, lease), (9, 0), (10, 0), (4, Fault.DEAD_MAN), (3, 4), (5, Fault.DEAD_MAN),
        (7, bench.pen.cartridge.tag), (6, 0), (8, 0x3F), (1, 0),
    ]  # fmt: skip
    assert [number for number, *_ in log(bench)] == list(range(1, 12))


@pytest.mark.parametrize(
    ("end", "argument"),
    [
        (lambda bench: bench.say(Stop()), 0),
        (lambda bench: bench.pen.remove_cartridge(), 2),
        (lambda bench: bench.connect(nonce=bench.nonce + 1), 3),
        (lambda bench: bench.advance(300), 4),
    ],
)
def test_r7_the_log_tells_why_a_lease_ended(bench, end, argument):
    bench.ready()
    end(bench)
    assert (3, argument) in codes(bench)


def test_r7_the_last_64_entries_are_kept(bench):
    bench.connect()
    for _ in range(100):
        bench.pen.press_button()
        bench.advance(1)
    numbers = [number for number, *_ in log(bench)]
    assert numbers == list(range(101 - 63, 102))
    assert unpack(LogEntries, bench.request(EVENT_LOG, LogPosition(1000)).data) == LogEntries(101, b"")


def test_r2_one_outstanding_request_answers_carry_its_id(bench):
    bench.connect()
    for request_id in (1, 2, 0xFFFF):
        [response] = bench.say(Request(request_id, bench.nonce, CALIBRATION_READ.number, 0, b""))
        assert response.id == request_id
