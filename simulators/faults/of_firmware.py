"""Faults of the pen's firmware: it reboots, hangs, lies, or does not do what it was told."""

from collections.abc import Callable
from zlib import crc32

from cobs.cobs import encode as cobs_encode

from firmware_bridge.wire.codec import encode
from firmware_bridge.wire.fields import NOT_MEASURED
from firmware_bridge.wire.framing import DELIMITER
from firmware_bridge.wire.messages import (
    ROW_OF_TYPE,
    Fault,
    Hello,
    Message,
    PenState,
    Request,
    Status,
    Stop,
)
from simulators.defects import Spoil
from simulators.faults.kinds import Apply, FaultKind, Given, Undo, number
from simulators.pen import BOOT_MS

NO_U16 = NOT_MEASURED["u16"]
U32_MASK = 0xFFFF_FFFF

FIRMWARE_FAULTS = (
    FaultKind(
        "firmware_reboot", "firmware", "The pen restarts: lease and motor are gone, its boot id is another.",
        "Stops, connects anew, and a person re-arms; nothing of the old lease moves the motor.",
        "H63", (number("down_ms", "ms", 1, 60_000, BOOT_MS),), reaction="stops", alarm="link_lost", lasts=False,
    ),
    FaultKind(
        "firmware_hang", "firmware", "The firmware stands still with the motor as it was; its watchdog may reset it.",
        "Says at HIGH that the link is lost and that the pen is to be lifted off; goes on sending STOP.",
        "H16", (number("watchdog_ms", "ms (0: none)", 0, 60_000, 0),), reaction="stops", alarm="link_lost",
    ),
    FaultKind(
        "firmware_mute", "firmware", "The pen sends no STATUS any more, and acts on what it hears.",
        "Stops: what is not confirmed is not assumed.",
        "H44", (), reaction="stops", alarm="link_lost",
    ),
    FaultKind(
        "firmware_slow_status", "firmware", "Of so many STATUS only one is sent.",
        "Treats on with fewer statuses, as long as they are fresher than the dead-man time.",
        "H44", (number("one_in", "statuses", 2, 1000, 4),),
    ),
    FaultKind(
        "firmware_frozen_status", "firmware", "The pen sends the same STATUS again and again.",
        "Takes it for no news at all: stops by the age of the pen time in it.",
        "H44", (), reaction="stops", alarm="link_lost",
    ),
    FaultKind(
        "firmware_nonsense_status", "firmware", "Every bit of STATUS is set, with a good CRC: what no field may be.",
        "Takes none of it, and stops when no good status is left.",
        "H28", (), reaction="stops", alarm="link_lost",
    ),
    FaultKind(
        "firmware_lies_idle", "firmware", "STATUS says armed and idle while the motor runs.",
        "Warns that the pen does not run as told, and leaves the lease in force: STOP works.",
        "H63", (), alarm="rate_droop",
    ),
    FaultKind(
        "firmware_lies_running", "firmware", "STATUS says running when the motor is off.",
        "Says at HIGH that it runs unasked, and sends STOP.",
        "H63", (), met="arming", reaction="stops", alarm="running_unasked",
    ),
    FaultKind(
        "firmware_lies_depth", "firmware", "STATUS shows the depth set as the depth measured.",
        "Cannot tell; the lease's ceiling and the subtracted uncertainty are what holds. A calibration finds it.",
        "H45", (),
    ),
    FaultKind(
        "firmware_lies_lease", "firmware", "STATUS shows a lease that nobody was given.",
        "Says at HIGH that the armed state ended, and stops.",
        "H63", (), reaction="stops", alarm="lease_ended",
    ),
    FaultKind(
        "firmware_lies_strokes", "firmware", "The stroke counter jumps ahead.",
        "Warns that the cartridge is worn, treats on.",
        "H72", (number("strokes", "strokes", 1, 10_000_000, 600_000),), alarm="cartridge_life",
    ),
    FaultKind(
        "firmware_phantom_press", "firmware", "The pen counts a press of its button that nobody made.",
        "Pauses, as for a real one.",
        "H26", (), reaction="pauses", lasts=False,
    ),
    FaultKind(
        "firmware_refuses_stop", "firmware", "STOP is not acted upon.",
        "Repeats STOP and sends no setpoint: the pen's dead-man stops the motor, and that is said at HIGH.",
        "H25", (), shown_by="stop", reaction="stops", alarm="pen_stopped_itself",
    ),
    FaultKind(
        "firmware_deaf", "firmware", "The firmware acts on no setpoint any more.",
        "Stops: the pen's dead-man acts, and is shown as what it is.",
        "H16", (), reaction="stops", alarm="pen_stopped_itself",
    ),
    FaultKind(
        "firmware_no_dead_man", "firmware", "Silence of the host does not stop the motor.",
        "Cannot tell while it talks to it; STOP works. `needlework conform` finds it.",
        "H14", (),
    ),
    FaultKind(
        "firmware_drops_lease", "firmware", "The pen ends its lease for no reason and says nothing of a fault.",
        "Says at HIGH that the armed state ended, stops, and a person re-arms.",
        "H63", (), reaction="stops", alarm="lease_ended", lasts=False,
    ),
    FaultKind(
        "firmware_internal", "firmware", "The firmware finds something wrong with itself.",
        "Stops, and says at HIGH that the pen reports a fault.",
        "H57", (), reaction="stops", alarm="pen_fault", lasts=False,
    ),
    FaultKind(
        "firmware_clock_ahead", "firmware", "The pen's clock jumps ahead.",
        "Treats on: the next status is newer all the same, and the next setpoint bears its time.",
        "H50", (number("jump_ms", "ms", 1, 600_000, 5000),), lasts=False,
    ),
    FaultKind(
        "firmware_clock_back", "firmware", "The pen's clock jumps back.",
        "Takes no status that is older than one it has seen, and stops.",
        "H50", (number("jump_ms", "ms", 1, 600_000, 5000),), reaction="stops", alarm="link_lost", lasts=False,
    ),
)  # fmt: skip


