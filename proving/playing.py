"""Plays a story: its actions, at their times, on a rig, under a watch."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from controller.errors import ControlRefused
from controller.inputs import Input, StatusSeen
from controller.state import MachineState, Phase, Step
from proving.breaking import Breaker
from proving.coverage import Coverage
from proving.invariants import Watch
from proving.operator import Operator
from proving.plans import TODAY, calibrated, kept_of, pen_of, plan_of
from proving.rig import Rig
from proving.stories import FAULTS, Action, Story
from proving.violations import Violation

SUPERVISE_MS = 250
SILENT_MS = 1000
"""A link that says nothing for so long is given up, and another is tried."""

AFTERWARDS_MS = 1500
"""After the last action everything is good again for so long, and what must come to an end does."""


@dataclass(slots=True)
class Played:
    """What came of a story."""

    story: Story
    violation: Violation | None
    coverage: Coverage
    phase: Phase


class Player:
    """Plays one story, once."""

    def __init__(self, story: Story) -> None:
        setting = story.setting
        random = Random(f"pen {story.seed}/{story.index}")
        self.story = story
        self.pen = pen_of(setting, random)
        self.plan = plan_of(setting.model, setting.operator, setting.skin, setting.zone, checked=setting.checked)
        self.watch = Watch(self.pen, self.plan, calibrated(setting))
        self.passed = self.watch.passed
        self.sent = self.watch.sent
        self.rig = Rig(self.pen, random=random, today=TODAY, observer=self)
        self.rig.kept = kept_of(setting)
        self.coverage = Coverage(stories=1)
        self.operator = Operator(self.rig, self.plan, self.watch)
        self.breaker = Breaker(self.rig)
        self._tries_at_ms = 0
        self._phase = self.rig.state.phase
        self._phase_since_ms = 0

    # Observer: time and setpoints are for the watch alone, steps are counted first

    def took(self, rig: Rig, before: MachineState, given: Input, made: Step) -> None:
        """The machine made a step."""
        if made.events or made.state.phase is not self._phase:
            self._note(rig, before, made)
        self.watch.took(rig, before, given, made)

    def _note(self, rig: Rig, before: MachineState, made: Step) -> None:
        """Counts what a step came to; alarms and refusals come with events."""
        state = made.state
        if state.phase is not self._phase:
            self.coverage.phases[self._phase] += rig.now_ms - self._phase_since_ms
            self._phase, self._phase_since_ms = state.phase, rig.now_ms
            self.coverage.phases[state.phase] += 1
        if made.refusal is not None:
            self.coverage.refusals[f"{made.refusal.asked}: {made.refusal.because}"] += 1
        if state.alarms is not before.alarms:
            had = {alarm.name for alarm in before.alarms.active}
            self.coverage.alarms.update(alarm.name for alarm in state.alarms.active if alarm.name not in had)

    # The story

    def play(self) -> Played:
        """Plays it to its end or to the first violation."""
        rig, story = self.rig, self.story
        agenda: list[tuple[int, Callable[[], None]]] = [
            (at_ms, self._supervise) for at_ms in range(SUPERVISE_MS, story.length_ms + AFTERWARDS_MS, SUPERVISE_MS)
        ]
        for action in story.actions:
            agenda.append((action.at_ms, self._doing(action)))
            if action.for_ms:
                agenda.append((action.at_ms + action.for_ms, self._undoing(action)))
        agenda.append((story.length_ms, self._end_all))
        agenda.sort(key=lambda entry: entry[0])
        violation = None
        try:
            rig.plan(agenda)
            self._connect()
            rig.advance(max(story.length_ms + AFTERWARDS_MS - rig.now_ms, 1))
            self.watch.replayed(rig)
        except Violation as found:
            violation = found
        except Exception as error:  # noqa: BLE001 - whatever the product raises is a finding, not the end of a campaign
            violation = Violation(0, "nothing is raised", f"{type(error).__name__}: {error}", rig.now_ms)
        self._count()
        return Played(story, violation, self.coverage, rig.state.phase)

    def _count(self) -> None:
        coverage, rig = self.coverage, self.rig
        coverage.phases[self._phase] += rig.now_ms - self._phase_since_ms
        coverage.simulated_ms = rig.now_ms
        coverage.motor_on_ms = self.watch.motor_on_ms
        coverage.setpoints = self.watch.setpoints
        coverage.leases = self.watch.leases
        coverage.statuses = sum(isinstance(given, StatusSeen) for given, _ in rig.inputs)

    def _doing(self, action: Action) -> Callable[[], None]:
        return lambda: self._do(action)

    def _undoing(self, action: Action) -> Callable[[], None]:
        return lambda: self._undo(action)

    def _do(self, action: Action) -> None:
        kind = action.do
        if kind in FAULTS:
            self.watch.disturb(self.rig.now_ms)
            do = getattr(self.breaker, kind)
            self.coverage.faults[kind] += 1
            self.coverage.faults_in_phase[kind, self.rig.state.phase] += 1
        elif self.rig.host_stalled and not kind.startswith(("button", "pedal", "cartridge", "hold")):
            return  # nobody listens
        else:
            self.coverage.acts[kind] += 1
            do = getattr(self.operator, kind)
        with suppress(ControlRefused):
            do(action)

    def _undo(self, action: Action) -> None:
        self.watch.disturb(self.rig.now_ms)
        undo = getattr(self.breaker, f"end_{action.do}", None)
        if undo is not None:
            undo(action)

    # The host's own

    def _connect(self) -> None:
        self.operator.busy = True
        try:
            self.rig.connect()
        except ControlRefused:
            self._tries_at_ms = self.rig.now_ms + SUPERVISE_MS
        finally:
            self.operator.busy = False

    def _supervise(self) -> None:
        rig = self.rig
        if rig.host_stalled or self.operator.busy:
            return
        if rig.state.pen is not None:
            if rig.now_ms - rig.heard_ms > SILENT_MS:
                rig.disconnect("the pen says nothing")
        elif rig.now_ms >= self._tries_at_ms and not self.breaker.unplugged:
            self._connect()

    def _end_all(self) -> None:
        self.watch.disturb(self.rig.now_ms)
        self.breaker.end_all()


def play(story: Story) -> Played:
    """Plays a story."""
    return Player(story).play()
