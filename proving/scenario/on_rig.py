"""Plays a scenario on a rig: the real core and codec with a simulated pen, stepped directly, far faster than life."""

from bisect import insort
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from controller.dose import treated_ms
from controller.errors import ControlRefused
from controller.events import SessionClosed
from controller.inputs import (
    Acknowledge as AcknowledgeInput,
)
from controller.inputs import (
    Approved,
    Attest,
    ClockJumped,
    DeclareZone,
    ExchangeCartridge,
    FaultsCleared,
    JournalState,
    Pause,
    PauseAudio,
    Prepare,
    Seated,
    SetDepth,
    SetRate,
    Start,
    Stop,
)
from controller.inputs import (
    Close as CloseInput,
)
from controller.inputs import (
    Confirm as ConfirmInput,
)
from controller.plan import ResolvedPlan
from controller.transitions import fault_names
from controller.view import seen_live
from proving.invariants import Watch
from proving.oracle import Calibrated
from proving.plans import TODAY
from proving.rig import Rig
from proving.scenario.conditions import Seen
from proving.scenario.course import Answer, Look, Refusal, Take, Until, Wanted
from proving.scenario.hands import Hands, left_out, mended, pen_of
from proving.scenario.model import (
    Acknowledge,
    Act,
    Approve,
    Ask,
    Close,
    Confirm,
    FaultStep,
    Hand,
    Mend,
    Move,
    PutOn,
    Scenario,
    Set,
    Silence,
    StopAsked,
    TakeSeat,
    Zone,
)
from proving.scenario.plan import resolved
from simulators.faults.catalogue import fault_named
from simulators.faults.injector import Injector
from simulators.faults.parts import LinePart, LineTrouble, Parts

POLL_MS = 10
SUPERVISE_MS = 250
SILENT_MS = 1000
"""A link that says nothing for so long is given up, and another is tried: as the supervisor of links does."""

MS_PER_DAY = 86_400_000


@dataclass(slots=True)
class _Host:
    """The computer of a rig."""

    rig: Rig

    def stall(self, stalled: bool) -> None:
        """The control loop does nothing."""
        self.rig.host_stalled = stalled

    def step_clock(self, days: int) -> None:
        """The clock on the wall jumps."""
        self.rig.today += timedelta(days=days)
        self.rig.give(ClockJumped(by_ms=days * MS_PER_DAY))

    def refuse_journal(self, problem: str) -> None:
        """The record does not accept."""
        self.rig.give(JournalState(problem=problem))

    def today_ordinal(self) -> int:
        """The day by this computer's clock."""
        return self.rig.today.toordinal()


@dataclass(slots=True)
class _Plug:
    """The cable of a rig."""

    rig: Rig
    lines: LinePart
    out: bool = False

    def unplug(self) -> None:
        """The cable is out, and the host is told."""
        if not self.out:
            self.out = True
            self.lines.put("plug", LineTrouble(to_pen=True, to_host=True, dropping=True))
            if not self.rig.host_stalled and self.rig.state.pen is not None:
                self.rig.disconnect("unplugged")

    def plug(self) -> None:
        """The cable is in again."""
        self.out = False
        self.lines.take("plug")


