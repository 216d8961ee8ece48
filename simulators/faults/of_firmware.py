"""Faults of the pen's firmware: it reboots, hangs, lies, is late, or does not do what it was told."""

from collections.abc import Callable

from firmware_bridge.wire.fields import NOT_MEASURED
from firmware_bridge.wire.messages import (
    Arm,
    Armed,
    Fault,
    Hello,
    Message,
    PenState,
    Refusal,
    Request,
    Response,
    Status,
    Stop,
    Welcome,
)
from firmware_bridge.wire.operations import CARTRIDGE_CONSUME, CalibrationData
from simulators.defects import Spoil
from simulators.faults.kinds import Apply, FaultKind, Given, Undo, number
from simulators.pen import BOOT_MS
from simulators.personality import day_number

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
        "firmware_nonsense_status", "firmware", "STATUS holds numbers that its fields do not have.",
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
        "Repeats STOP, sends no setpoint, and says at HIGH that it is not confirmed; the dead-man stops the motor.",
        "H25", (),
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
        "firmware_clock_jump", "firmware", "The pen's clock jumps.",
        "Stops or treats on, and never takes an old status for a new one.",
        "H50", (number("jump_ms", "ms", -600_000, 600_000, 5000),), reaction="stops", alarm="link_lost", lasts=False,
    ),
    FaultKind(
        "firmware_late_answer", "firmware", "Answers to requests come late.",
        "Takes no late answer for that to the next question; does not arm without one.",
        "H33", (number("delay_ms", "ms", 1, 60_000, 3000),), met="arming", reaction="refuses",
    ),
    FaultKind(
        "firmware_no_answer", "firmware", "Requests are carried out and never answered.",
        "Does not arm; what it does not know to be done it does not send again.",
        "H33", (), met="arming", reaction="refuses",
    ),
    FaultKind(
        "firmware_wrong_answer", "firmware", "Answers bear the number of another request.",
        "Takes none of them for its own, and does not arm.",
        "H33", (), met="arming", reaction="refuses",
    ),
    FaultKind(
        "firmware_busy", "firmware", "The pen is for ever in self-test: every arming and operation is refused as busy.",
        "Does not arm, and says why.",
        "H31", (), met="arming", reaction="refuses",
    ),
    FaultKind(
        "firmware_refuses_arm", "firmware", "The pen answers ARM with a refusal.",
        "Does not arm, and passes the pen's reason on.",
        "H31", (), met="arming", reaction="refuses",
    ),
    FaultKind(
        "firmware_consume_fails", "firmware", "Marking the cartridge as used is refused.",
        "Does not arm with a cartridge that it could not mark.",
        "H33", (), met="arming", reaction="refuses",
    ),
    FaultKind(
        "firmware_calibration_lost", "firmware", "The pen's calibration is gone from its memory.",
        "Does not arm without a valid calibration.",
        "H01", (), met="arming", reaction="refuses",
    ),
    FaultKind(
        "firmware_calibration_due", "firmware", "The pen's calibration is past its due date.",
        "Does not arm with a calibration that is not valid today.",
        "H01", (number("days", "days", 1, 3650, 1),), met="arming", reaction="refuses",
    ),
    FaultKind(
        "firmware_old_version", "firmware", "The pen speaks another version of the protocol.",
        "Does not connect, and says which versions there are.",
        "H28", (number("version", "", 0, 255, 0),), met="connecting", reaction="refuses",
    ),
    FaultKind(
        "firmware_wrong_nonce", "firmware", "WELCOME bears another nonce than the HELLO it answers.",
        "Takes it for a stale byte of before, and does not connect.",
        "H58", (), met="connecting", reaction="refuses",
    ),
)  # fmt: skip


def _says(given: Given, spoil: Spoil) -> Undo:
    says, name = given.parts.pen.defects.says, given.name
    says[name] = spoil
    return lambda: _forget(says.pop, name)


def _deaf_to(given: Given, deaf: Callable[[Message], bool]) -> Undo:
    deaf_to, name = given.parts.pen.defects.deaf_to, given.name
    deaf_to[name] = deaf
    return lambda: _forget(deaf_to.pop, name)


def _forget(pop: Callable[[str, None], object], name: str) -> None:
    pop(name, None)


def _status(given: Given, spoil: Callable[[Status], Status | None]) -> Undo:
    return _says(given, lambda said: spoil(said) if isinstance(said, Status) else said)


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

    return _status(given, spoil)


def _frozen_status(given: Given) -> Undo:
    kept: list[Status] = []

    def spoil(status: Status) -> Status:
        if not kept:
            kept.append(status)
        return kept[0]

    return _status(given, spoil)


def _nonsense_status(given: Given) -> Undo:
    return _status(given, lambda status: status._replace(state=200, battery_permille=40_000))


def _lies_idle(given: Given) -> Undo:
    def spoil(status: Status) -> Status:
        running = status.state == PenState.RUNNING
        return status._replace(state=PenState.ARMED, rate_measured_mhz=0) if running else status

    return _status(given, spoil)


def _lies_running(given: Given) -> Undo:
    return _status(given, lambda status: status._replace(state=PenState.RUNNING))


