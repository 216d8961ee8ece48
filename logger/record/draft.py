"""A session's record while its events are read, one after the other."""

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from controller.events import (
    AlarmAcknowledged,
    AlarmCleared,
    AlarmRaised,
    ApprovalGiven,
    ApprovalUsed,
    AudioPaused,
    AudioPauseEnded,
    CalibrationSnapshot,
    CartridgeAttested,
    CartridgeExchanged,
    ChecklistConfirmed,
    ClockStepped,
    DoseWarning,
    Event,
    Examined,
    FaultsCleared,
    InputChunk,
    LimitsChanged,
    LinkAdvisory,
    PenArmed,
    PenConnected,
    PenDisarmed,
    PenLost,
    RecordAmended,
    Refused,
    SessionClosed,
    SessionOpened,
    SessionSigned,
    SetpointChanged,
    SoftLimitOverridden,
    StopConfirmed,
    Stopped,
    TreatmentPaused,
    TreatmentStarted,
    ZoneChanged,
)
from controller.units import format_hz, format_mm
from logger.record.endorsed import Endorsements, said_afterwards
from logger.record.models import (
    AlarmRecord,
    ApprovalRecord,
    AudioPause,
    CartridgeRecord,
    ClockStep,
    Examination,
    LimitsInForce,
    Override,
    Refusal,
    TimelineItem,
)
from logger.record.telemetry import Telemetry

_T = TypeVar("_T")
MS_PER_S = 1000
DOSE_WORDS = {
    "nearly": "{zone} has had 80 % of its time",
    "budget": "{zone} has had all of its time",
    "hard": "{zone} has had the most it may have; paused",
}


@dataclass(slots=True)
class _Spans:
    """What held from which monotonic time of the station on."""

    times_ms: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def begin(self, name: str, at_ms: int) -> None:
        self.times_ms.append(at_ms)
        self.names.append(name)

    def place(self, at_ms: int) -> int:
        """The place of what held then, -1 for before the first."""
        return bisect_right(self.times_ms, at_ms) - 1