@dataclass(slots=True)
class RigStage:
    """A rig with a scenario's pen on it, its hands, its faults, and the watch over the invariants."""

    scenario: Scenario
    rig: Rig = field(init=False)
    watch: Watch | None = field(init=False, default=None)
    _plan: ResolvedPlan | ControlRefused = field(init=False)
    _hands: Hands = field(init=False)
    _plug: _Plug = field(init=False)
    _faults: Injector = field(init=False)
    _agenda: list[tuple[int, int, Callable[[], None]]] = field(init=False, default_factory=list)
    _planned: int = field(init=False, default=0)
    _mark: int = field(init=False, default=0)
    _busy: bool = field(init=False, default=False)
    _sessions: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        scenario = self.scenario
        random = Random(f"scenario {scenario.name}/{scenario.seed}")
        pen = pen_of(scenario.setting, random=random, today=TODAY)
        self._plan = resolved(scenario.setting, today=TODAY)
        told = scenario.setting.calibration
        if scenario.watched and isinstance(self._plan, ResolvedPlan):
            calibrated = Calibrated(told.gain_ppm, told.offset_um, told.uncertainty_um, told.error_um)
            self.watch = Watch(pen, self._plan, calibrated)
        self.rig = rig = Rig(pen, random=random, today=TODAY, observer=self.watch)
        lines = LinePart(lambda: rig.now_ms)
        lines.join(rig.line)
        self._plug = _Plug(rig, lines)
        parts = Parts(pen, lines=lines, plug=self._plug, host=_Host(rig))
        self._faults = Injector(parts, seed=scenario.seed)
        self._hands = Hands(pen)
        self._later(SUPERVISE_MS, self._supervise)

    @property
    def left_out(self) -> str:
        """Why the scenario cannot be played on a rig, "" when it can."""
        return left_out(self.scenario, self._faults)

    # What a course asks -----------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Connects to the pen, if it answers, and takes the seat."""
        self._connect()
        self.rig.give(Seated(operator=self.scenario.setting.operator))

    def end(self) -> None:
        """The story is over: what was decided is decided once more from the same inputs. Raises Violation."""
        if self.watch is not None:
            self.watch.replayed(self.rig)

    def answer(self, wanted: Wanted) -> Answer:
        """Does what a course wants."""
        match wanted:
            case Until(at_ms=at_ms):
                self.rig.advance(max(at_ms - self.rig.now_ms, 0))
                return None
            case Look():
                return self.seen()
            case Take(step=step):
                self._mark = len(self.rig.events)
                return self._take(step)

    def seen(self) -> Seen:
        """What is so now."""
        rig, state, pen = self.rig, self.rig.state, self.rig.pen
        shown, plant = seen_live(state, rig.now_ms), pen.plant
        limit = state.depth_limit
        closed = next((event for event in reversed(rig.events) if isinstance(event, SessionClosed)), None)
        faults = fault_names(pen.firmware.faults)
        return Seen(
            now_ms=rig.now_ms,
            phase=str(state.phase),
            link_up=state.pen is not None,
            session_open=state.session is not None,
            outcome=closed.outcome if closed is not None else None,
            zone=state.zone,
            alarms=tuple(alarm.name for alarm in state.alarms.active),
            pen_faults=tuple(faults.split(", ")) if faults else (),
            motor_driven=plant.driven,
            needles_out=plant.needles_home,
            depth_commanded_um=state.depth_commanded_um,
            depth_measured_um=shown.depth_measured_um if shown is not None else None,
            depth_true_um=round(plant.protrusion_um),
            rate_commanded_mhz=state.rate_commanded_mhz,
            rate_measured_mhz=shown.rate_measured_mhz if shown is not None else None,
            rate_true_mhz=round(plant.rate_hz * 1000),
            depth_limit_um=limit.effective if limit is not None else None,
            limited_by=limit.limited_by if limit is not None else "",
            treated_ms=treated_ms(state.doses, state.zone),
            strokes=shown.strokes if shown is not None else None,
            events=tuple(rig.events[self._mark :]),
        )

    def _take(self, step: object) -> Refusal | None:
        match step:
            case Act():
                try:
                    self._act(step)
                except ControlRefused as refused:
                    return Refusal(refused.because, refused.sentence)
            case Hand() | PutOn() | Move():
                return self._hand(step)
            case FaultStep():
                self._fault(step)
            case Mend():
                self._disturb()
                return mended(self._faults, step.mend)
            case _:
                raise TypeError(f"nobody knows how to do {step!r}")
        return None

    # What a person asks -----------------------------------------------------------------------------------------------

    def _act(self, step: Act) -> None:  # noqa: PLR0912 - one line an action
        rig, operator = self.rig, self.scenario.setting.operator
        match step:
            case Ask():
                self._ask(step)
            case Confirm():
                plan = rig.state.plan
                rig.command(
                    ConfirmInput(items=step.points or (plan.missing if plan is not None else ()), source="page")
                )
            case StopAsked():
                rig.command(Stop(source=step.source))
            case Set():
                if step.rate_mhz is not None:
                    rig.command(SetRate(rate_mhz=step.rate_mhz))
                if step.depth_um is not None:
                    rig.command(SetDepth(depth_um=step.depth_um, override=step.reason or ""))
            case Zone():
                rig.command(DeclareZone(zone=step.zone))
                self._hands.go_to(step.zone)
            case Acknowledge():
                names = [alarm.name for alarm in rig.state.alarms.active] if step.alarm == "all" else [step.alarm]
                for name in names:
                    rig.command(AcknowledgeInput(alarm=name, by=operator))
            case Close():
                rig.command(CloseInput(outcome=step.outcome, reason=step.reason))
            case TakeSeat():
                rig.give(Seated(operator=step.operator or operator))
            case Approve():
                rig.command(Approved(approval="a-scenario", by=step.by, zones=(step.zone,), depth_max_um=step.depth_um))
            case Silence():
                rig.command(PauseAudio(by=operator, for_ms=step.for_ms))
            case _:
                raise TypeError(f"nobody knows how to ask for {step!r}")

    def _ask(self, step: Ask) -> None:
        rig, operator = self.rig, self.scenario.setting.operator
        match step.do:
            case "prepare":
                self._prepare()
            case "arm":
                self._at_length(rig.arm)
            case "start":
                rig.command(Start(source="page"))
            case "pause":
                rig.command(Pause(source="page"))
            case "clear":
                self._at_length(rig.clear_pen_faults)
                rig.command(FaultsCleared(by=operator, faults=()))
            case "leave-seat":
                rig.give(Seated(operator=""))
            case "exchange-cartridge":
                rig.command(ExchangeCartridge(source="page"))
            case "attest":
                rig.command(Attest(source="page"))

    def _prepare(self) -> None:
        if isinstance(self._plan, ControlRefused):
            raise self._plan
        rig, state = self.rig, self.rig.state
        self._sessions += 1
        rig.command(
            Prepare(
                session=f"scenario-{self._sessions}",
                plan=self._plan,
                standing=state.standing,
                raised=state.alarms.unseen,
            )
        )
        with suppress(ControlRefused):  # what was not read stays open; arming reads again, and says why not
            self._at_length(rig.examine)

    def _at_length(self, do: Callable[[], None]) -> None:
        """Something that takes its time, with nothing of the kind beside it."""
        self._busy = True
        try:
            do()
        finally:
            self._busy = False

    # What else happens ------------------------------------------------------------------------------------------------

    def _hand(self, step: Hand | PutOn | Move) -> Refusal | None:
        pen, watch = self.rig.pen, self.watch
        if watch is not None and isinstance(step, Hand) and step.hand.startswith("press") and not pen.booting:
            watch.now_ms = self.rig.now_ms
            watch.pressed()
        refused = self._hands.do(step)
        if watch is not None and isinstance(step, PutOn) and step.cartridge == "used" and pen.cartridge is not None:
            watch.used_in.setdefault(pen.cartridge.tag, "another treatment")
        return refused

    def _fault(self, step: FaultStep) -> None:
        begins_ms = self.rig.now_ms + step.in_ms
        if step.in_ms:
            self._later(begins_ms, lambda: self._inject(step))
        else:
            self._inject(step)
        if step.for_ms is not None:
            self._later(begins_ms + step.for_ms, lambda: self._clear(step.fault))

    def _inject(self, step: FaultStep) -> None:
        self._disturb()
        self._faults.inject(step.fault, **fault_named(step.fault).checked(step.parameters))

    def _clear(self, name: str) -> None:
        self._disturb()
        self._faults.clear(name)

    def _disturb(self) -> None:
        if self.watch is not None:
            self.watch.disturb(self.rig.now_ms)

    def _later(self, at_ms: int, do: Callable[[], None]) -> None:
        """At that time, whatever is under way then."""
        self._planned += 1
        number = self._planned

        def now() -> None:
            self._agenda[:] = [entry for entry in self._agenda if entry[1] != number]
            do()

        insort(self._agenda, (at_ms, number, now))
        self.rig.plan([(when_ms, act) for when_ms, _number, act in self._agenda])

    # The host's own ---------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        with suppress(ControlRefused):
            self._at_length(self.rig.connect)

    def _supervise(self) -> None:
        rig = self.rig
        self._later(rig.now_ms + SUPERVISE_MS, self._supervise)
        if rig.host_stalled or self._busy:
            return
        if rig.state.pen is not None:
            if rig.now_ms - rig.heard_ms > SILENT_MS:
                rig.disconnect("the pen says nothing")
        elif not self._plug.out:
            self._connect()
