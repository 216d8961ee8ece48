"""Pure: whether a pen may be given a firmware, and what is next.

All of it follows from what the pen says of itself, so an update that was broken off anywhere goes on where it was, by
whoever asks again.
"""

from collections.abc import Collection
from enum import Enum

from controller.inputs import PenFacts
from controller.service.firmware_file import FirmwareFile
from controller.transitions import fault_names
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.wire.messages import Capability
from firmware_bridge.wire.service_operations import FirmwareState

Problem = tuple[str, str]
"""(because, sentence): a stable name for programs, and words for a person."""


class Next(Enum):
    """What is to be done next."""

    BEGIN = "begin"  # tell the pen what will come
    SEND = "send"  # bring the piece that it does not have
    APPLY = "apply"  # have it checked and started on trial
    CONFIRM = "confirm"  # it runs on trial
    ROLL_BACK = "roll back"  # something else runs on trial
    DONE = "done"  # it runs and is confirmed
    GIVEN_UP = "given up"  # it was applied, and the pen went back to what it had


def text(field: bytes) -> str:
    """A text field of the wire."""
    return field.rstrip(b"\0").decode("ascii", errors="replace")


def next_step(state: FirmwareState, file: FirmwareFile, *, begun: bool, applied: bool) -> Next:
    """What is next. ``begun``, ``applied``: this update has told the pen what will come, has had it start the image, as
    far as it knows.

    What is on the pen of the same content may have been announced otherwise, by a file whose head was damaged: the pen
    is told once more, which changes nothing where it is the same.
    """
    running = (text(state.running), state.running_number) == (file.version, file.number)
    if state.trial:
        return Next.CONFIRM if running else Next.ROLL_BACK
    if running:
        return Next.DONE
    if state.staged_sha256 == file.digest and state.staged_size == len(file.content):
        if not begun:
            return Next.BEGIN
        return Next.APPLY if state.staged_bytes == state.staged_size else Next.SEND
    return Next.GIVEN_UP if applied else Next.BEGIN


def why_not(
    pen: PenFacts, state: FirmwareState, file: FirmwareFile, allowed: Collection[str], *, older: bool
) -> Problem | None:
    """Why this pen is not given this firmware, or None. ``older``: it may be older than what is confirmed."""
    if file.model != pen.model:
        return "model", f"This firmware is for {file.model}; the pen is {pen.model} {pen.serial}. Nothing was sent."
    if file.version not in allowed:
        known = ", ".join(sorted(allowed)) or "none"
        return (
            "not_allowed",
            f"Version {file.version} is not among those that the clinic allows for {pen.model} ({known}). Nothing was "
            "sent. Whoever answers for the policy file adds it there first.",
        )
    if file.number < state.minimum_number:
        return (
            "too_old",
            f"Version {file.version} has number {file.number}; this pen takes none under {state.minimum_number}. "
            "Nothing was sent. Take a newer one.",
        )
    if file.number < state.confirmed_number and not older:
        return (
            "older",
            f"Version {file.version} (number {file.number}) is older than {text(state.confirmed)} (number "
            f"{state.confirmed_number}), which the pen has. Nothing was sent. Where it is to go back on purpose, say "
            "so: `--older`.",
        )
    return None


def not_able(pen: PenFacts) -> Problem | None:
    """Why this pen takes no firmware over the wire at all, or None."""
    if pen.capabilities & int(Capability.FIRMWARE_UPDATE):
        return None
    return (
        "unsupported",
        f"{pen.model} {pen.serial} takes no firmware over its connection. Its maker's service does that.",
    )


def not_now(seen: PenSnapshot | None, state: FirmwareState) -> Problem | None:
    """Why the pen may not begin, be restarted or be confirmed at this moment, or None."""
    if seen is None:
        return "stale", "The pen's state is not known just now. Nothing was changed; try again in a moment."
    if seen.lease:
        return "armed", "The pen is armed. Nothing was changed. Disarm it, then update it."
    if not seen.needles_out:
        return "needles", "The pen does not say that its needles are out. Nothing was changed. Look at it first."
    if seen.faults:
        return (
            "pen_fault",
            f"The pen reports {fault_names(seen.faults)}. Nothing was changed. Remove the cause and clear "
            "the fault, then update.",
        )
    battery = seen.battery_permille
    if battery is not None and battery < state.battery_min_permille:
        return (
            "battery",
            f"The battery is at {battery // 10} %, and an update needs {-(-state.battery_min_permille // 10)} %. "
            "Nothing was changed. Charge the pen, then update it; what was sent before stays.",
        )
    return None