@dataclass(slots=True)
class Draft:
    """What has been read so far. Give it events in order with :meth:`take`."""

    opened: SessionOpened | None = None
    connected: PenConnected | None = None
    closed: SessionClosed | None = None
    closed_at: datetime | None = None
    unread: int = 0
    checklist: dict[str, bool] = field(default_factory=dict)
    examinations: list[Examination] = field(default_factory=list)
    cartridges: list[CartridgeRecord] = field(default_factory=list)
    calibrations: list[CalibrationSnapshot] = field(default_factory=list)
    limits: list[LimitsInForce] = field(default_factory=list)
    overrides: list[Override] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    approvals: dict[str, ApprovalRecord] = field(default_factory=dict)
    alarms: list[AlarmRecord] = field(default_factory=list)
    audio_pauses: list[AudioPause] = field(default_factory=list)
    clock_steps: list[ClockStep] = field(default_factory=list)
    endorsements: Endorsements = field(default_factory=Endorsements)
    timeline: list[TimelineItem] = field(default_factory=list)
    commanded: dict[str, set[tuple[int, int]]] = field(default_factory=dict)  # by zone: (µm, mHz) while treating
    telemetry: Telemetry = field(default_factory=Telemetry)
    zones: _Spans = field(default_factory=_Spans)
    _in_use: _Spans = field(default_factory=_Spans)  # names are places in ``cartridges``
    _attested_by: str | None = None
    _treating: bool = False

    def zone(self, at_ms: int) -> str:
        """The zone declared at a monotonic time of the station."""
        return self.zones.names[max(self.zones.place(at_ms), 0)] if self.zones.names else ""

    def cartridge(self, at_ms: int) -> int:
        """Which cartridge was in use at a monotonic time of the station: its place, -1 where none was."""
        place = self._in_use.place(at_ms)
        return int(self._in_use.names[place]) if place >= 0 else -1

    def take(self, event: Event, at: datetime, monotonic_ms: int) -> None:
        """One event."""
        match event:
            case InputChunk():
                self.telemetry.take(event, self.zone, self.cartridge)
            case SessionOpened():
                self.opened = event
                self.checklist = dict(event.checklist)
                self.zones.begin(event.zone, monotonic_ms)
                again = f", resumes {event.resumes}" if event.resumes else ""
                self._note(at, "opened", f"zone {event.zone}{again}")
            case ZoneChanged():
                self.zones.begin(event.zone, monotonic_ms)
                self._note(at, "zone", event.zone)
            case TreatmentStarted() | SetpointChanged():
                self._treating = self._treating or isinstance(event, TreatmentStarted)
                self._setpoint(event, at)
                if self._treating:
                    values = (event.depth_commanded_um, event.rate_commanded_mhz)
                    self.commanded.setdefault(self.zone(monotonic_ms), set()).add(values)
            case ClockStepped():
                self.clock_steps.append(ClockStep(at=at, by_ms=event.by_ms))
                self._note(at, "clock set", f"by {event.by_ms / MS_PER_S:+.1f} s")
            case SessionClosed():
                self.closed, self.closed_at = event, at
                self._note(at, "closed", f"{event.outcome}: {event.reason}")
            case AlarmRaised() | AlarmAcknowledged() | AlarmCleared():
                self._alarm(event, at)
            case AudioPaused() | AudioPauseEnded():
                self._audio(event, at)
            case Refused() | LimitsChanged() | SoftLimitOverridden() | ApprovalGiven() | ApprovalUsed():
                self._limit(event, at, self.zone(monotonic_ms))
            case PenArmed() | CartridgeAttested() | CartridgeExchanged() | Examined() | ChecklistConfirmed():
                self._ready(event, at, monotonic_ms)
            case _:
                self._plain(event, at)

    def take_unread(self, type_: str, version: int, at: datetime) -> None:
        """One entry that this version of the product cannot read. It is counted and named, and stays in the record."""
        self.unread += 1
        self._note(at, "not read", f"{type_}, version {version}: kept as it was journalled")

    def _note(self, at: datetime, what: str, detail: str) -> None:
        self.timeline.append(TimelineItem(at=at, what=what, detail=detail))

    def _setpoint(self, event: TreatmentStarted | SetpointChanged, at: datetime) -> None:
        """The commanded state, for the timeline; 0 is "none chosen yet"."""
        if isinstance(event, TreatmentStarted):
            self._note(at, "started", f"by {event.source}")
            return
        depth = format_mm(event.depth_commanded_um) if event.depth_commanded_um else "no depth yet"
        rate = format_hz(event.rate_commanded_mhz) if event.rate_commanded_mhz else "no rate yet"
        self._note(at, "set", f"{depth}, {rate}" + (f"; {event.note}" if event.note else ""))

    def _ready(
        self,
        event: PenArmed | CartridgeAttested | CartridgeExchanged | Examined | ChecklistConfirmed,
        at: datetime,
        monotonic_ms: int,
    ) -> None:
        """What makes a pen ready, and what it is ready with."""
        match event:
            case PenArmed():
                self._armed(event, at, monotonic_ms)
            case CartridgeAttested():
                self._attested_by = event.source
                self._note(at, "cartridge attested", f"new and opened now, by {event.source}")
            case CartridgeExchanged():
                if self.cartridges and event.before is not None:
                    self.cartridges[-1] = self.cartridges[-1].model_copy(update={"exchanged_at": at})
                self._attested_by = None
                before = event.before.name if event.before is not None else "none"
                self._note(at, "cartridge exchanged", f"in place of {before}, by {event.source}")
            case ChecklistConfirmed():
                self.checklist |= dict.fromkeys(event.items, True)
                self._note(at, "confirmed", f"{', '.join(event.items)} by {event.source}")
            case Examined():
                self.examinations.append(
                    Examination(
                        at=at,
                        rows=event.rows,
                        self_test_tested=event.self_test_tested,
                        self_test_passed=event.self_test_passed,
                    )
                )

    def _armed(self, event: PenArmed, at: datetime, monotonic_ms: int) -> None:
        if not self.cartridges or self.cartridges[-1].cartridge != event.cartridge or self.cartridges[-1].exchanged_at:
            by = self._attested_by if event.cartridge.unused == "attested" else None
            self.cartridges.append(CartridgeRecord(cartridge=event.cartridge, armed_at=at, attested_by=by))
        self._in_use.begin(str(len(self.cartridges) - 1), monotonic_ms)
        _add_new(self.calibrations, event.calibration)
        ceilings = f"ceilings {format_mm(event.depth_ceiling_um)}, {format_hz(event.rate_ceiling_mhz)}"
        self._note(at, "armed", ceilings)

    def _limit(
        self,
        event: Refused | LimitsChanged | SoftLimitOverridden | ApprovalGiven | ApprovalUsed,
        at: datetime,
        zone: str,
    ) -> None:
        """Limits, and what became of wanting more than they allow."""
        match event:
            case LimitsChanged():
                self.limits.append(LimitsInForce(at=at, zone=event.zone, depth=event.depth, rate=event.rate))
            case SoftLimitOverridden():
                self.overrides.append(
                    Override(
                        at=at,
                        zone=event.zone,
                        quantity=event.quantity,
                        soft_limit=event.soft_limit,
                        wanted=event.wanted,
                        reason=event.reason,
                    )
                )
            case Refused():
                self.refusals.append(
                    Refusal(at=at, zone=zone, asked=event.asked, because=event.because, sentence=event.sentence)
                )
            case ApprovalGiven():
                self._approval(
                    event.approval,
                    {"given_at": at, "by": event.by, "zones": event.zones, "depth_max_um": event.depth_max_um},
                )
                self._note(at, "approval given", f"{event.approval} by {event.by}: {format_mm(event.depth_max_um)}")
            case ApprovalUsed():
                used = {"used_at": at, "used_zone": event.zone, "scope_um": event.scope_um}
                self._approval(event.approval, {**used, "depth_commanded_um": event.depth_commanded_um})
                what = f"{event.approval}: {format_mm(event.depth_commanded_um)} in {event.zone}"
                self._note(at, "approval used", what)

    def _approval(self, name: str, update: dict[str, object]) -> None:
        known = self.approvals.get(name, ApprovalRecord(approval=name))
        self.approvals[name] = known.model_copy(update=update)

    def _plain(self, event: Event, at: datetime) -> None:
        """Events that belong on the timeline and do little else."""
        if isinstance(event, TreatmentPaused | Stopped | PenDisarmed | PenLost):
            self._treating = False
        match event:
            case PenConnected():
                self.connected = event
                self._note(at, "pen connected", f"{event.model} {event.serial}")
            case TreatmentPaused():
                self._note(at, "paused", f"by {event.source}")
            case Stopped():
                self._note(at, "stopped", f"by {event.source}")
            case StopConfirmed():
                self._note(at, "stop confirmed", f"after {event.after_ms} ms")
            case PenDisarmed():
                self._note(at, "disarmed", event.reason)
            case PenLost():
                self._note(at, "pen lost", event.cause)
            case FaultsCleared():
                faults = ", ".join(event.faults) or "what interrupted the treatment"
                self._note(at, "faults cleared", f"{faults} by {event.by}")
            case LinkAdvisory():
                self._note(at, "line", event.sentence)
            case DoseWarning():
                self._note(at, "time on skin", DOSE_WORDS[event.level].format(zone=event.zone))
            case SessionSigned() | RecordAmended():
                self._note(at, *said_afterwards(event))
            case _:
                return  # the station's own coming and going is no part of a session

    def _alarm(self, event: AlarmRaised | AlarmAcknowledged | AlarmCleared, at: datetime) -> None:
        """Raised opens a record; acknowledged and cleared complete the newest open one of that alarm."""
        if isinstance(event, AlarmRaised):
            self.alarms.append(
                AlarmRecord(
                    alarm=event.alarm, priority=event.priority, kind=event.kind, sentence=event.sentence, raised_at=at
                )
            )
            return
        for index in range(len(self.alarms) - 1, -1, -1):
            alarm = self.alarms[index]
            if alarm.alarm == event.alarm and alarm.cleared_at is None:
                change = (
                    {"acknowledged_at": at, "acknowledged_by": event.by}
                    if isinstance(event, AlarmAcknowledged)
                    else {"cleared_at": at}
                )
                self.alarms[index] = alarm.model_copy(update=change)
                return

    def _audio(self, event: AudioPaused | AudioPauseEnded, at: datetime) -> None:
        if isinstance(event, AudioPaused):
            self.audio_pauses.append(AudioPause(at=at, by=event.by, for_ms=event.for_ms))
        elif self.audio_pauses:
            self.audio_pauses[-1] = self.audio_pauses[-1].model_copy(update={"ended_by": event.alarm})


def _add_new(known: list[_T], item: _T) -> None:
    if item not in known:
        known.append(item)
