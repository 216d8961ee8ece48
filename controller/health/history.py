"""What the record has of one pen's life, sorted out of its events. Pure; no people and no patients are in it."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from statistics import median_low

from controller.events import Event, PenArmed, PenConnected, PenLost, SessionClosed
from controller.health.reading import load_name
from controller.service_events import (
    CalibrationWritten,
    CertificateIssued,
    FirmwareChanged,
    HealthRead,
    PartReplaced,
    PenQuarantined,
    PenReleased,
    PenRepaired,
    PenSelfTested,
    ServiceMove,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_NO_WEAR = frozenset({"opened", "dropped", "lubricated", "other"})


def days(moment: datetime) -> float:
    """A moment in days since 1970 UTC."""
    return (moment - _EPOCH) / _DAY


@dataclass(slots=True)
class PenHistory:
    """One pen. ``model`` and ``serial`` as it says them itself; lists are in the order of the record.

    ``ran_ms`` and ``strokes`` are sums over the sessions on record, each with its day; what the pen counted by itself
    is in ``readings``.
    """

    pen: str
    model: str = ""
    serial: str = ""
    firmware: str = ""
    seen: datetime | None = None
    calibration_due: str | None = None
    quarantines: set[str] = field(default_factory=set)
    released: set[str] = field(default_factory=set)
    """Ids, because stations tell of either in any order."""
    readings: list[tuple[datetime, HealthRead]] = field(default_factory=list)
    certificates: list[tuple[datetime, CertificateIssued]] = field(default_factory=list)
    parts: list[tuple[datetime, PartReplaced]] = field(default_factory=list)
    repairs: list[tuple[datetime, PenRepaired]] = field(default_factory=list)
    sessions: list[tuple[datetime, int, int]] = field(default_factory=list)
    """When each session ended, with the motor's time in ms and the strokes."""
    moves: dict[tuple[str, str], list[tuple[datetime, int]]] = field(default_factory=dict)
    """Moves in service mode with the motor on, by piece of work and load: when, and the current in mA."""
    lost: list[datetime] = field(default_factory=list)
    connected: list[datetime] = field(default_factory=list)
    failed_parts: tuple[str, ...] = ()

    @property
    def quarantined(self) -> bool:
        """It is in a quarantine that nobody released it from."""
        return bool(self.quarantines - self.released)

    def replaced(self, word: str) -> datetime | None:
        """When a part whose name has this word in it was last replaced."""
        return next((at for at, part in reversed(self.parts) if word in part.part), None)

    def currents(self) -> list[tuple[datetime, str, int]]:
        """Every current that was measured at a named load: when, the load, mA; of one piece of work the middle one."""
        at_work = [
            (at, one.load, one.motor_current_ma)
            for at, one in self.readings
            if one.load and one.motor_current_ma is not None
        ]
        on_the_bench = [
            (moves[0][0], load, median_low(current for _, current in moves)) for (_, load), moves in self.moves.items()
        ]
        return sorted([*at_work, *on_the_bench])

    def went(self, back_within_s: int) -> list[datetime]:
        """When a connection went that was there again so soon that nobody had put the pen away."""
        within = timedelta(seconds=back_within_s)
        found = []
        for at in self.lost:
            place = bisect_right(self.connected, at)
            if place < len(self.connected) and self.connected[place] - at <= within:
                found.append(at)
        return found

    def broken_days(self) -> list[float]:
        """Days on which something was done that is no wear: repairs that end a calibration, parts, knocks."""
        repaired = [days(at) for at, one in self.repairs if one.ends_calibration or one.what in _NO_WEAR]
        return sorted([*repaired, *(days(at) for at, part in self.parts if "battery" not in part.part)])


def _last_day(first_over: str) -> str | None:
    """The due date, of what a pen holds: the first day on which it is no longer valid, empty where none was set."""
    return (date.fromisoformat(first_over) - timedelta(days=1)).isoformat() if first_over else None


def pen_name(pen: str, serial: str) -> str:
    """The one name a pen has in records, model and serial number, however an event spells it."""
    return pen if not serial or pen.endswith(f"/{serial}") else f"{pen}/{serial}"


def history_of(pen: str, events: Iterable[tuple[datetime, Event]]) -> PenHistory:  # noqa: PLR0912 one arm an event
    """Everything that events of one pen, in order, say of its life."""
    found = PenHistory(pen, *pen.rpartition("/")[::2])
    for at, event in events:
        found.seen = at
        match event:
            case PenConnected():
                found.connected.append(at)
                found.model, found.serial, found.firmware = event.model, event.serial, event.firmware
            case PenLost():
                found.lost.append(at)
            case PenArmed():
                found.calibration_due = _last_day(event.calibration.due_on)
            case SessionClosed():
                ran_ms = sum(dose.treated_ms for dose in event.doses)
                found.sessions.append((at, ran_ms, sum(dose.strokes for dose in event.doses)))
            case HealthRead():
                found.firmware = event.firmware or found.firmware
                found.readings.append((at, event))
            case CertificateIssued() if event.kind == "calibration":
                # One issued anew, with a name put right, is of the same calibration: of its day, and counted once.
                first = next((when for when, one in found.certificates if one.series == event.series), at)
                found.certificates = [one for one in found.certificates if one[1].series != event.series]
                found.certificates.append((first, event))
                found.certificates.sort(key=lambda one: one[0])
                found.calibration_due = event.due_on or found.calibration_due
            case CalibrationWritten():
                found.calibration_due = event.due_on
            case ServiceMove() if event.motor and event.motor_current_ma is not None:
                load = load_name(on_skin=False, rate_mhz=event.rate_commanded_mhz, depth_um=event.depth_commanded_um)
                found.moves.setdefault((event.series, load), []).append((at, event.motor_current_ma))
            case PartReplaced():
                found.parts.append((at, event))
            case PenRepaired():
                found.repairs.append((at, event))
            case PenSelfTested():
                found.failed_parts = tuple(part.part for part in event.parts if part.outcome == "failed")
            case FirmwareChanged() if event.outcome == "confirmed":
                found.firmware = event.wanted
            case PenQuarantined():
                found.quarantines.add(event.quarantine)
            case PenReleased():
                found.released.update(event.quarantines)
            case _:
                pass
    return found
