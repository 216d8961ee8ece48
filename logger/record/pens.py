"""What a record says of its pens: in quarantine or not, repaired, calibrated, and with which parts. Pure.

Stations tell of the same pen in any order and with clocks that differ: a quarantine is ended by whoever names its id,
never by what came later.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import ValidationError

from controller.service_events import (
    AdjustmentWritten,
    CalibrationWritten,
    CertificateIssued,
    FirmwareChanged,
    HealthRead,
    PartReplaced,
    PenQuarantined,
    PenReleased,
    PenRepaired,
    PenSelfTested,
)
from logger.journal.entry import Entry
from logger.record.lookback import kept

PenEvent = (
    AdjustmentWritten
    | CalibrationWritten
    | CertificateIssued
    | FirmwareChanged
    | HealthRead
    | PartReplaced
    | PenQuarantined
    | PenReleased
    | PenRepaired
    | PenSelfTested
)
"""What is told of a pen itself; each names it."""

PEN_TYPES: Final = (
    "adjustment_written", "calibration_written", "certificate_issued", "firmware_changed", "health_read",
    "part_replaced", "pen_quarantined", "pen_released", "pen_repaired", "pen_self_tested",
)  # fmt: skip
"""The types of those events."""
STANDING_TYPES: Final = ("pen_quarantined", "pen_released")
"""Those that say whether a pen is in quarantine."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PenName:
    """A pen, by what it says of itself."""

    model: str
    serial: str

    def __str__(self) -> str:
        return f"{self.model}/{self.serial}"


@dataclass(frozen=True, slots=True)
class Told:
    """An event about a pen, and where it stands in which station's record."""

    station: str
    sequence: int
    utc_us: int
    pen: PenName
    event: PenEvent

    @property
    def at(self) -> datetime:
        """When it was journalled."""
        return moment(self.utc_us)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A part as it was fitted to a pen, and the day (ISO) it was taken out again; None where it is still in.

    ``on`` is empty where it was in before anybody noted it.
    """

    pen: PenName
    part: str
    lot: str
    serial: str
    on: str
    until: str | None


def moment(utc_us: int) -> datetime:
    """A time of the record, aware, UTC."""
    return _EPOCH + timedelta(microseconds=utc_us)


def name_of(pen: str, serial: str) -> PenName:
    """The pen that an event names: by its model, with or without the serial number behind it."""
    return PenName(kept(pen).partition("/")[0], kept(serial))


def told_of_pens(entries: Iterable[Entry]) -> Iterator[Told]:
    """What entries tell of pens. What a later version wrote is left out; it stays in the entries."""
    for entry in entries:
        if entry.type not in PEN_TYPES:
            continue
        try:
            event = entry.event()
        except ValidationError:
            continue
        if isinstance(event, PenEvent):
            yield Told(entry.station, entry.sequence, entry.utc_us, name_of(event.pen, event.serial), event)


def in_order(told: Iterable[Told]) -> list[Told]:
    """Oldest first, by the clocks of the stations, and each station's own in its own order."""
    return sorted(told, key=lambda one: (one.utc_us, one.station, one.sequence))


def open_quarantines(told: Iterable[Told]) -> list[Told]:
    """The quarantines that nobody ended, oldest first; whose they are, each says."""
    events = in_order(told)
    ended = {name for one in events if isinstance(one.event, PenReleased) for name in one.event.quarantines}
    return [one for one in events if isinstance(one.event, PenQuarantined) and one.event.quarantine not in ended]


def measured_utc_us(one: Told) -> int:
    """When the last reading of a certificate was taken: at the end of that second, never after it was told of.

    A certificate that is issued anew, or told late, after a crash or out of a backup, says nothing of the pen on that
    day. Where its document cannot be read, it is as old as the day that it names.
    """
    event = one.event
    if not isinstance(event, CertificateIssued):
        return one.utc_us
    try:
        ended = datetime.fromisoformat(json.loads(event.document)["body"]["ended_at"]) + timedelta(seconds=1)
        return min(one.utc_us, (ended - _EPOCH) // timedelta(microseconds=1) - 1)
    except (ValueError, TypeError, KeyError, RecursionError):
        next_day = datetime.fromisoformat(event.issued_on).replace(tzinfo=UTC) + timedelta(days=1)
        return min(one.utc_us, (next_day - _EPOCH) // timedelta(microseconds=1))


def last_in_tolerance(told: Iterable[Told], before_utc_us: int | None = None) -> Told | None:
    """The calibration certificate of one pen that was measured last of those by which it was left in tolerance.

    Of one issued anew, the one issued last. None where there is none. Only those measured before a moment count where
    one is given.
    """
    left = [
        one
        for one in calibrations(told)
        if isinstance(one.event, CertificateIssued)
        and one.event.as_left_in_tolerance
        and (before_utc_us is None or measured_utc_us(one) < before_utc_us)
    ]
    return left[-1] if left else None


def calibrations(told: Iterable[Told]) -> list[Told]:
    """The calibration certificates there are, in the order in which they were measured, then told of."""
    found = (
        one for one in in_order(told) if isinstance(one.event, CertificateIssued) and one.event.kind == "calibration"
    )
    return sorted(found, key=measured_utc_us)


def fitted(told: Iterable[Told]) -> list[Fitted]:
    """Every part that the events know to be, or to have been, in a pen: in the order it was noted."""
    found: list[Fitted] = []
    inside: dict[tuple[PenName, str], int] = {}
    for one in in_order(told):
        event = one.event
        if not isinstance(event, PartReplaced):
            continue
        place = inside.pop((one.pen, event.part), None)
        if place is not None:
            was = found[place]
            found[place] = Fitted(was.pen, was.part, was.lot, was.serial, was.on, event.on)
        if (event.removed_lot or event.removed_serial) and not (
            place is not None and (found[place].lot, found[place].serial) == (event.removed_lot, event.removed_serial)
        ):
            # Nobody noted it when it was fitted: it is known by being taken out.
            found.append(Fitted(one.pen, event.part, event.removed_lot, event.removed_serial, "", event.on))
        if event.fitted_lot or event.fitted_serial:
            inside[one.pen, event.part] = len(found)
            found.append(Fitted(one.pen, event.part, event.fitted_lot, event.fitted_serial, event.on, None))
    return found


def recalled(told: Iterable[Told], *, part: str | None, lot: str | None) -> list[Fitted]:
    """The parts of a name, of a lot, or both, with the pens that have or had them; those still in first."""
    found = [one for one in fitted(told) if part in (None, one.part) and lot in (None, one.lot)]
    return sorted(found, key=lambda one: (one.until is not None, str(one.pen), one.part, one.on))
