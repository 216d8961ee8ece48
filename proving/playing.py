"""Plays a story: its actions, at their times, on a rig, under a watch."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from controller.errors import ControlRefused
from controller.inputs import (
    Acknowledge,
    Close,
    Confirm,
    DeclareZone,
    FaultsCleared,
    Input,
    JournalState,
    Pause,
    Prepare,
    Seated,
    SetDepth,
    SetRate,
    Start,
    Stop,
)
from controller.state import MachineState, Phase, Step
from controller.units import Micrometres, Millihertz
from firmware_bridge.wire.framing import frame
from firmware_bridge.wire.messages import PROTOCOL_VERSION, Arm, Hello, Setpoint
from firmware_bridge.wire.messages import Stop as StopFrame
from proving.coverage import Coverage
from proving.invariants import Violation, Watch
from proving.plans import TODAY, calibrated, pen_of, plan_of
from proving.rig import MEDIUM, Observer, Rig
from proving.stories import FAULTS, TO_PEN, Action, Story
from simulators.line import Lane
from simulators.personality import Cartridge, day_number

OTHER_MEDIUM = 2
SUPERVISE_MS = 250
SILENT_MS = 1000
"""A link that says nothing for so long is given up, and another is tried."""

AFTERWARDS_MS = 1500
"""After the last action everything is good again for so long, and what must come to an end does."""

STOP_KIND = 0x08


@dataclass(slots=True)
class Played:
    """What came of a story."""

    story: Story
    violation: Violation | None
    coverage: Coverage
    phase: Phase


class Player(Observer):
    """Plays one story, once."""

    def __init__(self, story: Story) -> None:
        setting = story.setting
        random = Random(f"pen {story.seed}/{story.index}")
        self.story = story
        self.pen = pen_of(setting, random)
        self.plan = plan_of(setting.model, setting.operator, setting.skin, setting.zone, checked=setting.checked)
        self.watch = Watch(self.pen, self.plan, calibrated(setting))
        self.rig = Rig(self.pen, random=random, today=TODAY, observer=self)
        self.coverage = Coverage(stories=1)
        self._host_sets = setting.model != "NW-DIAL"
        self._busy = False
        self._tries_at_ms = 0
        self._sessions = 0
        self._own: Cartridge | None = self.pen.cartridge
        self._phase = self.rig.state.phase
        self._phase_since_ms = 0

    # Observer: counts, then passes on to the watch

    def passed(self, rig: Rig) -> None:
        """Time has passed."""
        self.watch.passed(rig)

    def sent(self, rig: Rig, setpoint: Setpoint) -> None:
        """A setpoint goes on the line."""
        self.watch.sent(rig, setpoint)

    def took(self, rig: Rig, before: MachineState, given: Input, made: Step) -> None:
        """The machine made a step."""
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
        self.watch.took(rig, before, given, made)

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
        agenda.append((story.length_ms, self._all_good))
        agenda.sort(key=lambda entry: entry[0])
        violation = None
        try:
            rig.plan(agenda)
            self._connect()
            rig.advance(max(story.length_ms + AFTERWARDS_MS - rig.now_ms, 1))
            self.watch.replayed(rig)
        except Violation as found:
            violation = found
        self._count()
        return Played(story, violation, self.coverage, rig.state.phase)

    def _count(self) -> None:
        coverage, rig = self.coverage, self.rig
        coverage.phases[self._phase] += rig.now_ms - self._phase_since_ms
        coverage.simulated_ms = rig.now_ms
        coverage.motor_on_ms = self.watch.motor_on_ms
        coverage.setpoints = self.watch.setpoints
        coverage.leases = self.watch.leases
        coverage.statuses = sum(given.__class__.__name__ == "StatusSeen" for given, _ in rig.inputs)

    def _doing(self, action: Action) -> Callable[[], None]:
        return lambda: self._do(action)

    def _undoing(self, action: Action) -> Callable[[], None]:
        return lambda: self._undo(action)

    def _do(self, action: Action) -> None:
        kind = action.do
        if kind in FAULTS:
            self.coverage.faults[kind] += 1
            self.coverage.faults_in_phase[kind, self.rig.state.phase] += 1
        elif self.rig.host_stalled and not kind.startswith(("button", "pedal", "cartridge", "hold")):
            return  # nobody listens
        else:
            self.coverage.acts[kind] += 1
        with suppress(ControlRefused):
            getattr(self, f"_{kind}")(action)

    def _undo(self, action: Action) -> None:
        undo = getattr(self, f"_end_{action.do}", None)
        if undo is not None:
            undo(action)

    # The host's own

    def _connect(self) -> None:
        self._busy = True
        try:
            self.rig.connect()
        except ControlRefused:
            self._tries_at_ms = self.rig.now_ms + SUPERVISE_MS
        finally:
            self._busy = False

    def _supervise(self) -> None:
        rig = self.rig
        if rig.host_stalled or self._busy:
            return
        if rig.state.pen is not None:
            if rig.now_ms - rig.heard_ms > SILENT_MS:
                rig.disconnect("the pen says nothing")
        elif rig.now_ms >= self._tries_at_ms and not self._unplugged:
            self._connect()

    _unplugged = 0

    # What people do

    def _go_on(self, action: Action) -> None:
        """What somebody does next who wants to treat."""
        rig, random = self.rig, Random(action.value)
        match rig.state.phase:
            case Phase.NO_SESSION if rig.state.latched or rig.state.alarms.active:
                self._clear(action)
            case Phase.NO_SESSION:
                self._prepare(action)
            case Phase.PREPARED if rig.state.latched:
                self._clear(action)
            case Phase.PREPARED:
                if self.rig.state.plan is not None and self.rig.state.plan.missing and random.random() < 0.8:
                    self._confirm(Action(action.at_ms, "confirm", 0, "all"))
                if self.pen.cartridge is None and random.random() < 0.8:
                    self._cartridge_on(Action(action.at_ms, "cartridge_on", action.value, "fresh"))
                    rig.advance(60)
                self._arm(action)
            case Phase.PAUSED:
                self._set_and_start(random)
            case Phase.TREATING if random.random() < 0.4:
                self._set_anew(random)
            case Phase.INTERRUPTED:
                self._clear(action)
            case _:
                pass

    def _set_and_start(self, random: Random) -> None:
        if not self.rig.state.depth_commanded_um or not self.rig.state.rate_commanded_mhz or random.random() < 0.4:
            self._set_anew(random)
        self.rig.command(Start(source="campaign"))

    def _set_anew(self, random: Random) -> None:
        limit = self.rig.state.depth_limit
        deepest_um = limit.effective if limit is not None else 500
        depth_um = random.choice((deepest_um, random.randrange(0, max(deepest_um, 1) + 1), 250, deepest_um + 50))
        with suppress(ControlRefused):
            self.rig.command(SetRate(rate_mhz=Millihertz(random.randrange(20, 116) * 1000)))
        with suppress(ControlRefused):
            self.rig.command(SetDepth(depth_um=Micrometres(depth_um)))

    def _prepare(self, _action: Action) -> None:
        self._sessions += 1
        self.rig.command(Prepare(session=f"session {self._sessions}", plan=self.plan))

    def _confirm(self, action: Action) -> None:
        plan = self.rig.state.plan
        items = plan.missing if plan is not None and action.text == "all" else (action.text,)
        self.rig.command(Confirm(items=items, source="campaign"))

    def _arm(self, _action: Action) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            self.rig.arm()
        finally:
            self._busy = False

    def _start(self, _action: Action) -> None:
        self.rig.command(Start(source="campaign"))

    def _pause(self, _action: Action) -> None:
        self.rig.command(Pause(source="campaign"))

    def _stop(self, _action: Action) -> None:
        self.rig.command(Stop(source="campaign"))

    def _depth(self, action: Action) -> None:
        self.rig.command(SetDepth(depth_um=Micrometres(action.value)))

    def _override(self, action: Action) -> None:
        self.rig.command(SetDepth(depth_um=Micrometres(action.value), override=action.text))

    def _rate(self, action: Action) -> None:
        self.rig.command(SetRate(rate_mhz=Millihertz(action.value)))

    def _zone(self, action: Action) -> None:
        self.rig.command(DeclareZone(zone=action.text))
        self.pen.hold_on(action.text)

    def _acknowledge(self, _action: Action) -> None:
        for alarm in self.rig.state.alarms.active:
            self.rig.command(Acknowledge(alarm=alarm.name, by="campaign"))

    def _clear(self, _action: Action) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            self.rig.clear_pen_faults()
        finally:
            self._busy = False
        self.rig.command(FaultsCleared(by="campaign", faults=()))

    def _close(self, _action: Action) -> None:
        self.rig.command(Close(outcome="completed", reason="campaign"))

    def _seat(self, action: Action) -> None:
        operator = self.plan.operator if action.value else action.text
        self.rig.give(Seated(operator=operator))

    def _button(self, _action: Action) -> None:
        if not self.pen.booting:
            self.watch.now_ms = self.rig.now_ms
            self.watch.pressed()
            self.pen.press_button()

    def _pedal(self, _action: Action) -> None:
        if not self.pen.booting:
            self.watch.now_ms = self.rig.now_ms
            self.watch.pressed()
            self.pen.press_pedal()

    def _cartridge_off(self, _action: Action) -> None:
        if self.pen.cartridge is not None:
            self._own = self.pen.remove_cartridge()

    def _cartridge_on(self, action: Action) -> None:
        if self.pen.cartridge is not None:
            return
        tag = 1 + action.value % 0xFFFF_FFFE
        today = day_number(self.rig.today)
        match action.text:
            case "same" if self._own is not None:
                cartridge = self._own
            case "used":
                cartridge = Cartridge(tag, expiry_day=today + 100, used=True)
                self.watch.used_in.setdefault(tag, "another treatment")
            case "expired":
                cartridge = Cartridge(tag, expiry_day=today - 1)
            case "short":
                cartridge = Cartridge(tag, expiry_day=today + 100, needle_length_um=400)
            case _:
                cartridge = Cartridge(tag, expiry_day=today + 100)
        self.pen.insert_cartridge(cartridge)

    def _hold(self, action: Action) -> None:
        self.pen.hold_on(action.text, touching=(None, True, False)[action.value])

    # What goes wrong

    def _lane(self, action: Action) -> Lane:
        return self.rig.line.to_pen if action.value % 2 == TO_PEN else self.rig.line.to_host

    def _noise(self, action: Action) -> None:
        random, kind = Random(action.value), action.do
        share = int(action.text.removesuffix("%")) / 100

        def fate(data: bytes) -> tuple[tuple[int, bytes], ...]:
            if random.random() >= share:
                return ((0, data),)
            match kind:
                case "loss":
                    return ()
                case "duplication":
                    return ((0, data), (random.randrange(1, 500), data))
                case "reordering":
                    return ((random.randrange(1, 150), data),)
                case _:
                    place = random.randrange(len(data))
                    flipped = bytes([data[place] ^ 1 << random.randrange(8)])
                    return ((0, data[:place] + flipped + data[place + 1 :]),)

        self._lane(action).fate = fate

    def _end_noise(self, action: Action) -> None:
        self._lane(action).fate = None

    _loss = _corruption = _duplication = _reordering = _noise
    _end_loss = _end_corruption = _end_duplication = _end_reordering = _end_noise

    def _delay(self, action: Action) -> None:
        self._lane(action).delay_ms = action.value // 2

    def _end_delay(self, action: Action) -> None:
        self._lane(action).delay_ms = 0

    def _hold_line(self, action: Action) -> None:
        self._lane(action).holding = True

    def _end_hold_line(self, action: Action) -> None:
        self._lane(action).holding = False

    def _cut(self, action: Action) -> None:
        self._lane(action).dropping = True

    def _end_cut(self, action: Action) -> None:
        self._lane(action).dropping = False

    def _garbage(self, action: Action) -> None:
        random = Random(action.value)
        self.watch.disturbed = True
        self._lane(action).push(random.randbytes(random.randrange(1, 400)), self.rig.now_ms)

    def _lose_stops(self, action: Action) -> None:
        self.watch.disturbed = True
        self.rig.line.to_pen.lose(STOP_KIND, action.value)

    def _deaf_to_stop(self, action: Action) -> None:
        self.pen.faults.ignore_stops(action.value)

    def _unplug(self, action: Action) -> None:
        del action
        self._unplugged += 1
        self.rig.line.to_pen.dropping = self.rig.line.to_host.dropping = True
        if not self.rig.host_stalled and self.rig.state.pen is not None:
            self.rig.disconnect("unplugged")

    def _end_unplug(self, action: Action) -> None:
        del action
        self._unplugged = max(0, self._unplugged - 1)
        self.rig.line.to_pen.dropping = self.rig.line.to_host.dropping = False

    def _reboot(self, action: Action) -> None:
        self.pen.reboot(action.value)

    def _brown_out(self, action: Action) -> None:
        self.pen.faults.drop_supply(float(action.value))

    def _end_brown_out(self, _action: Action) -> None:
        self.pen.faults.drop_supply(0.0)

    def _stall(self, _action: Action) -> None:
        self.pen.faults.jam_motor(True)

    def _end_stall(self, _action: Action) -> None:
        self.pen.faults.jam_motor(False)

    def _encoder_drift(self, action: Action) -> None:
        self.pen.faults.drift_depth_sensor(float(action.value))

    def _end_encoder_drift(self, _action: Action) -> None:
        self.pen.faults.drift_depth_sensor(0.0)

    def _stuck_actuator(self, _action: Action) -> None:
        self.pen.faults.stick_depth(True)

    def _end_stuck_actuator(self, _action: Action) -> None:
        self.pen.faults.stick_depth(False)

    def _dead_sensor(self, _action: Action) -> None:
        self.pen.faults.kill_depth_sensor(True)

    def _end_dead_sensor(self, _action: Action) -> None:
        self.pen.faults.kill_depth_sensor(False)

    def _wet(self, _action: Action) -> None:
        self.pen.faults.wet(True)

    def _end_wet(self, _action: Action) -> None:
        self.pen.faults.wet(False)

    def _hot(self, _action: Action) -> None:
        self.pen.faults.heat_to(65.0)

    def _end_hot(self, _action: Action) -> None:
        self.pen.faults.heat_to(30.0)

    def _clock_jump(self, action: Action) -> None:
        self.rig.today += timedelta(days=action.value)

    def _loop_stall(self, _action: Action) -> None:
        self.rig.host_stalled = True

    def _end_loop_stall(self, _action: Action) -> None:
        self.rig.host_stalled = False

    def _journal(self, action: Action) -> None:
        if not self.rig.host_stalled:
            self.rig.give(JournalState(problem=action.text))

    def _end_journal(self, _action: Action) -> None:
        if not self.rig.host_stalled:
            self.rig.give(JournalState(problem=""))

    def _second_host(self, action: Action) -> None:
        """Another program has the pen's other port."""
        random, firmware = Random(action.value), self.pen.firmware
        self.watch.disturbed = True
        match action.text:
            case "hello":
                said = frame(Hello(random.randrange(1, 2**32), PROTOCOL_VERSION), 0)
            case "stop":
                said = frame(StopFrame(), 0)
                self.watch.asked_to_end = self.watch.asked_to_end or not firmware.lease
            case "arm":
                said = frame(Arm(random.randrange(1, 2**32), 7, 2500, 150_000, 0), 0)
            case _:
                said = frame(
                    Setpoint(firmware.lease or 1, firmware.tick + 1, 1, 1500, 90_000, firmware.pen_time_ms), 0
                )
        self.pen.receive(OTHER_MEDIUM, said)
        self.pen.take(OTHER_MEDIUM)

    def _forged(self, action: Action) -> None:
        """Something on this computer has gone mad and writes well-formed frames that must not be followed."""
        firmware, sent = self.pen.firmware, self.rig.last_setpoint
        if sent is None or not firmware.lease:
            return
        self.watch.disturbed = True
        good = Setpoint(firmware.lease, firmware.tick + 1, 1, sent.depth_um, sent.rate_mhz, firmware.pen_time_ms)
        match action.text:
            case "lease":
                bad = good._replace(lease=1 + good.lease % (2**32 - 1))
            case "tick":
                bad = good._replace(tick=max(firmware.tick, 1), depth_um=2000)
                if not firmware.tick:
                    return
            case "stale":
                bad = good._replace(seen_pen_time_ms=(good.seen_pen_time_ms - self.pen.model.dead_man_ms) % 2**32)
            case "depth_ceiling":
                bad = good._replace(depth_um=self.rig.state.depth_ceiling_um + 50)
            case "rate_ceiling":
                bad = good._replace(rate_mhz=self.rig.state.rate_ceiling_mhz + 1000)
            case "step":
                bad = good._replace(depth_um=sent.depth_um + 7)
            case _:
                bad = good._replace(rate_mhz=self.pen.model.rate_min_mhz - 1000)
        if self._host_sets or action.text in {"lease", "stale"}:
            self.pen.receive(MEDIUM, b"\0" + frame(bad, 0))

    def _all_good(self) -> None:
        """At the end everything that goes wrong is over."""
        line, pen = self.rig.line, self.pen
        for lane in (line.to_pen, line.to_host):
            lane.dropping = lane.holding = False
            lane.delay_ms = 0
            lane.fate = None
        pen.faults.stick_depth(False)
        self._unplugged = 0
        self.rig.host_stalled = False


def play(story: Story) -> Played:
    """Plays a story."""
    return Player(story).play()