def _lies_depth(given: Given) -> Undo:
    def spoil(status: Status) -> Status:
        told = status.depth_set_um not in {0, NO_U16}
        return status._replace(depth_measured_um=status.depth_set_um) if told else status

    return _status(given, spoil)


def _lies_lease(given: Given) -> Undo:
    other = given.random.randint(1, U32_MASK)
    return _status(given, lambda status: status._replace(lease=other) if status.lease else status)


def _lies_strokes(given: Given) -> Undo:
    more = given.number("strokes")
    return _status(given, lambda status: status._replace(strokes=(status.strokes + more) & U32_MASK))


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


def _clock_jump(given: Given) -> None:
    given.parts.pen.firmware.shift_time(given.number("jump_ms"))


def _late_answer(given: Given) -> Undo:
    defects = given.parts.pen.defects
    defects.answer_late_ms = given.number("delay_ms")

    def undo() -> None:
        defects.answer_late_ms = 0

    return undo


def _response(given: Given, spoil: Callable[[Response], Response | None]) -> Undo:
    return _says(given, lambda said: spoil(said) if isinstance(said, Response) else said)


def _instead(given: Given, answer: Callable[[Message], Message | None]) -> Undo:
    """What ``answer`` has an answer to is not acted upon, and answered so."""
    pen = given.parts.pen

    def deaf(heard: Message) -> bool:
        said = answer(heard)
        if said is not None and pen.firmware.medium is not None:
            pen.firmware.send(pen.firmware.medium, said)
        return said is not None

    return _deaf_to(given, deaf)


def _busy(given: Given) -> Undo:
    def answer(heard: Message) -> Message | None:
        match heard:
            case Arm():
                return Armed(heard.key, Refusal.BUSY, 0)
            case Request():
                return Response(heard.id, Refusal.BUSY, b"")
        return None

    undo_answers = _instead(given, answer)
    undo_status = _status(given, lambda status: status._replace(state=PenState.SELF_TEST))

    def undo() -> None:
        undo_answers()
        undo_status()

    return undo


def _refuses_arm(given: Given) -> Undo:
    return _instead(given, lambda heard: Armed(heard.key, Refusal.NOT_READY, 0) if isinstance(heard, Arm) else None)


def _consume_fails(given: Given) -> Undo:
    def answer(heard: Message) -> Message | None:
        if isinstance(heard, Request) and heard.operation == CARTRIDGE_CONSUME.number:
            return Response(heard.id, Refusal.CARTRIDGE, b"")
        return None

    return _instead(given, answer)


def _calibration(given: Given, spoil: Callable[[CalibrationData], CalibrationData]) -> Undo:
    memory = given.parts.pen.memory
    good = memory.calibration
    spoilt = memory.calibration = spoil(good)

    def undo() -> None:
        if memory.calibration == spoilt:  # a calibration written since is left alone
            memory.calibration = good

    return undo


def _calibration_due(given: Given) -> Undo:
    due_day = day_number(given.parts.pen.today) - given.number("days")
    return _calibration(given, lambda good: good._replace(due_day=due_day))


def _welcome(given: Given, spoil: Callable[[Welcome], Welcome]) -> Undo:
    return _says(given, lambda said: spoil(said) if isinstance(said, Welcome) else said)


APPLY_FIRMWARE: dict[str, Apply] = {
    "firmware_reboot": _reboot,
    "firmware_hang": _hang,
    "firmware_mute": lambda given: _status(given, lambda _status: None),
    "firmware_slow_status": _slow_status,
    "firmware_frozen_status": _frozen_status,
    "firmware_nonsense_status": _nonsense_status,
    "firmware_lies_idle": _lies_idle,
    "firmware_lies_running": _lies_running,
    "firmware_lies_depth": _lies_depth,
    "firmware_lies_lease": _lies_lease,
    "firmware_lies_strokes": _lies_strokes,
    "firmware_phantom_press": _phantom_press,
    "firmware_refuses_stop": lambda given: _deaf_to(given, lambda heard: isinstance(heard, Stop)),
    "firmware_deaf": lambda given: _deaf_to(given, lambda heard: not isinstance(heard, Hello | Stop | Request)),
    "firmware_no_dead_man": _no_dead_man,
    "firmware_drops_lease": _drops_lease,
    "firmware_internal": _internal,
    "firmware_clock_jump": _clock_jump,
    "firmware_late_answer": _late_answer,
    "firmware_no_answer": lambda given: _response(given, lambda _said: None),
    "firmware_wrong_answer": lambda given: _response(given, lambda said: said._replace(id=said.id ^ 0x5555)),
    "firmware_busy": _busy,
    "firmware_refuses_arm": _refuses_arm,
    "firmware_consume_fails": _consume_fails,
    "firmware_calibration_lost": lambda given: _calibration(given, lambda good: good._replace(valid=0)),
    "firmware_calibration_due": _calibration_due,
    "firmware_old_version": lambda given: _welcome(given, lambda said: said._replace(version=given.number("version"))),
    "firmware_wrong_nonce": lambda given: _welcome(given, lambda said: said._replace(nonce=said.nonce ^ 1)),
}
