"""Defects of what a pen does at a technician's bench, to be planted in the simulated pen: see
:mod:`proving.conform.defects`."""

from contextlib import AbstractContextManager
from typing import Any

from firmware_bridge.wire.codec import pack
from firmware_bridge.wire.messages import Refusal
from firmware_bridge.wire.operations import CALIBRATION_READ
from firmware_bridge.wire.service_operations import (
    ADJUSTMENT_WRITE,
    RAW_READ,
    AdjustmentData,
    RawReadings,
    ServiceCeilings,
)
from proving.planting import planted
from simulators.adjustment import AdjustmentTable
from simulators.firmware import PenFirmware
from simulators.leasing import LeaseKeeper
from simulators.lifetime import Lifetime
from simulators.nonvolatile import LogCode, NonVolatile
from simulators.requests import HANDLERS, RequestDesk

Original = Any


def service_on_skin(original: Original) -> Original:
    return lambda self, asked, **named: original(self, asked, **(named | {"on_skin": False}))


def service_while_faulted(original: Original) -> Original:
    return lambda self, asked, **named: original(self, asked, **(named | {"faulted": False}))


def service_without_ceiling(original: Original) -> Original:
    def begin(self: LeaseKeeper, asked: ServiceCeilings, key: int, now_ms: int) -> None:
        original(self, asked._replace(depth_ceiling_um=self._model.depth_max_um), key, now_ms)

    return begin


def service_without_end(original: Original) -> Original:
    def begin(self: LeaseKeeper, asked: ServiceCeilings, key: int, now_ms: int) -> None:
        original(self, asked._replace(lifetime_ms=1 << 31), key, now_ms)

    return begin


def service_refreshed(original: Original) -> Original:
    """Each setpoint begins the lifetime anew."""

    def follow(self: LeaseKeeper, setpoint: Any, now_ms: int, age_ms: int) -> None:
        if self.service_key:
            self.ends_at = now_ms + 1000
        original(self, setpoint, now_ms, age_ms)

    return follow


def skin_unnoticed() -> AbstractContextManager[None]:
    def begin(original: Original) -> Original:
        def begun(self: LeaseKeeper, asked: ServiceCeilings, key: int, now_ms: int) -> None:
            original(self, asked, key, now_ms)
            self.service_key = 0

        return begun

    return planted((LeaseKeeper, "begin_service", begin))


def service_key_forgotten(_original: Original) -> Original:
    return lambda _self, _request: (Refusal.NONE, b"")


def _answering(operation: Any, make: Original) -> AbstractContextManager[None]:
    """What answers an operation, made otherwise."""

    def instead(_original: Original) -> Original:
        return {**HANDLERS, operation: make(HANDLERS[operation])}

    from simulators import requests  # noqa: PLC0415 - planted in the module itself

    return planted((requests, "HANDLERS", instead))


def raw_of_no_time() -> AbstractContextManager[None]:
    def make(_original: Original) -> Original:
        def answer(pen: PenFirmware, _arguments: Any, _key: int) -> Any:
            return Refusal.NONE, pack(pen.raw_readings()._replace(pen_time_ms=0))

        return answer

    return _answering(RAW_READ, make)


def raw_rate_at_rest() -> AbstractContextManager[None]:
    def make(_original: Original) -> Original:
        def answer(pen: PenFirmware, _arguments: Any, _key: int) -> Any:
            raw: RawReadings = pen.raw_readings()
            return Refusal.NONE, pack(raw._replace(rate_raw_mhz=raw.rate_raw_mhz or 3_000))

        return answer

    return _answering(RAW_READ, make)


def any_number() -> AbstractContextManager[None]:
    def make(original: Original) -> Original:
        def answer(pen: PenFirmware, arguments: AdjustmentData, key: int) -> Any:
            return original(pen, arguments._replace(number=pen.memory.adjustment.number + 1), key)

        return answer

    return _answering(ADJUSTMENT_WRITE, make)


def calibration_survives(original: Original) -> Original:
    def write(self: NonVolatile, key: int, counted: Any, calibration: Any, adjustment: Any = None) -> None:
        kept = self.calibration if adjustment is not None else calibration
        original(self, key, counted, kept, adjustment)

    return write


def ended_forgotten() -> AbstractContextManager[None]:
    def make(original: Original) -> Original:
        def answer(pen: PenFirmware, arguments: Any, key: int) -> Any:
            if pen.memory.calibration.valid:
                return original(pen, arguments, key)
            return Refusal.NONE, pack(pen.memory.calibration._replace(certificate=b"", calibrated_day=0, due_day=0))

        return answer

    return _answering(CALIBRATION_READ, make)


def outcome_of_table_lost(original: Original) -> Original:
    def answer(self: RequestDesk, medium: int, request: Any) -> Any:
        found = original(self, medium, request)
        if request.operation == ADJUSTMENT_WRITE.number:
            memory = RequestDesk.__dict__["_pen"].__get__(self).memory
            NonVolatile.__dict__["_outcomes"].__get__(memory).pop(request.key, None)
        return found

    return answer


def points_fall(_original: Original) -> Original:
    def of(cls: type[AdjustmentTable], data: AdjustmentData) -> AdjustmentTable:
        return cls(data.number, data.rate_gain_ppm)

    return classmethod(of)


def table_lost(original: Original) -> Original:
    def boot(self: PenFirmware, model: Any, plant: Any, memory: NonVolatile, *given: Any, **named: Any) -> None:
        if memory.adjustment.number or memory.newest_entry > 1:
            memory.adjustment = AdjustmentTable(memory.adjustment.number + 1)
        original(self, model, plant, memory, *given, **named)

    return boot


def counters_lost(original: Original) -> Original:
    def boot(self: PenFirmware, model: Any, plant: Any, memory: NonVolatile, *given: Any, **named: Any) -> None:
        memory.lifetime = Lifetime()
        original(self, model, plant, memory, *given, **named)

    return boot


def counts_nothing(original: Original) -> Original:
    def counted(self: Lifetime, plant: Any, running_ms: int) -> Any:
        return original(self, plant, running_ms)._replace(run_s=0, strokes=0)

    return counted


def since_ever(original: Original) -> Original:
    def write(self: NonVolatile, key: int, _counted: Any, calibration: Any, adjustment: Any = None) -> None:
        original(self, key, self.counted_then, calibration, adjustment)

    return write


def unlogged(original: Original) -> Original:
    def log(self: NonVolatile, pen_time_ms: int, code: LogCode, argument: int = 0) -> None:
        if code is not LogCode.SERVICE_ARMED:
            original(self, pen_time_ms, code, argument)

    return log
