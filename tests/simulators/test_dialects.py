"""A pen that speaks lines of ASCII: the same parts, another line, and what no adapter can make good."""

from datetime import date
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.wire.messages import PenState
from simulators.dialects.ascii import LINE_MAX_BYTES, MODEL, AsciiFirmware
from simulators.dialects.base import DialectPen
from simulators.dialects.names import dialect_named
from simulators.errors import NoSuchPart, UnknownModel
from simulators.faults.injector import Injector

MEDIUM = 1


def pen() -> DialectPen:
    return DialectPen(AsciiFirmware, MODEL, rng=Random(1), today=date(2026, 1, 1), noisy=False)


def asked(one: DialectPen, line: bytes) -> str:
    one.receive(MEDIUM, line)
    return one.take(MEDIUM).decode("ascii")


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"I?\n", "I NW-ASCII NWA-000001 1.0\n"),
        (b"D 1.50\n", "OK D 1.50\n"),
        (b"D 1.5\r\n", "OK D 1.50\n"),
        (b"D 0\n", "OK D 0.00\n"),
        (b"D 1.52\n", "ERR RANGE\n"),
        (b"D 2.55\n", "ERR RANGE\n"),
        (b"D -0.5\n", "ERR RANGE\n"),
        (b"D 1,5\n", "ERR RANGE\n"),
        (b"D nan\n", "ERR RANGE\n"),
        (b"D 1e99999\n", "ERR RANGE\n"),
        (b"R 120\n", "OK R 120\n"),
        (b"R 19\n", "ERR RANGE\n"),
        (b"R 20.5\n", "ERR RANGE\n"),
        (b"S?\n", "S IDLE D 0.00 -0.30 R 100 0.0 B 100 P 0 F 0\n"),
        (b"g\n", "ERR WHAT\n"),
        (b"G 1\n", "ERR WHAT\n"),
        (b"\xff\xfe\n", "ERR WHAT\n"),
        (b"\n\r\n", ""),
        (b"X" * (LINE_MAX_BYTES + 1) + b"\n", "ERR LONG\n"),
        (b"X" * 5000 + b"\nX\n", "ERR LONG\nOK X\n"),
    ],
)
def test_lines_and_their_answers(line: bytes, answer: str) -> None:
    assert asked(pen(), line) == answer


def test_it_runs_at_what_was_set_on_the_same_physics() -> None:
    one = pen()
    asked(one, b"D 1.00\nR 120\nG\n")
    one.advance(500)
    assert one.truth.protrusion_um == pytest.approx(1000, abs=20)
    assert one.truth.rate_hz > 100
    assert asked(one, b"D 0.50\n") == "OK D 0.50\n"
    one.advance(500)
    assert one.truth.protrusion_um == pytest.approx(500, abs=20)
    asked(one, b"X\n")
    one.advance(300)
    assert one.truth.needles_out
    assert not one.truth.motor_driven


def test_a_host_that_dies_leaves_it_running_which_is_why_nothing_arms_it() -> None:
    one = pen()
    asked(one, b"D 1.00\nG\n")
    one.advance(10_000)
    assert one.truth.motor_driven
    one.forget(MEDIUM)
    one.advance(10_000)
    assert one.truth.motor_driven


def test_one_bit_makes_another_depth_of_it() -> None:
    one = pen()
    flipped = bytes(byte ^ (0x03 if byte == ord("1") else 0) for byte in b"D 1.00\n")
    assert asked(one, flipped) == "OK D 2.00\n"


def test_a_press_stops_the_motor_and_the_next_go_starts_it_whoever_decided_it_when() -> None:
    one = pen()
    asked(one, b"D 1.00\nG\n")
    one.advance(100)
    one.press_button()
    one.advance(2)
    assert not one.truth.motor_driven
    assert "P 1" in asked(one, b"S?\n")
    asked(one, b"G\n")
    assert one.truth.motor_driven


def test_a_jammed_motor_is_let_go_and_told_of() -> None:
    one = pen()
    one.faults.jam_motor()
    asked(one, b"D 1.00\nG\n")
    one.advance(400)
    assert not one.truth.motor_driven
    assert asked(one, b"S?\n").startswith("S FAULT")
    assert asked(one, b"G\n") == "ERR FAULT\n"
    assert asked(one, b"C\nG\n") == "OK C\nOK G\n"


def test_without_a_cartridge_it_does_not_start_and_stops_when_it_is_taken_off() -> None:
    one = pen()
    one.remove_cartridge()
    assert asked(one, b"G\n") == "ERR FAULT\n"
    one.insert_cartridge()
    assert asked(one, b"G\n") == "OK G\n"
    one.remove_cartridge()
    assert not one.truth.motor_driven
    assert asked(one, b"C\n") == "ERR FAULT\n"


def test_a_reboot_ends_the_motor() -> None:
    one = pen()
    asked(one, b"D 1.00\nG\n")
    one.advance(100)
    one.reboot()
    one.advance(400)
    assert one.truth.needles_out
    assert asked(one, b"S?\n").startswith("S IDLE")


@given(
    st.lists(
        st.one_of(st.binary(max_size=80), st.sampled_from([b"G\n", b"D 2.50\n", b"R 150\n", b"X\n", b"C\n", b"S?\n"])),
        max_size=30,
    )
)
def test_whatever_comes_nothing_breaks_and_a_stop_on_a_line_of_its_own_stops(pieces: list[bytes]) -> None:
    one = pen()
    for piece in pieces:
        one.receive(MEDIUM, piece)
        one.advance(3)
    assert one.take(MEDIUM).isascii()
    one.receive(MEDIUM, b"\nX\n")
    assert not one.truth.motor_driven
    assert one.take(MEDIUM).endswith(b"OK X\n")


def test_a_dialect_that_is_not_there_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownModel, match="ascii"):
        dialect_named("asci")


def test_truth_says_what_it_does_though_it_knows_no_lease() -> None:
    one = pen()
    assert one.truth.state is PenState.IDLE
    asked(one, b"D 1.00\nR 120\nG\n")
    one.advance(300)
    assert one.truth.state is PenState.RUNNING
    asked(one, b"X\n")
    assert one.truth.state is PenState.RETRACTING


def test_a_fault_of_messages_it_does_not_speak_is_refused_and_one_of_its_parts_is_not() -> None:
    one = pen()
    injector = Injector(one)
    for name in ("firmware_refuses_stop", "firmware_mute", "firmware_lies_depth"):
        with pytest.raises(NoSuchPart, match="speaks the wire protocol"):
            injector.inject(name)
    asked(one, b"D 1.00\nR 120\nG\n")
    one.advance(300)
    injector.inject("motor_stall")
    one.advance(1000)
    assert not one.truth.motor_driven
    assert not {kind.name for kind in injector.available} & {"firmware_refuses_stop", "firmware_deaf"}
    assert "firmware_hang" in {kind.name for kind in injector.available}
