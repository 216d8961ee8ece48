"""The table and the calibration that a pen holds: read, written once, and read back before anything else depends on it.

Neither write is ever sent twice. One that stayed unanswered, or fell together with a power cut, is resolved by what the
pen holds afterwards: the old one or the new one, for it writes whole or not at all.
"""

import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import date
from typing import Any

from controller.calibration.depth_results import DepthLeft
from controller.calibration.series import Table
from controller.errors import ControlRefused
from firmware_bridge.errors import RequestUncertain
from firmware_bridge.wire.operations import CALIBRATION_READ, CALIBRATION_WRITE, CalibrationData
from firmware_bridge.wire.service_operations import ADJUSTMENT_READ, ADJUSTMENT_WRITE, AdjustmentData

Ask = Callable[..., Awaitable[Any]]
"""Asks the pen for an operation, with its arguments."""

EPOCH = date(1970, 1, 1)
NO_DUE_DAY = 0
"""What a pen holds where the customer asked for no date."""

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

    Raises ControlRefused when it holds neither that nor ``before``, or still ``before``; WireError.
    """
    held = await read_table(ask)
    if held == wanted:
        return
    if held != before:
        raise ControlRefused(
            "adjustment_changed",
            f"The pen holds another table (number {held.number}) than the one it was measured with (number "
            f"{before.number}): somebody wrote it meanwhile. What was measured says nothing about it. Begin this "
            "calibration anew. Nothing was written.",
        )
    with suppress(RequestUncertain):  # what it holds then says whether it was done
        await ask(ADJUSTMENT_WRITE, data_of(wanted))
    held = await read_table(ask)
    if held != wanted:
        raise ControlRefused(
            "adjustment_not_written",
            f"The pen holds its table number {held.number} and not number {wanted.number}: what was written did not "
            "arrive. Nothing is half written. Check cable and battery, then go on with this calibration.",
        )


def calibration_data(
    number: str, left: DepthLeft, rate_gain_ppm: int, calibrated_on: date, due_on: date | None
) -> CalibrationData:
    """What a pen is given: the certificate's number, its days, and what is left of its errors.

    ``due_on`` is the first day on which it no longer counts, None where no date was asked for.
    """
    return CalibrationData(
        valid=1,
        certificate=number.encode("ascii"),
        calibrated_day=(calibrated_on - EPOCH).days,
        due_day=NO_DUE_DAY if due_on is None else (due_on - EPOCH).days,
        depth_gain_ppm=left.gain_ppm,
        depth_offset_um=left.offset_um,
        depth_uncertainty_um=left.expanded_um,
        rate_gain_ppm=rate_gain_ppm,
    )


async def write_calibration(ask: Ask, wanted: CalibrationData) -> None:
    """Gives the pen its calibration, and reads back that it holds it; harmless where it does already.

    Raises ControlRefused where it does not, WireError.
    """
    if await ask(CALIBRATION_READ) == wanted:
        return
    with suppress(RequestUncertain):  # what it holds then says whether it was done
        await ask(CALIBRATION_WRITE, wanted)
    held: CalibrationData = await ask(CALIBRATION_READ)
    if held != wanted:
        raise ControlRefused(
            "calibration_not_written",
            "The pen does not hold the calibration that was written to it; what it holds is "
            + ("of another certificate" if held.valid else "none, so it is not armed")
            + ". Check cable and battery, then go on with this calibration.",
        )
