"""A whole treatment at virtual time, and the journal entries it leaves: a record to read, draw and measure with.

The real core and codec with a simulated pen, as in the campaign; what the machine took and decided becomes entries with
times and hashes, as a station's journal has them.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from random import Random
from typing import Final

from controller.errors import ControlRefused
from controller.events import Event, SessionClosed, SessionOpened, SessionSigned
from controller.inputs import (
    Acknowledge,
    Close,
    DeclareZone,
    FaultsCleared,
    Input,
    Pause,
    PauseAudio,
    Prepare,
    SetDepth,
    SetRate,
    Start,
    Stop,
)
from controller.library import load_library
from controller.operators import load_operators
from controller.plan import ResolvedPlan, SessionPlan, resolve_plan
from controller.profiles import load_profiles
from controller.recording import InputRecorder
from controller.state import MachineState, Step
from controller.units import Micrometres, Millihertz
from firmware_bridge.wire.messages import Setpoint
from logger.journal.entry import GENESIS, Entry
from proving.plans import PROTOCOL, TODAY
from proving.rig import Rig
from simulators.pen import SimulatedPen
from simulators.personality import model_named

STATION: Final = "room-1"
OPERATOR: Final = "demo-physician"
ZONES: Final = ("forehead", "glabella", "nose", "periorbital", "cheek", "upper-lip", "perioral", "chin", "jaw", "neck")
PASSES: Final = 3
_US_PER_MS: Final = 1000


@dataclass(slots=True)
class Recorded:
    """Watches a rig and keeps entries: of its session from the moment it is opened, chained, one station's."""

    session: str
    began: datetime
    entries: list[Entry] = field(default_factory=list)
    _chunks: InputRecorder = field(default_factory=lambda: InputRecorder("rig://"))
    _open: bool = False

    def passed(self, rig: Rig) -> None:
        """Time has passed."""

    def sent(self, rig: Rig, setpoint: Setpoint) -> None:
        """A setpoint goes on the line."""

    def took(self, rig: Rig, before: MachineState, given: Input, made: Step) -> None:
        """The machine made a step."""
        self._open = self._open or any(isinstance(event, SessionOpened) for event in made.events)
        if not self._open:
            return
        chunk = self._chunks.add(given, rig.now_ms)
        if chunk is not None:
            self.keep(chunk, rig.now_ms)
        for event in made.events:
            if isinstance(event, SessionClosed):
                self._close(rig.now_ms)
            self.keep(event, rig.now_ms)

    def _close(self, now_ms: int) -> None:
        self._open = False
        chunk = self._chunks.take()
        if chunk is not None:
            self.keep(chunk, now_ms)

    def keep(self, event: Event, now_ms: int) -> None:
        """One more entry, at a time of the rig."""
        entry = Entry(
            station=STATION,
            sequence=len(self.entries) + 1,
            utc_us=round(self.began.timestamp() * 1e6) + now_ms * _US_PER_MS,
            monotonic_ms=now_ms,
            session=self.session,
            type=event.type,
            version=event.version,
            body=event.model_dump_json().encode(),
            previous=self.entries[-1].hash if self.entries else GENESIS,
            hash=b"",
        )
        self.entries.append(entry._replace(hash=entry.computed_hash()))


def treatment(
    minutes: int,
    *,
    session: str = "20260101T090000-0000beef",
    patient: str = "p-7f3a21",
    on: date = TODAY,
    zones: tuple[str, ...] = ZONES,
    eventful: bool = True,
    of_hard_percent: int = 40,
    seed: int = 1,
) -> list[Entry]:
    """The entries of a session that takes so many minutes: every zone in three passes, pauses between them.

    The first zone is treated for ``of_hard_percent`` of the most time it may have, each later one a little longer.
    ``eventful``: a limit refuses, a soft one is gone beyond, the line is cut for two seconds, the depth sensor drifts.
    Raises ControlRefused when the machine does not let the treatment go on.
    """
    recorded = Recorded(session, datetime(on.year, on.month, on.day, 9, tzinfo=UTC))
    pen = SimulatedPen(model_named("NW-1"), rng=Random(seed), today=on)
    rig = Rig(pen, random=Random(seed), today=on, observer=recorded)
    rig.connect()
    plan = _plan(patient, on, zones)
    rig.command(Prepare(session=session, plan=plan))
    rig.advance(4000)
    rig.arm()
    _Hand(rig, plan, minutes * 60_000, of_hard_percent, eventful=eventful).treat(zones)
    rig.command(Close(outcome="completed", reason="finished"))
    rig.until(lambda: rig.state.session is None, 2000)
    for by, role, meaning in (("demo-physician", "physician", "performed"), ("demo-reviewer", "physician", "reviewed")):
        rig.now_ms += 45_000
        last = recorded.entries[-1]
        signed = {"by": by, "role": role, "meaning": meaning, "covers_sequence": last.sequence}
        recorded.keep(SessionSigned.model_validate(signed | {"covers_hash": last.hash.hex()}), rig.now_ms)
    return recorded.entries


