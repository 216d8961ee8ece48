"""Projections: what the entries of one session amount to, for people and reports.

Commanded, set and measured stay apart: commanded is what the host asked for, set is what the pen says is in force,
measured is what its sensors say. What the pen does not measure is None, never the setpoint.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from controller.events import (
    AlarmAcknowledged,
    AlarmCleared,
    AlarmRaised,
    CalibrationSnapshot,
    CartridgeSnapshot,
    Event,
    FaultsCleared,
    InputChunk,
    LimitsChanged,
    LimitSet,
    LinkAdvisory,
    PenArmed,
    PenConnected,
    PenDisarmed,
    PenLost,
    Refused,
    SessionClosed,
    SessionOpened,
    SetpointChanged,
    SoftLimitOverridden,
    StopConfirmed,
    Stopped,
    TreatmentPaused,
    TreatmentStarted,
    ZoneChanged,
    ZoneDose,
)
from controller.units import format_hz, format_mm
from logger.entry import Entry
from logger.errors import RecordNotFound
from logger.telemetry import Spread, Telemetry

_T = TypeVar("_T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TimelineItem(_Part):
    """Something that happened, when, and what is worth saying of it."""

    at: datetime
    what: str
    detail: str


class LimitsInForce(_Part):
    """The limits from a moment on, with every layer behind them."""

    at: datetime
    zone: str
    depth: LimitSet
    rate: LimitSet


class Override(_Part):
    """A soft limit a person went beyond, and why. Depth in µm, rate in mHz."""

    at: datetime
    zone: str
    quantity: str
    soft_limit: int
    wanted: int
    reason: str


class Refusal(_Part):
    """A request that was not followed."""

    at: datetime
    asked: str
    because: str
    sentence: str


class AlarmRecord(_Part):
    """One alarm, from raised to cleared; None is not (yet)."""

    alarm: str
    priority: str
    kind: str
    sentence: str
    raised_at: datetime
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    cleared_at: datetime | None = None


class ZoneRecord(_Part):
    """What one zone got while the motor ran, computed from the pen's own telemetry. µm, mHz, ms."""

    zone: str
    treated_ms: int
    strokes: int
    punctures: int | None
    depth_commanded_um: tuple[int, ...]
    depth_set_um: Spread | None
    depth_measured_um: Spread | None
    rate_set_mhz: Spread | None
    rate_measured_mhz: Spread | None


class SessionRecord(_Part):
    """One session.

    ``outcome`` is "open" while no close was journalled; ``unread`` counts entries of a later version.
    """

    session: str
    station: str
    pen: str | None
    pen_model: str | None
    pen_firmware: str | None
    patient: str | None
    operator: str | None
    protocol: str | None
    library: str | None
    skin: str | None
    demo: bool | None
    checklist: dict[str, bool]
    opened_at: datetime
    closed_at: datetime | None
    outcome: str
    reason: str | None
    first_entry: int
    last_entry: int
    entries: int
    unread: int
    zones: tuple[ZoneRecord, ...]
    strokes: int
    treated_ms: int
    cartridges: tuple[CartridgeSnapshot, ...]
    calibrations: tuple[CalibrationSnapshot, ...]
    limits: tuple[LimitsInForce, ...]
    overrides: tuple[Override, ...]
    refusals: tuple[Refusal, ...]
    alarms: tuple[AlarmRecord, ...]
    timeline: tuple[TimelineItem, ...]
    doses: tuple[ZoneDose, ...]


@dataclass(slots=True)
class _Draft:
    """What has been read so far."""

    opened: SessionOpened | None = None
    connected: PenConnected | None = None
    closed: SessionClosed | None = None
    closed_at: datetime | None = None
    unread: int = 0
    cartridges: list[CartridgeSnapshot] = field(default_factory=list)
    calibrations: list[CalibrationSnapshot] = field(default_factory=list)
    limits: list[LimitsInForce] = field(default_factory=list)
    overrides: list[Override] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    alarms: list[AlarmRecord] = field(default_factory=list)
    timeline: list[TimelineItem] = field(default_factory=list)
    zone_times: list[int] = field(default_factory=list)
    zone_names: list[str] = field(default_factory=list)
    depth_commanded: dict[str, set[int]] = field(default_factory=dict)
    telemetry: Telemetry = field(default_factory=Telemetry)

    def zone(self, at_ms: int) -> str:
        """The zone declared at a monotonic time of the station."""
        index = bisect_right(self.zone_times, at_ms) - 1
        return self.zone_names[max(index, 0)] if self.zone_names else ""


