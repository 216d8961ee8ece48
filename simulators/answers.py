"""What a pen does when asked for an operation of treating: cartridge, calibration, log, faults, outcomes.

A handler is given the pen, the arguments (checked against the table), and the key of the request, 0 where it has none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from firmware_bridge.wire.codec import pack
from firmware_bridge.wire.messages import Fault, Refusal
from firmware_bridge.wire.operations import (
    CALIBRATION_READ,
    CALIBRATION_WRITE,
    CARTRIDGE_CONSUME,
    CARTRIDGE_READ,
    CLEAR_FAULT,
    EVENT_LOG,
    OUTCOME,
    CalibrationData,
    CartridgeData,
    CartridgeTag,
    FaultMask,
    LogEntries,
    LogPosition,
    Operation,
    OutcomeData,
    OutcomeKey,
)
from simulators.nonvolatile import LogCode

if TYPE_CHECKING:
    from simulators.firmware import PenFirmware

Answer = tuple[Refusal, bytes]
"""Why not, or NONE; and the data."""

Handler = Callable[["PenFirmware", Any, int], Answer]

DONE: Answer = (Refusal.NONE, b"")


def _cartridge_read(pen: PenFirmware, _arguments: Any, _key: int) -> Answer:
    cartridge = pen.cartridge
    if cartridge is None:
        return Refusal.NONE, pack(CartridgeData(0, 0, 0, 0, 0, 0, b"", b""))
    return Refusal.NONE, pack(
        CartridgeData(
            present=1,
            used=int(cartridge.used),
            tag=cartridge.tag,
            needle_count=cartridge.needle_count,
            needle_length_um=cartridge.needle_length_um,
            expiry_day=cartridge.expiry_day,
            lot=cartridge.lot.encode("ascii"),
            serial=cartridge.serial.encode("ascii"),
        )
    )


def _cartridge_consume(pen: PenFirmware, arguments: CartridgeTag, _key: int) -> Answer:
    cartridge = pen.cartridge
    if cartridge is None or cartridge.tag != arguments.tag:
        return Refusal.CARTRIDGE, b""
    cartridge.used = True
    pen.memory.log(pen.pen_time_ms, LogCode.CARTRIDGE_CONSUMED, cartridge.tag)
    return DONE


def _calibration_read(pen: PenFirmware, _arguments: Any, _key: int) -> Answer:
    return Refusal.NONE, pack(pen.memory.calibration)


def _calibration_write(pen: PenFirmware, arguments: CalibrationData, key: int) -> Answer:
    pen.memory.write(key, pen.memory.lifetime.counted(pen.plant, pen.running_ms), arguments)
    pen.memory.log(pen.pen_time_ms, LogCode.CALIBRATION_WRITTEN)
    return DONE


def _event_log(pen: PenFirmware, arguments: LogPosition, _key: int) -> Answer:
    memory = pen.memory
    return Refusal.NONE, pack(LogEntries(memory.newest_entry, memory.entries_from(arguments.first)))


def _clear_fault(pen: PenFirmware, arguments: FaultMask, _key: int) -> Answer:
    return pen.clear(Fault(arguments.faults)), b""


def _outcome(pen: PenFirmware, arguments: OutcomeKey, _key: int) -> Answer:
    kept = pen.memory.outcome(arguments.key)
    if kept is None:
        return Refusal.UNKNOWN_KEY, b""
    return Refusal.NONE, pack(OutcomeData(arguments.key, kept))


ANSWERS: Mapping[Operation, Handler] = {
    CARTRIDGE_READ: _cartridge_read,
    CARTRIDGE_CONSUME: _cartridge_consume,
    CALIBRATION_READ: _calibration_read,
    CALIBRATION_WRITE: _calibration_write,
    EVENT_LOG: _event_log,
    CLEAR_FAULT: _clear_fault,
    OUTCOME: _outcome,
}
