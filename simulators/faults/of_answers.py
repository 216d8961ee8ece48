"""Faults of what the pen's firmware answers: to HELLO, to ARM, to requests."""

from collections.abc import Callable

from firmware_bridge.wire.messages import Arm, Armed, Message, PenState, Refusal, Request, Response, Welcome
from firmware_bridge.wire.operations import CARTRIDGE_CONSUME, CalibrationData
from simulators.faults.kinds import Apply, FaultKind, Given, Undo, number
from simulators.faults.of_firmware import deaf_to, says, status_says
from simulators.personality import day_number

ANSWER_FAULTS = (
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


def _late_answer(given: Given) -> Undo:
    defects = given.parts.pen.defects
    defects.answer_late_ms = given.number("delay_ms")

    def undo() -> None:
        defects.answer_late_ms = 0

    return undo


def _response(given: Given, spoil: Callable[[Response], Response | None]) -> Undo:
    return says(given, lambda said: spoil(said) if isinstance(said, Response) else said)


def _instead(given: Given, answer: Callable[[Message], Message | None]) -> Undo:
    """What ``answer`` has an answer to is not acted upon, and answered so."""
    pen = given.parts.pen

    def deaf(heard: Message) -> bool:
        said = answer(heard)
        if said is not None and pen.firmware.medium is not None:
            pen.firmware.send(pen.firmware.medium, said)
        return said is not None

    return deaf_to(given, deaf)


def _busy(given: Given) -> Undo:
    def answer(heard: Message) -> Message | None:
        match heard:
            case Arm():
                return Armed(heard.key, Refusal.BUSY, 0)
            case Request():
                return Response(heard.id, Refusal.BUSY, b"")
        return None

    undo_answers = _instead(given, answer)
    undo_status = status_says(given, lambda status: status._replace(state=PenState.SELF_TEST))

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
    return says(given, lambda said: spoil(said) if isinstance(said, Welcome) else said)


APPLY_ANSWER: dict[str, Apply] = {
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
