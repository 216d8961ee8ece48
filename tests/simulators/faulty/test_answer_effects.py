"""What each fault of the firmware's answers does to what a host gets, and that clearing ends it."""

from collections.abc import Callable

import pytest

from firmware_bridge.wire.codec import unpack
from firmware_bridge.wire.messages import PenState, Refusal, Welcome
from firmware_bridge.wire.operations import CALIBRATION_READ, CARTRIDGE_CONSUME, CalibrationData, CartridgeTag, Nothing
from simulators.faults.injector import Injector
from simulators.personality import day_number


def asked(bench):
    return bench.request(CALIBRATION_READ, Nothing())


def test_late_answers(make_bench) -> None:
    bench = make_bench()
    bench.connect()
    injector = Injector(bench.pen)
    injector.inject("firmware_late_answer", delay_ms=3000)
    assert asked(bench) is None
    assert bench.advance(2999) == []
    [answer] = bench.advance(1)
    assert answer.refusal == 0
    injector.clear_all()
    assert asked(bench).refusal == 0


def test_requests_that_are_carried_out_and_not_answered(make_bench) -> None:
    bench = make_bench()
    bench.connect()
    injector = Injector(bench.pen)
    injector.inject("firmware_no_answer")
    tag = bench.pen.cartridge.tag
    assert bench.request(CARTRIDGE_CONSUME, CartridgeTag(tag)) is None
    assert bench.pen.cartridge.used
    injector.clear_all()
    assert asked(bench).refusal == 0


def test_answers_to_another_request(make_bench) -> None:
    bench = make_bench()
    bench.connect()
    injector = Injector(bench.pen)
    injector.inject("firmware_wrong_answer")
    assert asked(bench).id != 9
    injector.clear_all()
    assert asked(bench).id == 9


def test_a_pen_that_is_for_ever_busy(make_bench) -> None:
    bench = make_bench()
    bench.connect()
    injector = Injector(bench.pen)
    injector.inject("firmware_busy")
    assert asked(bench).refusal == Refusal.BUSY
    assert bench.arm().refusal == Refusal.BUSY
    assert bench.status().state == PenState.SELF_TEST
    injector.clear_all()
    assert asked(bench).refusal == 0
    assert bench.arm().refusal == 0
    assert bench.status().state == PenState.ARMED


def test_a_pen_that_refuses_to_be_armed(make_bench) -> None:
    bench = make_bench()
    bench.connect()
    injector = Injector(bench.pen)
    injector.inject("firmware_refuses_arm")
    assert bench.arm().refusal == Refusal.NOT_READY
    assert not bench.pen.truth.lease
    injector.clear_all()
    assert bench.arm().refusal == 0


def test_a_cartridge_that_cannot_be_marked(make_bench) -> None:
    bench = make_bench()
    bench.connect()
    injector, tag = Injector(bench.pen), bench.pen.cartridge.tag
    injector.inject("firmware_consume_fails")
    assert bench.request(CARTRIDGE_CONSUME, CartridgeTag(tag)).refusal == Refusal.CARTRIDGE
    assert not bench.pen.cartridge.used
    injector.clear_all()
    assert bench.request(CARTRIDGE_CONSUME, CartridgeTag(tag)).refusal == 0


@pytest.mark.parametrize("name", ["firmware_calibration_lost", "firmware_calibration_due"])
def test_a_calibration_that_is_not_valid(make_bench, name: str) -> None:
    bench = make_bench()
    bench.connect()
    injector = Injector(bench.pen)

    def good() -> bool:
        calibration: CalibrationData = unpack(CALIBRATION_READ.data, asked(bench).data)
        return bool(calibration.valid) and calibration.due_day >= day_number(bench.pen.today)

    assert good()
    injector.inject(name)
    assert not good()
    injector.clear_all()
    assert good()


def test_a_calibration_written_meanwhile_stays(make_bench) -> None:
    bench = make_bench()
    injector = Injector(bench.pen)
    injector.inject("firmware_calibration_lost")
    written = bench.pen.memory.calibration = bench.pen.memory.calibration._replace(valid=1, certificate=b"NEW-1")
    injector.clear_all()
    assert bench.pen.memory.calibration == written


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("firmware_old_version", lambda said: said.version == 0),
        ("firmware_wrong_nonce", lambda said: said.nonce != 77),
    ],
)
def test_a_welcome_that_is_none(make_bench, name: str, wrong: Callable[[Welcome], bool]) -> None:
    bench = make_bench()
    injector = Injector(bench.pen)
    assert not wrong(bench.connect())
    injector.inject(name)
    assert wrong(bench.connect())
    injector.clear_all()
    assert not wrong(bench.connect())
