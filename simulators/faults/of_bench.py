"""Faults that a technician's bench meets: supply that fails in the midst of a write, a pen that falls, another pen."""

from simulators.faults.kinds import Apply, FaultKind, Given, Undo, number
from simulators.nonvolatile import WRITE_STEPS

SERIAL_BYTES = 24
"""What WELCOME has room for."""

BENCH_FAULTS = (
    FaultKind(
        "power_cut_in_write", "firmware",
        "The supply fails in the midst of the next write of a calibration or an adjustment table; `step` says where.",
        "Finds the old or the new one, reads back which, and goes on from there; a treatment writes none.",
        "H57", (number("step", "of the write", 0, len(WRITE_STEPS) - 1, 2),), seat="memory",
    ),
    FaultKind(
        "pen_swapped", "firmware", "Another pen of the same model, as new, is in the place of this one.",
        "Stops; knows it by its serial number, and takes nothing of the one for the other.",
        "H59", (), reaction="stops", alarm="link_lost", seat="pen",
    ),
    FaultKind(
        "knock", "plant", "The pen falls: it counts a shock, and its needles lie deeper than it says.",
        "Cannot tell in treatment; the stated uncertainty is subtracted from every limit. The shock makes it due.",
        "H03", (number("shift_um", "µm", -500, 500, 30),), lasts=False,
    ),
)  # fmt: skip


def _power_cut(given: Given) -> Undo:
    pen = given.parts.pen
    pen.memory.cut_at = given.number("step")

    def undo() -> None:
        pen.memory.cut_at = None

    return undo


def _swapped(given: Given) -> Undo:
    pen = given.parts.pen
    own = pen.swap(f"{pen.model.serial[: SERIAL_BYTES - 2]}-B")
    return lambda: pen.put_back(own)


def _knock(given: Given) -> None:
    given.parts.pen.knock(given.number("shift_um"))


APPLY_BENCH: dict[str, Apply] = {"power_cut_in_write": _power_cut, "pen_swapped": _swapped, "knock": _knock}
