"""What a pen does when asked about its firmware. Who applies or rolls back is answered first; then the pen restarts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from firmware_bridge.wire.codec import pack
from firmware_bridge.wire.messages import Refusal
from firmware_bridge.wire.operation import Operation
from firmware_bridge.wire.service_operations import (
    FIRMWARE_APPLY,
    FIRMWARE_BEGIN,
    FIRMWARE_CHUNK,
    FIRMWARE_CONFIRM,
    FIRMWARE_ROLL_BACK,
    FIRMWARE_STATE,
    FirmwareChunk,
    FirmwareImage,
    FirmwareProgress,
)
from simulators.answers import Answer, Handler
from simulators.firmware_store import FirmwareStore, SupplyGone
from simulators.nonvolatile import LogCode, PowerCut

if TYPE_CHECKING:
    from simulators.firmware import PenFirmware


def _written(pen: PenFirmware, key: int, write: Callable[[FirmwareStore], Refusal]) -> Refusal:
    """Does a write; where the supply fails in it, what became of the request is remembered with it. Raises PowerCut."""
    try:
        return write(pen.memory.firmware)
    except SupplyGone as gone:
        if gone.done and key:
            pen.memory.keep_outcome(key, Refusal.NONE)
        raise PowerCut from gone


def _ready(pen: PenFirmware) -> bool:
    """Needles out and charge enough: what is begun now can be ended."""
    return pen.plant.needles_home and pen.plant.charge * 1000.0 >= pen.model.firmware_battery_min_permille


def _state(pen: PenFirmware, _arguments: Any, _key: int) -> Answer:
    return Refusal.NONE, pack(pen.memory.firmware.state(pen.model.firmware_battery_min_permille))


def _begin(pen: PenFirmware, arguments: FirmwareImage, key: int) -> Answer:
    if not _ready(pen):
        return Refusal.NOT_READY, b""
    return _written(pen, key, lambda store: store.begin(arguments, pen.memory.fails_at)), b""


def _chunk(pen: PenFirmware, arguments: FirmwareChunk, key: int) -> Answer:
    refusal = _written(pen, key, lambda store: store.chunk(arguments, pen.memory.fails_at))
    return (refusal, b"") if refusal else (Refusal.NONE, pack(FirmwareProgress(pen.memory.firmware.received)))


def _apply(pen: PenFirmware, _arguments: Any, key: int) -> Answer:
    if not _ready(pen):
        return Refusal.NOT_READY, b""
    model = pen.model.name.encode("ascii")
    refusal = _written(pen, key, lambda store: store.apply(model, pen.memory.fails_at))
    if not refusal:
        pen.memory.log(pen.pen_time_ms, LogCode.FIRMWARE_APPLIED)
        pen.restarting = True
    return refusal, b""


def _confirm(pen: PenFirmware, _arguments: Any, key: int) -> Answer:
    refusal = _written(pen, key, lambda store: store.confirm(pen.memory.fails_at))
    if not refusal:
        pen.memory.log(pen.pen_time_ms, LogCode.FIRMWARE_CONFIRMED, pen.memory.firmware.confirmed.number)
    return refusal, b""


def _roll_back(pen: PenFirmware, _arguments: Any, _key: int) -> Answer:
    refusal = pen.memory.firmware.roll_back()
    if not refusal:
        pen.memory.log(pen.pen_time_ms, LogCode.FIRMWARE_ROLLED_BACK)
        pen.restarting = True
    return refusal, b""


FIRMWARE_ANSWERS: Mapping[Operation, Handler] = {
    FIRMWARE_STATE: _state,
    FIRMWARE_BEGIN: _begin,
    FIRMWARE_CHUNK: _chunk,
    FIRMWARE_APPLY: _apply,
    FIRMWARE_CONFIRM: _confirm,
    FIRMWARE_ROLL_BACK: _roll_back,
}
