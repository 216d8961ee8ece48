"""Target: the simulated pen's firmware, by bytes from two media, time and hands."""

from datetime import date
from random import Random

from firmware_bridge.wire.codec import range_problem
from firmware_bridge.wire.framing import WIRE_MAX_BYTES, Deframer, frame
from firmware_bridge.wire.messages import (
    ROW_OF_TYPE,
    Arm,
    Direction,
    Disarm,
    Hello,
    Request,
    Setpoint,
    Status,
    Stop,
)
from firmware_bridge.wire.operations import OPERATIONS
from simulators.pen import SimulatedPen
from tests.fuzz.reading import Script

MEDIA = (1, 2)
STEPS_MAX = 60
STRIDE_MAX_MS, SILENCE_MAX_MS = 60, 400
NONCE = 7


def fuzz(data: bytes) -> None:
    """A pen's life as the script has it. Raises when something breaks, grows, or says what no pen may say."""
    script = Script(data)
    pen = SimulatedPen(rng=Random(1), today=date(2026, 5, 4))
    ears = {medium: Deframer() for medium in MEDIA}
    for _ in range(STEPS_MAX):
        if not script.left:
            break
        _step(pen, script)
        for medium, deframer in ears.items():
            for said in deframer.feed(pen.take(medium)):
                assert ROW_OF_TYPE[type(said)].direction is Direction.PEN_TO_HOST, said
                assert range_problem(said) is None, said
            assert deframer.damaged == 0, "a pen sent what is no frame"
        held = pen.firmware.media.held_bytes
        assert len(held) <= len(MEDIA)
        assert max(held, default=0) <= WIRE_MAX_BYTES
    pen.advance(100)  # whatever was rebooted is up
    pen.receive(1, b"\x00" + frame(Stop(), 0))
    assert not pen.firmware.lease, "STOP left a lease alive"
    pen.advance(pen.model.retract_ms)
    assert not pen.plant.driven, "STOP left the motor driven"


def _step(pen: SimulatedPen, script: Script) -> None:
    medium = MEDIA[script.number(4) == 0]
    match script.number(12):
        case 0:
            pen.receive(medium, script.piece(script.number(300)))
        case 1:
            pen.advance(1 + script.number(STRIDE_MAX_MS))
        case 2:
            pen.advance(script.number(SILENCE_MAX_MS))
        case 3:
            pen.receive(medium, frame(Hello(NONCE, 1), script.number(256)))
        case 4:
            tag = pen.cartridge.tag if pen.cartridge is not None else 0
            pen.receive(medium, frame(Arm(NONCE, 1 + script.number(4), 50 * script.number(40), 100_000, tag), 0))
        case 5 | 6:
            seen_ms = (pen.firmware.pen_time_ms - script.number(350)) & 0xFFFF_FFFF
            tick, motor = 1 + script.number(256), script.number(2)
            depth_um, rate_mhz = 50 * script.number(40), 1000 * script.number(160)
            lease = pen.firmware.lease or 1
            pen.receive(medium, frame(Setpoint(lease, tick, motor, depth_um, rate_mhz, seen_ms), 0))
        case 7:
            operation = OPERATIONS[script.number(len(OPERATIONS))].number
            arguments = script.piece(script.number(40))
            pen.receive(medium, frame(Request(script.number(256), NONCE, operation, script.number(5), arguments), 0))
        case 8:
            pen.receive(medium, frame(Disarm(pen.firmware.lease or 1), 0))
        case 9:
            _hand(pen, script.number(5))
        case _:
            pen.receive(medium, script.sealed())


def _hand(pen: SimulatedPen, what: int) -> None:
    match what:
        case 0:
            pen.press_button()
        case 1:
            pen.remove_cartridge()
        case 2:
            pen.insert_cartridge()
        case 3:
            pen.reboot()
        case _:
            pen.hold_on("cheek", touching=True)


def seeds() -> list[bytes]:
    """A treatment, and a bit of everything."""
    hello, arm, pause = bytes((1, 3, 0)), bytes((1, 4, 0, 20)), bytes((1, 1, 25))
    beats = b"".join(bytes((1, 5, 10, 0, tick, 1, 10, 80)) + pause for tick in range(1, 12))
    requests = b"".join(bytes((1, 7, number, 0, number, number)) + pause for number in range(len(OPERATIONS)))
    return [hello + pause + arm + pause + beats, hello + pause + requests, bytes(range(256)), Status.__doc__.encode()]
