"""Firmware at an open bench: what runs on its pen, and giving it another. For scripts and the command."""

import secrets
from collections.abc import Callable

from controller.service.firmware_file import FirmwareFile
from controller.service.firmware_update import UpdateProgress
from controller.service.firmware_update import firmware_state as read_state
from controller.service.firmware_update import update_firmware as update
from controller.service_events import FirmwareChanged
from firmware_bridge.wire.service_operations import FirmwareState
from station.bench.bench import TechnicianBench

SERIES_BYTES = 6
"""Chance in the id of a piece of work; it only has to tell pieces of work apart."""


async def firmware_state(bench: TechnicianBench) -> FirmwareState:
    """What runs on the pen and what lies ready. Raises ControlRefused for a pen without such, WireError."""
    return await read_state(bench.driver)


def allowed_firmware(bench: TechnicianBench) -> tuple[str, ...]:
    """The versions that the clinic's policy allows for the pen at the bench; none for a model it does not name."""
    model = bench.policy.models.get(bench.pen.model)
    return () if model is None else model.firmware


async def update_firmware(
    bench: TechnicianBench,
    file: FirmwareFile,
    *,
    told: Callable[[UpdateProgress], None] = lambda _progress: None,
    older: bool = False,
) -> FirmwareChanged:
    """Gives the pen this firmware, and returns what went on record once it is confirmed.

    One that was broken off goes on where it was. ``older``: it may be older than what the pen has. Service mode is
    closed and nothing moves; the pen restarts.
    Raises FirmwareNotUpdated, RecordUnavailable.
    """
    changed = await update(
        bench.driver,
        file,
        allowed=allowed_firmware(bench),
        series=f"{bench.clock.utc():%Y%m%dT%H%M%S}-{secrets.token_hex(SERIES_BYTES)}",
        by=bench.technician,
        record=bench.record,
        told=told,
        older=older,
    )
    bench.take_again()
    return changed
