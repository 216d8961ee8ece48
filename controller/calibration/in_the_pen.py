"""The table and the calibration that a pen holds: read, written once, and read back before anything else depends on it.

A calibration is given in two steps: what it says, and, last of all, that it is in force. Between them the pen is armed
by nobody, and the certificate is issued there: a pen in force has one, and a certificate states what the pen was read
back to hold.

No write is ever sent twice. One that stayed unanswered, or fell together with a power cut, is resolved by what the
pen holds afterwards: the old one or the new one, for it writes whole or not at all.
"""

import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from controller.calibration.series import Table
from controller.errors import ControlRefused
from firmware_bridge.errors import RequestRefused, RequestUncertain
from firmware_bridge.wire.messages import Refusal
from firmware_bridge.wire.operations import CALIBRATION_READ, CALIBRATION_WRITE, CalibrationData
from firmware_bridge.wire.service_operations import ADJUSTMENT_READ, ADJUSTMENT_WRITE, AdjustmentData

Ask = Callable[..., Awaitable[Any]]
"""Asks the pen for an operation, with its arguments."""

_POINT = struct.Struct("<hh")


def table_of(data: AdjustmentData) -> Table:
    """A table as a pen tells it. Raises ControlRefused for one that makes no sense."""
    if len(data.points) % _POINT.size:
        raise ControlRefused(
            "adjustment_unreadable",
            "The pen's adjustment table makes no sense: a piece of a point is left over. Do not use the pen; have its "
            "memory looked at. Nothing was changed.",
        )
    points = tuple(_POINT.iter_unpack(data.points))
    return Table(
        number=data.number,
        shown_um=tuple(scale for scale, _ in points),
        true_um=tuple(true for _, true in points),
        rate_gain_ppm=data.rate_gain_ppm,
    )


def data_of(table: Table) -> AdjustmentData:
    """A table as it goes on the wire."""
    points = b"".join(_POINT.pack(*point) for point in zip(table.shown_um, table.true_um, strict=True))
    return AdjustmentData(table.number, table.rate_gain_ppm, points)


async def read_table(ask: Ask) -> Table:
    """The table the pen holds. Raises WireError, ControlRefused."""
    return table_of(await ask(ADJUSTMENT_READ))


async def write_table(ask: Ask, before: Table, wanted: Table) -> None:
    """Gives the pen the table ``wanted``, which it then holds; harmless where it holds it already.

    Raises ControlRefused when it holds neither that nor ``before``, or still ``before``, or takes no such table;
    WireError.
    """
    held = await read_table(ask)
    if held == wanted:
        return
    _held_as_measured(held, before)
    try:
        await ask(ADJUSTMENT_WRITE, data_of(wanted))
    except RequestUncertain:
        pass  # what it holds then says whether it was done
    except RequestRefused as refused:
        if refused.refusal != Refusal.RANGE:
            raise
        raise ControlRefused(
            "adjustment_refused",
            f"The pen does not take table number {wanted.number}: it would move a depth farther than this pen lets "
            "itself be adjusted. Nothing was written, and it is armed nowhere by what was measured. See that the gauge "
            "had its zero and the right cartridge was on. If so, begin this calibration anew and leave the pen as it "
            "is, for a certificate of how it was found; it has to be repaired.",
        ) from refused
    held = await read_table(ask)
    if held != wanted:
        raise ControlRefused(
            "adjustment_not_written",
            f"The pen holds its table number {held.number} and not number {wanted.number}: what was written did not "
            "arrive. Nothing is half written. Check cable and battery, then go on with this calibration.",
        )


async def check_table(ask: Ask, measured: Table) -> None:
    """Nobody wrote another table than the one that the pen was measured with. Raises ControlRefused, WireError."""
    _held_as_measured(await read_table(ask), measured)


def _held_as_measured(held: Table, measured: Table) -> None:
    if held != measured:
        raise ControlRefused(
            "adjustment_changed",
            f"The pen holds another table (number {held.number}) than the one it was measured with (number "
            f"{measured.number}): somebody wrote it meanwhile. What was measured says nothing about it. Begin this "
            "calibration anew. Nothing was written.",
        )


def not_in_force(calibration: CalibrationData) -> CalibrationData:
    """The same, and no station arms a pen by it."""
    return calibration._replace(valid=0)


async def write_calibration(ask: Ask, wanted: CalibrationData) -> None:
    """Gives the pen what a calibration says, not in force, and reads back that it holds that; harmless where it does
    already. What it held before is ended.

    Raises ControlRefused where it does not, WireError.
    """
    said = not_in_force(wanted)
    if await ask(CALIBRATION_READ) != said:
        await _write(ask, said)


async def check_calibration(ask: Ask, wanted: CalibrationData) -> None:
    """The pen holds what was written last, not in force. Raises ControlRefused, WireError."""
    _held_as_written(await ask(CALIBRATION_READ), wanted)


async def put_in_force(ask: Ask, wanted: CalibrationData) -> None:
    """Puts the calibration that the pen holds into force, and reads that back; harmless where it is already.

    Raises ControlRefused when the pen holds another, or still does not go by it; WireError.
    """
    held: CalibrationData = await ask(CALIBRATION_READ)
    if held != wanted:
        _held_as_written(held, wanted)
        await _write(ask, wanted)


def _held_as_written(held: CalibrationData, wanted: CalibrationData) -> None:
    if held != not_in_force(wanted):
        raise ControlRefused(
            "calibration_changed",
            "The pen does not hold what this calibration gave it: somebody wrote to it meanwhile, or this record was "
            "brought back from before. Whose calibration counts nobody can say from here. Begin the calibration anew. "
            "Nothing was written.",
        )


async def _write(ask: Ask, wanted: CalibrationData) -> None:
    with suppress(RequestUncertain):  # what it holds then says whether it was done
        await ask(CALIBRATION_WRITE, wanted)
    held: CalibrationData = await ask(CALIBRATION_READ)
    if held != wanted:
        raise ControlRefused(
            "calibration_not_written",
            "The pen does not hold the calibration that was written to it; what it holds is "
            + ("another one" if held.valid else "not in force, so it is not armed")
            + ". Check cable and battery, then go on with this calibration.",
        )
