"""The events of each pen's life, found in the record by the pen's name: for its health, and for a technician.

Whose session it was is not told: of a session there is only what the pen gave in it.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import ValidationError

from controller.events import Event, PenArmed, PenConnected, PenLost, SessionClosed, SessionOpened
from logger.journal.entry import Entry

TYPES: Final = (
    "pen_connected", "pen_lost", "session_opened", "pen_armed", "session_closed", "health_read", "certificate_issued",
    "calibration_written", "part_replaced", "pen_repaired", "pen_self_tested", "firmware_changed", "pen_quarantined",
    "pen_released", "service_opened", "service_move",
)  # fmt: skip
"""Types of events that a pen's life is told by."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def pen_events(entries: Iterable[Entry]) -> dict[str, list[tuple[datetime, Event]]]:
    """The events of each pen, in order of time, from entries of one station or of several, one after the other.

    A pen's name is its model and serial number, "NW-1/0001"; what cannot be read, and sessions whose pen is not on
    record, are left out. Neither who opened a session nor whose it was goes with it.
    """
    found: dict[str, list[tuple[datetime, Event]]] = {}
    whose: dict[tuple[str, str], str] = {}  # by session, and by piece of work on the bench: both are random ids
    for entry in entries:
        if entry.type not in TYPES:
            continue
        try:
            event = entry.event()
        except ValidationError:
            continue  # of a later version: it stays in the entries for whoever can read it
        pen = _pen_of(event, entry, whose)
        if pen:
            found.setdefault(pen, []).append((_EPOCH + timedelta(microseconds=entry.utc_us), event))
    for events in found.values():
        events.sort(key=lambda one: one[0])
    return found


def _pen_of(event: Event, entry: Entry, whose: dict[tuple[str, str], str]) -> str:
    """The pen an event is about; empty where it is none's, or only says whose session it is."""
    session = (entry.station, entry.session or "")
    match event:
        case SessionOpened():
            whose[session] = event.pen
            return ""
        case PenConnected() | PenLost():
            return event.pen
        case PenArmed() | SessionClosed():
            return whose.get(session, "")
        case _:  # of a technician's bench: each names its pen, or the piece of work that began with one
            series = (entry.station, getattr(event, "series", ""))
            pen, serial = getattr(event, "pen", ""), getattr(event, "serial", "")
            if not pen:
                return whose.get(series, "")
            name = pen if not serial or pen.endswith(f"/{serial}") else f"{pen}/{serial}"
            if event.type == "service_opened":
                whose[series] = name
            return name
