"""What a pen does when asked for an operation of a technician's bench: service lease, raw readings, table, counters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from firmware_bridge.wire.codec import pack
from firmware_bridge.wire.messages import Refusal
from firmware_bridge.wire.operation import Operation
from firmware_bridge.wire.service_operations import (
    ADJUSTMENT_READ,
    ADJUSTMENT_WRITE,
    LIFETIME_READ,
    RAW_READ,
    SERVICE_ARM,
    AdjustmentData,
    ServiceCeilings,
    ServiceLease,
)
from simulators.adjustment import AdjustmentTable
from simulators.answers import DONE, Answer, Handler
from simulators.nonvolatile import LogCode

if TYPE_CHECKING:
    from simulators.firmware import PenFirmware


def _service_arm(pen: PenFirmware, arguments: ServiceCeilings, key: int) -> Answer:
    refusal = pen.begin_service(arguments, key)
    return (refusal, b"") if refusal else (Refusal.NONE, pack(ServiceLease(pen.lease)))


def _raw_read(pen: PenFirmware, _arguments: Any, _key: int) -> Answer:
    return Refusal.NONE, pack(pen.raw_readings())


def _adjustment_read(pen: PenFirmware, _arguments: Any, _key: int) -> Answer:
    return Refusal.NONE, pack(pen.memory.adjustment.as_data())


def _adjustment_write(pen: PenFirmware, arguments: AdjustmentData, key: int) -> Answer:
    memory, model = pen.memory, pen.model
    try:
        table = AdjustmentTable.of(arguments)
    except ValueError:
        return Refusal.RANGE, b""
    if table.number != memory.adjustment.number + 1:
        return Refusal.RANGE, b""
    if table.moves_at_most(model.depth_max_um) > model.adjustment_max_um:
        return Refusal.RANGE, b""
    if abs(table.rate_gain - 1.0) * 1000.0 > model.adjustment_rate_max_permille:
        return Refusal.RANGE, b""
    ended = memory.calibration._replace(valid=0)
    memory.write(key, memory.counted_then, ended, table)
    memory.log(pen.pen_time_ms, LogCode.ADJUSTMENT_WRITTEN, table.number)
    return DONE


def _lifetime_read(pen: PenFirmware, _arguments: Any, _key: int) -> Answer:
    memory = pen.memory
    return Refusal.NONE, pack(memory.lifetime.read(pen.plant, pen.running_ms, memory.counted_then))


SERVICE_ANSWERS: Mapping[Operation, Handler] = {
    SERVICE_ARM: _service_arm,
    RAW_READ: _raw_read,
    ADJUSTMENT_READ: _adjustment_read,
    ADJUSTMENT_WRITE: _adjustment_write,
    LIFETIME_READ: _lifetime_read,
}
