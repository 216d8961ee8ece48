"""Faults of the computer that drives the pen, and of others that talk to the pen behind its back."""

from firmware_bridge.wire.framing import frame
from firmware_bridge.wire.messages import PROTOCOL_VERSION, Arm, Hello, Message, Setpoint, Stop
from simulators.faults.kinds import Apply, FaultKind, Given, Undo, number, word
from simulators.faults.parts import HostPart

OTHER_MEDIUM = 1 << 16
"""A medium no endpoint has given out."""

HOST_FAULTS = (
    FaultKind(
        "host_stall", "host", "The control loop does nothing, and the process lives on.",
        "The pen's dead-man stops the motor; the loop finds that when it wakes, and a person re-arms.",
        "H15", (), shown_by="end", reaction="stops", alarm="pen_stopped_itself",
    ),
    FaultKind(
        "host_clock_forward", "host", "The clock on the wall jumps ahead.",
        "Treats on: control runs on monotonic time; what is due by date is seen at the next arming.",
        "H49", (number("days", "days", 1, 36_500, 1),), seat="clock",
    ),
    FaultKind(
        "host_clock_back", "host", "The clock on the wall jumps back.",
        "Treats on: control runs on monotonic time; calibration of a day to come is not valid.",
        "H49", (number("days", "days", 1, 36_500, 400),), seat="clock",
    ),
    FaultKind(
        "host_journal_refuses", "host", "The journal cannot be written.",
        "Stops in good order, says so at HIGH, and does not arm until it can be written.",
        "H53", (), reaction="stops", alarm="journal_failed",
    ),
    FaultKind(
        "host_second_hello", "host", "A program on another port of the pen says HELLO.",
        "The pen answers it that it is busy; treatment goes on.",
        "H29", (), lasts=False,
    ),
    FaultKind(
        "host_second_arm", "host", "A program on another port of the pen asks for a lease.",
        "The pen does not hear whom it does not talk to; treatment goes on.",
        "H29", (), lasts=False,
    ),
    FaultKind(
        "host_second_stop", "host", "A program on another port of the pen sends STOP.",
        "Stops: STOP counts from everybody.",
        "H25", (), reaction="stops", alarm="lease_ended", lasts=False,
    ),
    FaultKind(
        "host_forged_setpoint", "host", "Something sends the pen well-formed setpoints that are not its host's.",
        "The pen follows none of them: wrong lease, old tick, or decided on a status that is too old.",
        "H12", (word("wrong", "lease", "tick", "stale", "ceiling"),), lasts=False,
    ),
)  # fmt: skip


def _host(given: Given) -> HostPart:
    if given.parts.host is None:
        raise ValueError(f"{given.name} needs a host")  # the injector has looked
    return given.parts.host


def _stall(given: Given) -> Undo:
    host = _host(given)
    host.stall(True)
    return lambda: host.stall(False)


def _clock(given: Given, sign: int) -> Undo:
    host, days = _host(given), sign * given.number("days")
    host.step_clock(days)
    return lambda: host.step_clock(-days)


def _journal(given: Given) -> Undo:
    host = _host(given)
    host.refuse_journal("The disk is full.")
    return lambda: host.refuse_journal("")


def _said_elsewhere(given: Given, message: Message) -> None:
    """Says something on another medium, and does not listen to what comes back."""
    pen = given.parts.pen
    pen.receive(OTHER_MEDIUM, frame(message, 0))
    pen.take(OTHER_MEDIUM)


def _forged(given: Given) -> None:
    """A setpoint that is good but for one thing, on the medium of the host that is connected."""
    pen, firmware = given.parts.pen, given.parts.pen.firmware
    if firmware.medium is None:
        return
    deepest_um, model = pen.model.depth_max_um, pen.model
    depth_um = deepest_um // 2 // model.depth_step_um * model.depth_step_um
    good = Setpoint(firmware.lease or 1, firmware.tick + 1, 1, depth_um, model.rate_min_mhz, firmware.pen_time_ms)
    match given.word("wrong"):
        case "lease":
            bad = good._replace(lease=1 + good.lease % 0xFFFF_FFFF)
        case "tick":
            bad = good._replace(tick=max(firmware.tick, 1))
        case "stale":
            bad = good._replace(seen_pen_time_ms=(good.seen_pen_time_ms - model.dead_man_ms) & 0xFFFF_FFFF)
        case _:
            bad = good._replace(depth_um=deepest_um)
    pen.receive(firmware.medium, b"\0" + frame(bad, 0))


APPLY_HOST: dict[str, Apply] = {
    "host_stall": _stall,
    "host_clock_forward": lambda given: _clock(given, 1),
    "host_clock_back": lambda given: _clock(given, -1),
    "host_journal_refuses": _journal,
    "host_second_hello": lambda given: _said_elsewhere(
        given, Hello(given.random.randint(1, 0xFFFF_FFFF), PROTOCOL_VERSION)
    ),
    "host_second_arm": lambda given: _said_elsewhere(
        given, Arm(given.random.randint(1, 0xFFFF_FFFF), 7, given.parts.pen.model.depth_max_um, 20_000, 0)
    ),
    "host_second_stop": lambda given: _said_elsewhere(given, Stop()),
    "host_forged_setpoint": _forged,
}
