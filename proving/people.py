"""What people ask of the machine, and how it answers: refused, limited aloud or followed, never changed in silence.

One half of the watch: it hears every step, keeps its own record of what was asked and granted, and judges the answers.
"""

from collections import deque
from collections.abc import Callable
from typing import ClassVar, NoReturn

from controller.events import SessionClosed, SetpointChanged
from controller.inputs import (
    Acknowledge,
    Approved,
    ArmAsked,
    Close,
    Confirm,
    DeclareZone,
    ExchangeCartridge,
    FaultsCleared,
    Input,
    JournalState,
    LeaseGranted,
    LinkDown,
    LinkUp,
    Pause,
    Prepare,
    Seated,
    SetDepth,
    SetRate,
    Start,
    StatusSeen,
    Stop,
    Tick,
)
from controller.plan import ResolvedPlan
from controller.state import MachineState, Phase, Send, SendStop, Step
from firmware_bridge.wire.messages import Capability
from proving.oracle import Calibrated, Oracle
from proving.rig import TICK_MS, Rig
from proving.violations import Violation
from simulators.pen import SimulatedPen
from simulators.personality import day_number

PAUSED = "a person paused it"


class People:
    """What was asked and granted in one story. Times are the rig's ms; depths in µm, rates in mHz.

    ``told_um`` and ``told_mhz`` are what the record says is commanded. ``off_since_ms`` is since when somebody wants
    the motor off, ``start_acts`` how often somebody wanted it on and it was not yet. ``must_clear`` says what a person
    has to clear before the pen may be armed again; ``bounds_um`` are the limits of the last moments, with their times.
    """

    def __init__(self, pen: SimulatedPen, plan: ResolvedPlan, calibrated: Calibrated) -> None:
        self.pen = pen
        self.plan = plan
        self.oracle = Oracle(plan, pen.model, calibrated)
        self.sets_depth = bool(pen.model.capabilities & Capability.DEPTH_SET)
        self.dead_man_ms = pen.model.dead_man_ms
        self.retract_ms = pen.model.retract_ms
        self.now_ms = 0
        self.session: str | None = None
        self.zone = plan.first_zone
        self.overridden_um = 0
        self.approved_um: dict[str, int] = {}
        self.touched_since_ms = 0
        self.wanted_on_ms = 0  # when somebody last wanted the motor on
        self.open_points: set[str] = set()
        self.told_um = self.told_mhz = 0
        self.told_at_ms = 0
        self.today_at_arming = 0  # days since 1970 by the computer's clock; 0 before the first arming
        self.start_acts = 0
        self.off_since_ms: int | None = None  # a person, the seat or the record wants the motor off
        self.off_why = ""
        self.stopped_at_ms: int | None = None
        self.ended_at_ms: int | None = None
        self.pressed_at_ms = -(10**9)
        self.journal_problem = ""
        self.seated: str | None = None
        self.asked_to_end = True
        self.must_clear = ""
        self.must_clear_since_ms = 0
        self.acknowledged: set[str] = set()
        self.session_turns = 0.0
        self.link_wanted_since_ms = 0
        self.bounds_um: deque[tuple[int, float]] = deque([(-(10**9), 0.0)])
        self.decisions: list[Send | None] = []

    def fail(self, number: int, name: str, sentence: str) -> NoReturn:
        """Raises the violation."""
        raise Violation(number, name, sentence, self.now_ms)

    @staticmethod
    def alarmed(rig: Rig) -> bool:
        """A HIGH alarm is active."""
        return any(alarm.kind.priority == "HIGH" for alarm in rig.state.alarms.active)

    def _limits_changed(self) -> None:
        needle_um = self.pen.cartridge.needle_length_um if self.pen.cartridge else 10**6
        rate_mhz = self.told_mhz if self.sets_depth else self.pen.model.rate_max_mhz
        bound = self.oracle.true_um(
            self.zone,
            overridden_um=self.overridden_um,
            approved_um=self.approved_um.get(self.zone, 0),
            rate_mhz=rate_mhz,
            needle_um=needle_um,
        )
        self.bounds_um.append((self.now_ms, bound))

    # Every step of the machine ---------------------------------------------------------------------------------------

    def took(self, rig: Rig, before: MachineState, given: Input, made: Step) -> None:
        """The machine made a step."""
        self.decisions.append(made.send)
        state = made.state
        kind = given.__class__
        if before.alarms is not state.alarms:
            if isinstance(given, Acknowledge) and before.alarms.is_active(given.alarm):
                self.acknowledged.add(given.alarm)
            self._alarms_changed(before, state, cleared=kind is FaultsCleared and made.refusal is None)
        if state.session is None and self.session is not None:
            self.now_ms = rig.now_ms
            self._session_ended(made)
        if kind is StatusSeen:
            return
        if kind is Tick:
            self._ticked(rig, state)
            return
        self.now_ms = rig.now_ms
        noted = self._NOTED.get(kind)
        if noted is not None:
            noted(self, rig, before, given, made)
        if made.refusal is not None and not (made.refusal.sentence and made.refusal.because):
            self.fail(6, "a refusal gives its reason", f"{kind.__name__} was refused without one")

    def _alarms_changed(self, before: MachineState, state: MachineState, *, cleared: bool) -> None:
        now_active = {alarm.name for alarm in state.alarms.active}
        for alarm in before.alarms.active:
            if alarm.name not in now_active:
                by_person = cleared or alarm.acknowledged or alarm.name in self.acknowledged
                if alarm.kind.priority == "HIGH" and not by_person:
                    self.fail(3, "a HIGH alarm latches", f"{alarm.name} went by itself, nobody acknowledged it")
                self.acknowledged.discard(alarm.name)

    def _ticked(self, rig: Rig, state: MachineState) -> None:
        stopping = state.stopping
        if stopping is None or state.pen is None:
            return
        late_ms = rig.now_ms - stopping.since_ms
        if late_ms > self.dead_man_ms + 2 * TICK_MS and not state.alarms.is_active("stop_not_confirmed"):
            self.now_ms = rig.now_ms
            self.fail(4, "STOP is confirmed or told", f"not confirmed for {late_ms} ms, and nobody is told")

    def _session_ended(self, made: Step) -> None:
        """A record that tells of more strokes than were made counts a dose twice."""
        closed = next((event for event in made.events if isinstance(event, SessionClosed)), None)
        if closed is None:
            self.fail(7, "a session is closed in the record", "the session is gone and no closing event says so")
            return
        told = sum(dose.strokes for dose in closed.doses)
        true = self.pen.plant.turns - self.session_turns
        if told > true + 1:
            self.fail(7, "the record tells the dose", f"it tells {told} strokes, the pen made {true:.0f}")
        self.session = None
        self._off("the session is closed")

    def _off(self, why: str) -> None:
        if self.off_since_ms is None:
            self.off_since_ms, self.off_why = self.now_ms, why

    def _to_be_cleared(self, what: str) -> None:
        if not self.must_clear:
            self.must_clear = f"at {self.now_ms / 1000:.3f} s {what}"
            self.must_clear_since_ms = self.now_ms

    # Acts of people, each as it was answered

    def _prepare(self, _rig: Rig, _before: MachineState, given: Prepare, made: Step) -> None:
        if made.refusal is not None:
            return
        self.session = given.session
        self.zone, self.overridden_um, self.approved_um = given.plan.first_zone, 0, {}
        self.open_points = set(given.plan.missing)
        self.session_turns = self.pen.plant.turns
        self.told_um = self.told_mhz = 0
        self._limits_changed()

    def _confirm(self, _rig: Rig, _before: MachineState, given: Confirm, made: Step) -> None:
        if made.refusal is None:
            self.open_points -= set(given.items)

    def _arm_asked(self, rig: Rig, _before: MachineState, _given: ArmAsked, made: Step) -> None:
        if made.refusal is not None:
            return
        self.today_at_arming = day_number(rig.today)
        if self.must_clear:
            self.fail(3, "a person clears, then arms", f"arming was begun and {self.must_clear}: nobody cleared it")

    def _lease_granted(self, _rig: Rig, before: MachineState, _given: LeaseGranted, made: Step) -> None:
        if made.state.lease and not before.lease:
            self.asked_to_end = False
            self.overridden_um = 0  # a reason is given under a lease, not for the day
            self.told_um = self.told_mhz = 0
            self.told_at_ms = self.now_ms
            self._off("nobody has started it")
            self._limits_changed()

    def _start(self, rig: Rig, _before: MachineState, _given: Start, made: Step) -> None:
        if made.refusal is None:
            self.start_acts += 1
            self.off_since_ms = None
            self.wanted_on_ms = self.now_ms
            if rig.state.alarms.active and self.alarmed(rig):
                self.fail(3, "no start under an alarm", "the treatment was started and a HIGH alarm is active")

    def _exchange(self, _rig: Rig, _before: MachineState, _given: ExchangeCartridge, made: Step) -> None:
        if made.refusal is None:
            self._off("the cartridge is exchanged")
            self._end_asked()

    def _approved(self, _rig: Rig, before: MachineState, given: Approved, made: Step) -> None:
        if made.refusal is not None:
            return
        if before.phase is Phase.TREATING:
            self.fail(6, "no wider limits under a motor", "an approval took effect while treating")
        self.approved_um.update(dict.fromkeys(given.zones, given.depth_max_um))
        if before.lease:
            self._off("limits were approved anew")
            self._end_asked()

    def _pause(self, _rig: Rig, _before: MachineState, _given: Pause, made: Step) -> None:
        if made.refusal is None:
            self._off(PAUSED)

    def _stop(self, rig: Rig, before: MachineState, _given: Stop, made: Step) -> None:
        if made.refusal is not None or not isinstance(made.send, SendStop):
            self.fail(4, "STOP is followed in every state", f"in the phase {before.phase} it was not sent")
        self._off("a person pressed STOP")
        self.start_acts = 0
        self._end_asked()

    def _close(self, _rig: Rig, _before: MachineState, _given: Close, made: Step) -> None:
        if made.refusal is None:
            self._off("the session is being closed")
            self._end_asked()

    def _end_asked(self) -> None:
        self.asked_to_end = True
        if not self.pen.firmware.faults:
            self.must_clear = ""  # who stops what has just ended without a fault ends it in good order
        if self.pen.firmware.lease and self.ended_at_ms is None:
            self.ended_at_ms = self.now_ms
        if self.pen.plant.driven and self.stopped_at_ms is None:
            self.stopped_at_ms = self.now_ms

    def _set_depth(self, _rig: Rig, before: MachineState, given: SetDepth, made: Step) -> None:
        if made.refusal is not None:
            if made.state.depth_commanded_um != before.depth_commanded_um:
                self.fail(6, "refused is unchanged", f"{given.depth_um} µm were refused and the depth changed")
            return
        zone = self.plan.zones.get(self.zone)
        if given.override and zone is not None and given.depth_um > zone.soft_um:
            self.overridden_um = given.depth_um
        self._told(given.depth_um, None, made)
        limit_um = self._limit_um(self.told_mhz)
        if given.depth_um > limit_um:
            self.fail(6, "refused or limited aloud", f"{given.depth_um} µm were taken, the limit is {limit_um} µm")

    def _set_rate(self, _rig: Rig, before: MachineState, given: SetRate, made: Step) -> None:
        if made.refusal is not None:
            if made.state.rate_commanded_mhz != before.rate_commanded_mhz:
                self.fail(6, "refused is unchanged", f"{given.rate_mhz} mHz were refused and the rate changed")
            return
        self._told(None, given.rate_mhz, made)
        limit_mhz = self.oracle.rate_mhz(self.zone, depth_um=self.told_um)
        if given.rate_mhz > limit_mhz:
            self.fail(6, "refused or limited aloud", f"{given.rate_mhz} mHz were taken, the limit is {limit_mhz} mHz")

    def _limit_um(self, rate_mhz: int) -> int:
        needle_um = self.pen.cartridge.needle_length_um if self.pen.cartridge else 10**6
        return self.oracle.depth_um(
            self.zone,
            overridden_um=self.overridden_um,
            approved_um=self.approved_um.get(self.zone, 0),
            rate_mhz=rate_mhz,
            needle_um=needle_um,
        )

    def _told(self, asked_um: int | None, asked_mhz: int | None, made: Step) -> None:
        """What the record says is commanded now; it is what was asked, or says why not."""
        changed = next((event for event in made.events if isinstance(event, SetpointChanged)), None)
        if changed is None:
            self.fail(6, "a change is told", "a setting was taken and no event tells it")
            return
        self.told_um, self.told_mhz = changed.depth_commanded_um, changed.rate_commanded_mhz
        self.told_at_ms = self.now_ms
        other = (asked_um is not None and asked_um != self.told_um) or (
            asked_mhz is not None and asked_mhz != self.told_mhz
        )
        if other and not changed.note:
            self.fail(
                6, "no silent change",
                f"asked {asked_um if asked_um is not None else asked_mhz}, set {self.told_um} µm and {self.told_mhz} "
                "mHz, and no note says why",
            )  # fmt: skip
        self._limits_changed()

    def _declare_zone(self, _rig: Rig, before: MachineState, given: DeclareZone, made: Step) -> None:
        if made.refusal is not None or given.zone == self.zone:
            return
        old_um = self._limit_um(self.told_mhz)
        self.zone, self.overridden_um = given.zone, 0
        new_um = self._limit_um(0)
        if before.phase is Phase.TREATING and self.pen.plant.driven and self.sets_depth and new_um > old_um:
            self.fail(
                6, "a deeper zone needs a pause",
                f"{given.zone} allows {new_um} µm, the zone before {old_um} µm, and it was taken while treating",
            )  # fmt: skip
        if before.lease:
            self._told(None, None, made)
        else:
            self._limits_changed()

    def _cleared(self, _rig: Rig, _before: MachineState, _given: FaultsCleared, made: Step) -> None:
        if made.refusal is None:
            self.must_clear = ""

    def _journal(self, _rig: Rig, _before: MachineState, given: JournalState, _made: Step) -> None:
        self.journal_problem = given.problem
        if given.problem:
            self._off("the record does not accept")
            if self.pen.plant.driven and self.stopped_at_ms is None:
                self.stopped_at_ms = self.now_ms

    def _seated(self, _rig: Rig, _before: MachineState, given: Seated, _made: Step) -> None:
        self.seated = given.operator
        if self.session is not None and given.operator != self.plan.operator:
            self._off("the seat is not the operator's")

    def _link_down(self, _rig: Rig, before: MachineState, _given: LinkDown, _made: Step) -> None:
        if before.lease and self.pen.firmware.lease:
            self._off("the link is lost")
            self._to_be_cleared("the link was lost while armed")

    def _link_up(self, _rig: Rig, _before: MachineState, _given: LinkUp, _made: Step) -> None:
        self.link_wanted_since_ms = self.now_ms

    _NOTED: ClassVar[dict[type, Callable[..., None]]] = {
        Prepare: _prepare, Confirm: _confirm, ArmAsked: _arm_asked, LeaseGranted: _lease_granted, Start: _start,
        ExchangeCartridge: _exchange, Approved: _approved, Pause: _pause, Stop: _stop, Close: _close,
        SetDepth: _set_depth, SetRate: _set_rate, DeclareZone: _declare_zone,
        FaultsCleared: _cleared, JournalState: _journal, Seated: _seated,
        LinkDown: _link_down, LinkUp: _link_up,
    }  # fmt: skip

    def pressed(self) -> None:
        """Somebody presses the pen's button or the pedal: off when it runs, perhaps on when it does not."""
        self.pressed_at_ms = self.wanted_on_ms = self.now_ms
        self.off_since_ms = None
        self.start_acts += not self.pen.plant.driven