def says(given: Given, spoil: Spoil) -> Undo:
    """What the pen says is changed on its way out."""
    planted, name = given.parts.pen.defects.says, given.name
    planted[name] = spoil
    return lambda: _forget(planted.pop, name)


def deaf_to(given: Given, deaf: Callable[[Message], bool]) -> Undo:
    """What the pen hears is not acted upon."""
    planted, name = given.parts.pen.defects.deaf_to, given.name
    planted[name] = deaf
    return lambda: _forget(planted.pop, name)


def _forget(pop: Callable[[str, None], object], name: str) -> None:
    pop(name, None)


def status_says(given: Given, spoil: Callable[[Status], Status | bytes | None]) -> Undo:
    """What STATUS says is changed on its way out."""
    return says(given, lambda said: spoil(said) if isinstance(said, Status) else said)


def _reboot(given: Given) -> None:
    given.parts.pen.reboot(given.number("down_ms"))


def _hang(given: Given) -> Undo:
    pen = given.parts.pen
    pen.hang(watchdog_ms=given.number("watchdog_ms"))
    return lambda: pen.hang(False)


def _slow_status(given: Given) -> Undo:
    count = 0

    def spoil(status: Status) -> Status | None:
        nonlocal count
        count += 1
        return status if count % given.number("one_in") == 0 else None

    return status_says(given, spoil)


def _frozen_status(given: Given) -> Undo:
    kept: list[Status] = []

    def spoil(status: Status) -> Status:
        if not kept:
            kept.append(status)
        return kept[0]

    return status_says(given, spoil)


def _nonsense_status(given: Given) -> Undo:
    def spoil(status: Status) -> bytes:
        head, payload = bytes((ROW_OF_TYPE[Status].kind, status.pen_time_ms // 20 & 0xFF)), len(encode(status, 0)) - 6
        body = head + b"\xff" * payload
        wire: bytes = cobs_encode(body + crc32(body).to_bytes(4, "little"))
        return wire + DELIMITER

    return status_says(given, spoil)


def _lies_idle(given: Given) -> Undo:
    def spoil(status: Status) -> Status:
        running = status.state == PenState.RUNNING
        return status._replace(state=PenState.ARMED, rate_measured_mhz=0) if running else status

    return status_says(given, spoil)


def _lies_running(given: Given) -> Undo:
    return status_says(given, lambda status: status._replace(state=PenState.RUNNING))


def _lies_depth(given: Given) -> Undo:
    def spoil(status: Status) -> Status:
        told = status.depth_set_um not in {0, NO_U16}
        return status._replace(depth_measured_um=status.depth_set_um) if told else status

    return status_says(given, spoil)


def _lies_lease(given: Given) -> Undo:
    other = given.random.randint(1, U32_MASK)
    return status_says(given, lambda status: status._replace(lease=other) if status.lease else status)


def _lies_strokes(given: Given) -> Undo:
    more = given.number("strokes")
    return status_says(given, lambda status: status._replace(strokes=(status.strokes + more) & U32_MASK))


def _phantom_press(given: Given) -> None:
    given.parts.pen.press_button()


def _no_dead_man(given: Given) -> Undo:
    defects = given.parts.pen.defects
    defects.no_dead_man = True

    def undo() -> None:
        defects.no_dead_man = False

    return undo


def _drops_lease(given: Given) -> None:
    given.parts.pen.firmware.drop_lease()


def _internal(given: Given) -> None:
    given.parts.pen.firmware.latch(Fault.INTERNAL)


def _clock_jump(given: Given, sign: int) -> None:
    given.parts.pen.firmware.shift_time(sign * given.number("jump_ms"))


APPLY_FIRMWARE: dict[str, Apply] = {
    "firmware_reboot": _reboot,
    "firmware_hang": _hang,
    "firmware_mute": lambda given: status_says(given, lambda _status: None),
    "firmware_slow_status": _slow_status,
    "firmware_frozen_status": _frozen_status,
    "firmware_nonsense_status": _nonsense_status,
    "firmware_lies_idle": _lies_idle,
    "firmware_lies_running": _lies_running,
    "firmware_lies_depth": _lies_depth,
    "firmware_lies_lease": _lies_lease,
    "firmware_lies_strokes": _lies_strokes,
    "firmware_phantom_press": _phantom_press,
    "firmware_refuses_stop": lambda given: deaf_to(given, lambda heard: isinstance(heard, Stop)),
    "firmware_deaf": lambda given: deaf_to(given, lambda heard: not isinstance(heard, Hello | Stop | Request)),
    "firmware_no_dead_man": _no_dead_man,
    "firmware_drops_lease": _drops_lease,
    "firmware_internal": _internal,
    "firmware_clock_ahead": lambda given: _clock_jump(given, 1),
    "firmware_clock_back": lambda given: _clock_jump(given, -1),
}
