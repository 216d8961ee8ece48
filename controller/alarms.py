"""Pure: alarm conditions, priority, latching, acknowledge. Uses the vocabulary of IEC 60601-1-8.

A HIGH alarm latches: it stays until a person acknowledged it *and* its condition is gone. A person's own STOP is no
alarm. Technical alarms are about pen, line and record; treatment alarms about what happens to skin.
"""

from dataclasses import dataclass, field
from typing import Literal

from controller.events import AlarmAcknowledged, AlarmCleared, AlarmRaised, Event


@dataclass(frozen=True, slots=True)
class AlarmKind:
    """One alarm the product can raise: its priority, what it is about, what it says and what to do."""

    name: str
    priority: Literal["HIGH", "MEDIUM", "LOW"]
    kind: Literal["technical", "treatment"]
    sentence: str


DEPTH_OVER_LIMIT = AlarmKind(
    "depth_over_limit", "HIGH", "treatment",
    "Measured protrusion is over the limit. The pen was stopped. Lift it off, look at the skin, change the cartridge, "
    "and have the pen checked if it happens again.",
)  # fmt: skip
RETRACT_FAILED = AlarmKind(
    "retract_failed", "HIGH", "treatment",
    "The needles are not confirmed out of the skin. Lift the pen straight off now; do not drag it. Have it repaired.",
)  # fmt: skip
STOP_NOT_CONFIRMED = AlarmKind(
    "stop_not_confirmed", "HIGH", "treatment",
    "The pen has not confirmed STOP. Lift it off and press its own button; it stops by itself when it hears nothing.",
)  # fmt: skip
LINK_LOST = AlarmKind(
    "link_lost", "HIGH", "technical",
    "The connection to the pen went while it was armed. The pen stops by itself. Lift it off, check the cable, then "
    "clear the fault and arm again.",
)  # fmt: skip
STALL = AlarmKind(
    "stall", "HIGH", "treatment",
    "The motor was driven and did not turn; needles may drag. The pen stopped. Lift it off and change the cartridge.",
)  # fmt: skip
PEN_STOPPED_ITSELF = AlarmKind(
    "pen_stopped_itself", "HIGH", "technical",
    "The pen heard nothing from this computer for its dead-man time and stopped by itself. Lift it off, then clear the "
    "fault and arm again; if it happens again, look at the computer's load with `needlework doctor`.",
)  # fmt: skip
PEN_FAULT = AlarmKind(
    "pen_fault", "HIGH", "technical",
    "The pen reports a fault of its own and stopped. Lift it off. Clear the fault when its cause is gone.",
)  # fmt: skip
LEASE_ENDED = AlarmKind(
    "lease_ended", "HIGH", "technical",
    "The pen ended its armed state by itself without a fault. It is stopped. Clear, then arm again.",
)  # fmt: skip
JOURNAL_FAILED = AlarmKind(
    "journal_failed", "HIGH", "technical",
    "The record cannot be written, so the treatment was stopped in good order. What happened so far is kept in memory "
    "until the disk takes it; free space or repair the disk, then clear and arm again.",
)  # fmt: skip

ALARMS: dict[str, AlarmKind] = {
    kind.name: kind
    for kind in (
        DEPTH_OVER_LIMIT, RETRACT_FAILED, STOP_NOT_CONFIRMED, LINK_LOST, STALL, PEN_STOPPED_ITSELF, PEN_FAULT,
        LEASE_ENDED, JOURNAL_FAILED,
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ActiveAlarm:
    """An alarm that is raised. ``condition`` is whether its cause still holds."""

    name: str
    since_ms: int
    condition: bool
    acknowledged: bool
    detail: str

    @property
    def kind(self) -> AlarmKind:
        """What it is."""
        return ALARMS[self.name]

    @property
    def sentence(self) -> str:
        """What a person reads."""
        return f"{self.kind.sentence} ({self.detail})" if self.detail else self.kind.sentence


@dataclass(frozen=True, slots=True)
class AlarmBook:
    """The alarms raised now, oldest first."""

    active: tuple[ActiveAlarm, ...] = field(default=())

    def is_active(self, name: str) -> bool:
        """Whether this alarm is raised."""
        return any(alarm.name == name for alarm in self.active)

    def observe(self, holding: dict[str, str], now_ms: int) -> tuple["AlarmBook", tuple[Event, ...]]:
        """The book after looking at the conditions that hold now (alarm name → detail), and what to journal."""
        if not self.active and not holding:
            return self, ()
        events: list[Event] = []
        kept: list[ActiveAlarm] = []
        for alarm in self.active:
            still = alarm.name in holding
            if not still and alarm.acknowledged:
                events.append(AlarmCleared(alarm=alarm.name))
                continue
            kept.append(
                alarm
                if alarm.condition == still
                else ActiveAlarm(alarm.name, alarm.since_ms, still, alarm.acknowledged, alarm.detail)
            )
        known = {alarm.name for alarm in self.active}
        for name, detail in holding.items():
            if name not in known:
                raised = ActiveAlarm(name, now_ms, condition=True, acknowledged=False, detail=detail)
                kept.append(raised)
                events.append(
                    AlarmRaised(
                        alarm=name, priority=raised.kind.priority, kind=raised.kind.kind, sentence=raised.sentence
                    )
                )
        return AlarmBook(tuple(kept)), tuple(events)

    def acknowledge(self, name: str, by: str) -> tuple["AlarmBook", tuple[Event, ...]]:
        """The book after a person acknowledged an alarm; unchanged when it is not raised or was acknowledged."""
        if not any(alarm.name == name and not alarm.acknowledged for alarm in self.active):
            return self, ()
        kept = tuple(
            ActiveAlarm(a.name, a.since_ms, a.condition, acknowledged=True, detail=a.detail) if a.name == name else a
            for a in self.active
        )
        return AlarmBook(kept), (AlarmAcknowledged(alarm=name, by=by),)
