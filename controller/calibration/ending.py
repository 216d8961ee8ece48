"""Ending the calibration that a pen holds, so that no station anywhere arms it, whatever that station knows."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from controller.errors import ControlRefused
from firmware_bridge.errors import RequestUncertain
from firmware_bridge.wire.messages import Capability
from firmware_bridge.wire.operations import CALIBRATION_READ, CALIBRATION_WRITE, CalibrationData

Ask = Callable[..., Awaitable[Any]]
"""Asks the pen for an operation, with its arguments."""


async def end_calibration(ask: Ask, capabilities: int) -> bool:
    """Ends the stored calibration, and reads back that it is ended; False where the pen keeps none, so is never armed.

    Everything else of it stays, for whoever looks at the pen. Raises WireError, and ControlRefused when it still holds.
    """
    if not capabilities & Capability.CALIBRATION_STORED:
        return False
    stored: CalibrationData = await ask(CALIBRATION_READ)
    if stored.valid:
        with suppress(RequestUncertain):  # what it holds then says whether it was done
            await ask(CALIBRATION_WRITE, stored._replace(valid=0))
        stored = await ask(CALIBRATION_READ)
    if stored.valid:
        raise ControlRefused(
            "calibration_holds",
            "The pen still holds its calibration: what was written did not arrive. The quarantine is on record, and "
            "the stations of this site do not arm it; put the pen away, and try again.",
        )
    return True
