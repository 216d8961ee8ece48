"""A write is whole or not at all, wherever the supply fails; and the pen knows which."""

import pytest

from firmware_bridge.wire.codec import unpack
from firmware_bridge.wire.messages import Refusal
from firmware_bridge.wire.operations import CALIBRATION_READ, CALIBRATION_WRITE, OUTCOME, CalibrationData, OutcomeKey
from firmware_bridge.wire.service_operations import ADJUSTMENT_READ, ADJUSTMENT_WRITE, AdjustmentData
from simulators.adjustment import AdjustmentTable
from simulators.nonvolatile import WRITE_STEPS
from simulators.personality import NW_2

TABLE = AdjustmentTable(1, 1_010_000, (0, 1000, 2500), (30, 1045, 2560))
STEPS = range(len(WRITE_STEPS))
DONE = len(WRITE_STEPS) - 1


def stored(bench):
    calibration = unpack(CalibrationData, bench.request(CALIBRATION_READ).data)
    return calibration, unpack(AdjustmentData, bench.request(ADJUSTMENT_READ).data)


@pytest.fixture
def pen_2(make_bench):
    bench = make_bench(NW_2)
    bench.connect()
    return bench


@pytest.mark.parametrize("step", STEPS, ids=WRITE_STEPS)
def test_a_table_is_old_or_new_with_its_calibration_and_its_outcome_says_which(pen_2, step):
    before = stored(pen_2)
    boot_id = pen_2.pen.firmware.boot_id
    pen_2.pen.memory.cut_at = step
    assert pen_2.request(ADJUSTMENT_WRITE, TABLE.as_data(), key=77) is None
    pen_2.advance(100)
    assert pen_2.pen.firmware.boot_id != boot_id
    pen_2.connect()
    done = step == DONE
    after = before[0]._replace(valid=0), TABLE.as_data()
    assert stored(pen_2) == (after if done else before)
    outcome = pen_2.request(OUTCOME, OutcomeKey(77)).refusal
    assert outcome == (Refusal.NONE if done else Refusal.UNKNOWN_KEY)


@pytest.mark.parametrize("step", STEPS, ids=WRITE_STEPS)
def test_a_calibration_is_old_or_new_and_so_is_what_was_counted_by_then(pen_2, step):
    pen_2.pen.age(3.0)
    before, _ = stored(pen_2)
    written = before._replace(certificate=b"NW-77".ljust(16, b"\0"), depth_offset_um=-12)
    pen_2.pen.memory.cut_at = step
    pen_2.request(CALIBRATION_WRITE, written)
    pen_2.advance(100)
    pen_2.connect()
    after, _ = stored(pen_2)
    assert after == (written if step == DONE else before)
    assert pen_2.pen.memory.counted_then.run_s == (10_800 if step == DONE else 0)


def test_after_a_cut_the_next_write_goes_as_any(pen_2):
    pen_2.pen.memory.cut_at = 2
    pen_2.request(ADJUSTMENT_WRITE, TABLE.as_data())
    pen_2.advance(100)
    pen_2.connect()
    assert pen_2.request(ADJUSTMENT_WRITE, TABLE.as_data()).refusal == Refusal.NONE
    assert stored(pen_2)[1] == TABLE.as_data()
