"""What a maker or technician needs of a pen, and nothing of anybody's treatment. Pure, from the entries of the record.

Sums by pen and day: no session, patient, operator, zone or cartridge, no sentence that somebody may have written, and
no time finer than a day. What a day has is the sum over everything treated on it.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from controller.events import (
    AlarmRaised,
    CalibrationSnapshot,
    Event,
    FaultsCleared,
    PenArmed,
    PenConnected,
    PenLost,
    SessionClosed,
    SessionOpened,
    StationStarted,
)
from logger.journal.entry import Entry

_MICROSECONDS = 1_000_000
UNKNOWN_PEN = "unknown"
"""Where the record does not say which of several pens an alarm came from."""


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Firmware(_Told):
    """A version and the days on which it was seen."""

    version: str
    first_on: date
    last_on: date


class Calibration(_Told):
    """A calibration in force, and the first day it was seen; gains in ppm, depths in µm."""

    first_on: date
    calibrated_on: str
    due_on: str
    depth_gain_ppm: int
    depth_offset_um: int
    depth_uncertainty_um: int
    rate_gain_ppm: int


class Day(_Told):
    """What a pen did on one day (UTC): motor time in ms, strokes, alarms and cleared faults by name, lost lines."""

    on: date
    treated_ms: int
    strokes: int
    alarms: dict[str, int]
    faults: dict[str, int]
    lost: int


class PenService(_Told):
    """One pen: what it is, what it did, in all and day by day."""

    pen: str
    firmware: tuple[Firmware, ...]
    treated_ms: int
    strokes: int
    calibrations: tuple[Calibration, ...]
    days: tuple[Day, ...]


class ServiceRecord(_Told):
    """Every pen of a record, and the versions of the software that drove them."""

    format: Literal["needlework-service/1"] = "needlework-service/1"
    software: tuple[Firmware, ...]
    pens: tuple[PenService, ...]


@dataclass(slots=True)
class _Day:
    treated_ms: int = 0
    strokes: int = 0
    alarms: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    lost: int = 0


@dataclass(slots=True)
class _Pen:
    versions: dict[str, list[date]] = field(default_factory=dict)
    calibrations: dict[tuple[object, ...], Calibration] = field(default_factory=dict)
    days: dict[date, _Day] = field(default_factory=dict)

    def day(self, on: date) -> _Day:
        return self.days.setdefault(on, _Day())


class _Gathering:
    def __init__(self) -> None:
        self.software: dict[str, list[date]] = {}
        self.pens: dict[str, _Pen] = {}
        self._of_session: dict[str, str] = {}

    def take(self, entry: Entry, event: Event, on: date) -> None:
        session = entry.session
        match event:
            case StationStarted():
                self.software.setdefault(event.software, []).append(on)
            case PenConnected():
                self._pen(event.pen).versions.setdefault(event.firmware, []).append(on)
            case PenLost():
                self._pen(event.pen).day(on).lost += 1
            case SessionOpened() if session is not None:
                self._of_session[session] = event.pen
            case PenArmed():
                self._calibrated(self._pen(self._whose(session)), event.calibration, on)
            case AlarmRaised():
                self._pen(self._whose(session)).day(on).alarms[event.alarm] += 1
            case FaultsCleared():
                self._pen(self._whose(session)).day(on).faults.update(event.faults)
            case SessionClosed():
                day = self._pen(self._whose(session)).day(on)
                day.treated_ms += sum(dose.treated_ms for dose in event.doses)
                day.strokes += sum(dose.strokes for dose in event.doses)
            case _:
                return

    def _pen(self, name: str) -> _Pen:
        return self.pens.setdefault(name, _Pen())

    def _whose(self, session: str | None) -> str:
        if session is not None and session in self._of_session:
            return self._of_session[session]
        return next(iter(self.pens)) if len(self.pens) == 1 else UNKNOWN_PEN

    @staticmethod
    def _calibrated(pen: _Pen, now: CalibrationSnapshot, on: date) -> None:
        told = Calibration(
            first_on=on,
            calibrated_on=now.calibrated_on,
            due_on=now.due_on,
            depth_gain_ppm=now.depth_gain_ppm,
            depth_offset_um=now.depth_offset_um,
            depth_uncertainty_um=now.depth_uncertainty_um,
            rate_gain_ppm=now.rate_gain_ppm,
        )
        pen.calibrations.setdefault(tuple(told.model_dump(exclude={"first_on"}).values()), told)


def service_record(entries: Iterable[Entry]) -> ServiceRecord:
    """The service record of some entries, in their order. What another version wrote is left out."""
    gathering = _Gathering()
    for entry in entries:
        if entry.type == "input_chunk":
            continue  # nearly all of a record, and nothing of it is wanted here
        try:
            event = entry.event()
        except ValidationError:
            continue
        gathering.take(entry, event, datetime.fromtimestamp(entry.utc_us / _MICROSECONDS, UTC).date())
    return ServiceRecord(
        software=_versions(gathering.software),
        pens=tuple(_told(name, pen) for name, pen in sorted(gathering.pens.items())),
    )


def _told(name: str, pen: _Pen) -> PenService:
    days = tuple(
        Day(
            on=on,
            treated_ms=day.treated_ms,
            strokes=day.strokes,
            alarms=dict(sorted(day.alarms.items())),
            faults=dict(sorted(day.faults.items())),
            lost=day.lost,
        )
        for on, day in sorted(pen.days.items())
    )
    return PenService(
        pen=name,
        firmware=_versions(pen.versions),
        treated_ms=sum(day.treated_ms for day in days),
        strokes=sum(day.strokes for day in days),
        calibrations=tuple(sorted(pen.calibrations.values(), key=lambda one: (one.first_on, one.calibrated_on))),
        days=days,
    )


def _versions(found: dict[str, list[date]]) -> tuple[Firmware, ...]:
    return tuple(
        Firmware(version=version, first_on=min(days), last_on=max(days)) for version, days in sorted(found.items())
    )