def session_record(entries: Iterable[Entry]) -> SessionRecord:
    """The record of the session whose entries these are, in order, from a journal or a store.

    Entries of no session that are among them (a pen that connected) are used where they help. Raises RecordNotFound
    when no entry belongs to a session.
    """
    draft = _Draft()
    own: list[tuple[int, int]] = []
    session = station = ""
    count = 0
    for entry in entries:
        at = _EPOCH + timedelta(microseconds=entry.utc_us)
        if entry.session is not None:
            session, station = session or entry.session, entry.station
            own = [own[0] if own else (entry.sequence, entry.utc_us), (entry.sequence, entry.utc_us)]
            count += 1
        try:
            event = entry.event()
        except ValidationError:
            draft.unread += 1
            continue
        _take(draft, event, at, entry.monotonic_ms)
    if not own:
        raise RecordNotFound(
            "There is no such session in this record. `needlework sessions list` names those there are."
        )
    opened, closed = draft.opened, draft.closed
    zones = _zones(draft)
    return SessionRecord(
        session=session,
        station=station,
        pen=opened.pen if opened else None,
        pen_model=draft.connected.model if draft.connected else None,
        pen_firmware=draft.connected.firmware if draft.connected else None,
        patient=opened.patient if opened else None,
        operator=opened.operator if opened else None,
        protocol=opened.protocol if opened else None,
        library=opened.library if opened else None,
        skin=opened.skin if opened else None,
        demo=opened.demo if opened else None,
        checklist=dict(opened.checklist) if opened else {},
        opened_at=_EPOCH + timedelta(microseconds=own[0][1]),
        closed_at=draft.closed_at,
        outcome=closed.outcome if closed else "open",
        reason=closed.reason if closed else None,
        first_entry=own[0][0],
        last_entry=own[-1][0],
        entries=count,
        unread=draft.unread,
        zones=zones,
        strokes=sum(zone.strokes for zone in zones),
        treated_ms=sum(zone.treated_ms for zone in zones),
        cartridges=tuple(draft.cartridges),
        calibrations=tuple(draft.calibrations),
        limits=tuple(draft.limits),
        overrides=tuple(draft.overrides),
        refusals=tuple(draft.refusals),
        alarms=tuple(draft.alarms),
        timeline=tuple(draft.timeline),
        doses=closed.doses if closed else (),
    )


def _zones(draft: _Draft) -> tuple[ZoneRecord, ...]:
    """The zones in the order they were first declared."""
    order = list(dict.fromkeys(draft.zone_names))
    order += [zone for zone in draft.telemetry.zones if zone not in order]
    needles = {cartridge.needle_count for cartridge in draft.cartridges}
    # Punctures are told only when every cartridge of the session had the same needles: strokes do not say whose they
    # were.
    per_stroke = needles.pop() if len(needles) == 1 else None
    records = []
    for zone in order:
        tally = draft.telemetry.zones.get(zone)
        if tally is None:
            continue
        records.append(
            ZoneRecord(
                zone=zone,
                treated_ms=tally.treated_ms,
                strokes=tally.strokes,
                punctures=None if per_stroke is None else tally.strokes_on_skin * per_stroke,
                depth_commanded_um=tuple(sorted(draft.depth_commanded.get(zone, ()))),
                depth_set_um=Spread.of(tally.depth_set_um),
                depth_measured_um=Spread.of(tally.depth_measured_um),
                rate_set_mhz=Spread.of(tally.rate_set_mhz),
                rate_measured_mhz=Spread.of(tally.rate_measured_mhz),
            )
        )
    return tuple(records)


