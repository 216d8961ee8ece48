"""Pure: alarms raised, latched, acknowledged, silenced for a while, reset and remembered. Uses the vocabulary of
IEC 60601-1-8.

A latching alarm stays until a person acknowledged it *and* its condition is gone; another goes with its condition.
What alarms there are is data: :mod:`controller.alarm_table`.
"""

from dataclasses import dataclass, replace

from controller.alarm_table import ALARMS, AlarmKind
from controller.events import (
    AlarmAcknowledged,
    AlarmCleared,
    AlarmRaised,
    AudioPaused,
    AudioPauseEnded,
    Event,
)

HISTORY_MAX = 50
"""Cleared alarms kept in memory: more than a session that goes on should ever see. The record keeps all."""

AUDIO_PAUSE_MAX_MS = 120_000
"""The longest an alarm may be kept quiet by one request; two minutes are common for devices at a bedside."""

_RANK = {"HIGH": 0, "MEDIUM": 1, "LOW": 2}


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
        said = f"{self.kind.sentence} {self.kind.do}"
        return f"{said} ({self.detail})" if self.detail else said


@dataclass(frozen=True, slots=True)
class ClearedAlarm:
    """An alarm that was: from when to when, in the station's monotonic ms, and whether a person acknowledged it."""

    name: str
    since_ms: int
    cleared_ms: int
    acknowledged: bool
    detail: str


@dataclass(frozen=True, slots=True)
class AlarmBook:
    """The alarms raised now, oldest first; those whose condition delay runs; the latest that were cleared."""

    active: tuple[ActiveAlarm, ...] = ()
    pending: tuple[tuple[str, int], ...] = ()  # alarm → since when its condition holds
    history: tuple[ClearedAlarm, ...] = ()
    audio_paused_until_ms: int = 0

    @property
    def blocking(self) -> tuple[ActiveAlarm, ...]:
        """The alarms that stand in the way of a start: HIGH ones, acknowledged or not."""
        return tuple(alarm for alarm in self.active if alarm.kind.priority == "HIGH")

    @property
    def unseen(self) -> tuple[tuple[str, int, str], ...]:
        """The alarms that wait for a person, as (name, since when in monotonic ms, detail)."""
        return tuple(
            (alarm.name, alarm.since_ms, alarm.detail)
            for alarm in self.active
            if alarm.kind.latching and not alarm.acknowledged
        )

    def is_active(self, name: str) -> bool:
        """Whether this alarm is raised."""
        return any(alarm.name == name for alarm in self.active)

    def audio_paused(self, now_ms: int) -> bool:
        """Whether alarms are to be silent now; shown they are all the same."""
        return now_ms < self.audio_paused_until_ms

    def sounding(self, now_ms: int) -> ActiveAlarm | None:
        """The alarm to be heard now: of those not acknowledged, whose signal delay is over, the most urgent."""
        if not self.active or self.audio_paused(now_ms):
            return None
        heard = [
            alarm
            for alarm in self.active
            if not alarm.acknowledged and now_ms - alarm.since_ms >= alarm.kind.signal_delay_ms
        ]
        return min(heard, key=lambda alarm: _RANK[alarm.kind.priority], default=None)

    def observe(self, holding: dict[str, str], now_ms: int) -> tuple["AlarmBook", tuple[Event, ...]]:
        """The book after looking at the conditions that hold now (alarm name → detail), and what to journal.

        It is the same book when nothing came of it.
        """
        if not self.active and not holding and not self.pending:
            return self, ()
        events: list[Event] = []
        kept, history = self._kept(holding, now_ms, events)
        known = {alarm.name for alarm in self.active}
        waiting_since = dict(self.pending)
        pending: list[tuple[str, int]] = []
        audio_paused_until_ms = self.audio_paused_until_ms
        for name, detail in holding.items():
            if name in known:
                continue
            kind, since_ms = ALARMS[name], waiting_since.get(name, now_ms)
            if now_ms - since_ms < kind.delay_ms:
                pending.append((name, since_ms))
                continue
            raised = ActiveAlarm(name, now_ms, condition=True, acknowledged=False, detail=detail)
            kept.append(raised)
            events.append(AlarmRaised(alarm=name, priority=kind.priority, kind=kind.kind, sentence=raised.sentence))
            if kind.priority == "HIGH" and now_ms < audio_paused_until_ms:
                audio_paused_until_ms = 0
                events.append(AudioPauseEnded(alarm=name))
        made = AlarmBook(tuple(kept), tuple(pending), history, audio_paused_until_ms)
        return (self if made == self else made), tuple(events)

    def _kept(
        self, holding: dict[str, str], now_ms: int, events: list[Event]
    ) -> tuple[list[ActiveAlarm], tuple[ClearedAlarm, ...]]:
        kept: list[ActiveAlarm] = []
        history = self.history
        for alarm in self.active:
            still = alarm.name in holding
            if not still and (alarm.acknowledged or not alarm.kind.latching):
                events.append(AlarmCleared(alarm=alarm.name))
                cleared = ClearedAlarm(alarm.name, alarm.since_ms, now_ms, alarm.acknowledged, alarm.detail)
                history = (*history, cleared)[-HISTORY_MAX:]
                continue
            kept.append(alarm if alarm.condition == still else replace(alarm, condition=still))
        return kept, history

    def acknowledge(self, name: str, by: str) -> tuple["AlarmBook", tuple[Event, ...]]:
        """The book after a person acknowledged an alarm; unchanged when it is not raised or was acknowledged."""
        if not any(alarm.name == name and not alarm.acknowledged for alarm in self.active):
            return self, ()
        kept = tuple(replace(a, acknowledged=True) if a.name == name else a for a in self.active)
        return replace(self, active=kept), (AlarmAcknowledged(alarm=name, by=by),)

    def reset(self, by: str) -> tuple["AlarmBook", tuple[Event, ...]]:
        """The book after a person reset it: everything is acknowledged, and what no longer holds goes with the next
        look. What holds stays raised, and a condition that comes back is raised anew."""
        book, events = self, list[Event]()
        for alarm in self.active:
            book, acknowledged = book.acknowledge(alarm.name, by)
            events.extend(acknowledged)
        return book, tuple(events)

    def pause_audio(self, by: str, now_ms: int, for_ms: int) -> tuple["AlarmBook", tuple[Event, ...]]:
        """The book with alarms silent for ``for_ms`` ms, at most :data:`AUDIO_PAUSE_MAX_MS`; a new HIGH ends it."""
        for_ms = max(0, min(for_ms, AUDIO_PAUSE_MAX_MS))
        return replace(self, audio_paused_until_ms=now_ms + for_ms), (AudioPaused(by=by, for_ms=for_ms),)