def _plan(patient: str, on: date, zones: tuple[str, ...]) -> ResolvedPlan:
    library = load_library()
    asked = SessionPlan(
        patient=patient,
        operator=OPERATOR,
        protocol=PROTOCOL,
        skin="thick",
        zone=zones[0],
        zones=zones,
        checklist=dict.fromkeys(library.checklist, True),
        answers=dict.fromkeys(library.questions, False),
        consent="form 1",
    )
    return resolve_plan(
        asked,
        model="NW-1",
        today=on,
        library=library,
        operators=load_operators(),
        profiles=load_profiles(),
        mode="demo",
    )


@dataclass(slots=True)
class _Hand:
    """The operator's: goes from zone to zone until the time is over."""

    rig: Rig
    plan: ResolvedPlan
    length_ms: int
    of_hard_percent: int
    eventful: bool

    def treat(self, zones: tuple[str, ...]) -> None:
        rig = self.rig
        each_ms = (self.length_ms - rig.now_ms) // len(zones)
        for index, zone in enumerate(zones):
            begin_ms = rig.now_ms
            if index:
                rig.command(DeclareZone(zone=zone))
            rig.pen.hold_on(zone)
            limits = self.plan.zones[zone]
            rig.command(SetRate(rate_mhz=Millihertz(min(100_000, limits.rate_max_mhz))))
            self._refused(index, limits.hard_um)
            rig.command(SetDepth(depth_um=Micrometres(self._depth_um(limits.soft_um))))
            most_ms = min(
                each_ms * 2 // 3, (limits.dwell_hard_ms or each_ms) * (self.of_hard_percent + 2 * index) // 100
            )
            on_ms = most_ms // PASSES
            for number in range(PASSES):
                rig.command(Start(source="operator"))
                self._pass(index, number, zone, on_ms)
                rig.command(Pause(source="operator"))
                rig.advance(max(1000, (begin_ms + each_ms * (number + 1) // PASSES) - rig.now_ms))

    def _depth_um(self, soft_um: int) -> int:
        limit = self.rig.state.depth_limit
        return min(soft_um, limit.effective if limit is not None else soft_um)

    def _refused(self, index: int, hard_um: int) -> None:
        if self.eventful and index % 3 == 0:
            with suppress(ControlRefused):
                self.rig.command(SetDepth(depth_um=Micrometres(hard_um + 250)))

    def _pass(self, index: int, number: int, zone: str, on_ms: int) -> None:
        rig = self.rig
        if not self.eventful or number != 1 or index not in {2, 4, 7}:
            rig.advance(on_ms)
            return
        rig.advance(on_ms // 2)
        if index == 4:
            reason = self.plan.override_reasons[0]
            limits = self.plan.zones[zone]
            with suppress(ControlRefused):
                rig.command(SetDepth(depth_um=Micrometres(limits.soft_um + 100), override=reason))
        else:
            self._mishap(index)
        rig.advance(on_ms - on_ms // 2)

    def _mishap(self, index: int) -> None:
        """The cable is out for two seconds, or the depth sensor drifts; somebody looks, clears and goes on."""
        rig = self.rig
        if index == 2:
            lanes = (rig.line.to_pen, rig.line.to_host)
            for lane in lanes:
                lane.dropping = True
            rig.advance(2500)
            for lane in lanes:
                lane.dropping = False
        else:
            rig.pen.faults.drift_depth_sensor(300.0)
            rig.advance(1500)
            rig.pen.faults.drift_depth_sensor(0.0)
            rig.give(PauseAudio(by=OPERATOR, for_ms=120_000))
        rig.advance(3000)
        rig.give(Stop(source="operator"))
        rig.advance(2000)
        for alarm in rig.state.alarms.active:
            rig.command(Acknowledge(alarm=alarm.name, by=OPERATOR))
        rig.clear_pen_faults()
        rig.command(FaultsCleared(by=OPERATOR, faults=()))
        rig.advance(1000)
        rig.arm()
        limits = self.plan.zones[rig.state.zone or ZONES[0]]
        rig.command(SetRate(rate_mhz=Millihertz(min(100_000, limits.rate_max_mhz))))
        rig.command(SetDepth(depth_um=Micrometres(self._depth_um(limits.soft_um))))
        rig.command(Start(source="operator"))