def _take(draft: _Draft, event: Event, at: datetime, monotonic_ms: int) -> None:
    """One event into the draft."""

    def note(what: str, detail: str) -> None:
        draft.timeline.append(TimelineItem(at=at, what=what, detail=detail))

    match event:
        case InputChunk():
            draft.telemetry.take(event, draft.zone)
        case SessionOpened():
            draft.opened = event
            _enter_zone(draft, event.zone, monotonic_ms)
            note("opened", f"zone {event.zone}")
        case ZoneChanged():
            _enter_zone(draft, event.zone, monotonic_ms)
            note("zone", event.zone)
        case LimitsChanged():
            draft.limits.append(LimitsInForce(at=at, zone=event.zone, depth=event.depth, rate=event.rate))
        case SoftLimitOverridden():
            draft.overrides.append(
                Override(
                    at=at,
                    zone=event.zone,
                    quantity=event.quantity,
                    soft_limit=event.soft_limit,
                    wanted=event.wanted,
                    reason=event.reason,
                )
            )
        case PenArmed():
            _add_new(draft.cartridges, event.cartridge)
            _add_new(draft.calibrations, event.calibration)
            note("armed", f"ceilings {format_mm(event.depth_ceiling_um)}, {format_hz(event.rate_ceiling_mhz)}")
        case TreatmentStarted() | SetpointChanged():
            draft.depth_commanded.setdefault(draft.zone(monotonic_ms), set()).add(event.depth_commanded_um)
            _take_setpoint(event, note)
        case Refused():
            draft.refusals.append(Refusal(at=at, asked=event.asked, because=event.because, sentence=event.sentence))
        case AlarmRaised() | AlarmAcknowledged() | AlarmCleared():
            _take_alarm(draft, event, at)
        case _:
            _take_plain(draft, event, at)


def _take_setpoint(event: TreatmentStarted | SetpointChanged, note: Callable[[str, str], None]) -> None:
    """The commanded state, for the timeline; 0 is "none chosen yet"."""
    if isinstance(event, TreatmentStarted):
        note("started", f"by {event.source}")
        return
    depth = format_mm(event.depth_commanded_um) if event.depth_commanded_um else "no depth yet"
    rate = format_hz(event.rate_commanded_mhz) if event.rate_commanded_mhz else "no rate yet"
    note("set", f"{depth}, {rate}" + (f"; {event.note}" if event.note else ""))


def _take_plain(draft: _Draft, event: Event, at: datetime) -> None:
    """Events that belong on the timeline and do little else."""

    def note(what: str, detail: str) -> None:
        draft.timeline.append(TimelineItem(at=at, what=what, detail=detail))

    match event:
        case SessionClosed():
            draft.closed, draft.closed_at = event, at
            note("closed", f"{event.outcome}: {event.reason}")
        case PenConnected():
            draft.connected = event
            note("pen connected", f"{event.model} {event.serial}")
        case TreatmentPaused():
            note("paused", f"by {event.source}")
        case Stopped():
            note("stopped", f"by {event.source}")
        case StopConfirmed():
            note("stop confirmed", f"after {event.after_ms} ms")
        case PenDisarmed():
            note("disarmed", event.reason)
        case PenLost():
            note("pen lost", event.cause)
        case FaultsCleared():
            note("faults cleared", f"{', '.join(event.faults)} by {event.by}")
        case LinkAdvisory():
            note("line", event.sentence)
        case _:
            return  # the station's own coming and going is no part of a session


def _enter_zone(draft: _Draft, zone: str, at_ms: int) -> None:
    draft.zone_times.append(at_ms)
    draft.zone_names.append(zone)


def _take_alarm(draft: _Draft, event: AlarmRaised | AlarmAcknowledged | AlarmCleared, at: datetime) -> None:
    """Raised opens a record; acknowledged and cleared complete the newest open one of that alarm."""
    if isinstance(event, AlarmRaised):
        draft.alarms.append(
            AlarmRecord(
                alarm=event.alarm, priority=event.priority, kind=event.kind, sentence=event.sentence, raised_at=at
            )
        )
        return
    for index in range(len(draft.alarms) - 1, -1, -1):
        alarm = draft.alarms[index]
        if alarm.alarm == event.alarm and alarm.cleared_at is None:
            change = (
                {"acknowledged_at": at, "acknowledged_by": event.by}
                if isinstance(event, AlarmAcknowledged)
                else {"cleared_at": at}
            )
            draft.alarms[index] = alarm.model_copy(update=change)
            return


def _add_new(known: list[_T], item: _T) -> None:
    if item not in known:
        known.append(item)
