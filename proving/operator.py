"""The operator of a story: asks for anything, does anything with hands and feet."""

from contextlib import suppress
from random import Random

from controller.errors import ControlRefused
from controller.inputs import (
    Acknowledge,
    Approved,
    Attest,
    Close,
    Confirm,
    DeclareZone,
    ExchangeCartridge,
    FaultsCleared,
    OperationUncertain,
    Pause,
    PauseAudio,
    Prepare,
    Seated,
    SetDepth,
    SetRate,
    Start,
    Stop,
)
from controller.plan import ResolvedPlan
from controller.state import Phase
from controller.units import Micrometres, Millihertz
from proving.invariants import Watch
from proving.rig import Rig
from proving.stories import Action
from simulators.personality import Cartridge, day_number


class Operator:
    """Does what the actions of a story say. Each method named as an action does it; a refusal is raised.

    ``busy`` while something is under way that takes its time, such as arming: one such thing at a time.
    """

    def __init__(self, rig: Rig, plan: ResolvedPlan, watch: Watch) -> None:
        self.rig = rig
        self.pen = rig.pen
        self.plan = plan
        self.watch = watch
        self.busy = False
        self._sessions = 0
        self._fitted_in = 1  # the pen comes with a cartridge for the first session
        self._own = rig.pen.cartridge

    def go_on(self, action: Action) -> None:
        """What somebody does next who wants to treat."""
        rig, random = self.rig, Random(action.value)
        match rig.state.phase:
            case Phase.NO_SESSION if rig.state.latched or rig.state.alarms.active:
                self.clear(action)
            case Phase.NO_SESSION:
                self.prepare(action)
            case Phase.PREPARED if rig.state.latched:
                self.clear(action)
            case Phase.PREPARED:
                if self.rig.state.plan is not None and self.rig.state.plan.missing and random.random() < 0.8:
                    self.confirm(Action(action.at_ms, "confirm", 0, "all"))
                if (self.pen.cartridge is None or self._fitted_in != self._sessions) and random.random() < 0.9:
                    self.cartridge_off(action)
                    self.cartridge_on(Action(action.at_ms, "cartridge_on", action.value, "fresh"))
                    self._fitted_in = self._sessions
                    return  # the pen has to say so first
                self.arm(action)
            case Phase.PAUSED:
                self._set_and_start(random)
            case Phase.TREATING if random.random() < 0.4:
                self._set_anew(random)
            case Phase.INTERRUPTED:
                self.clear(action)
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

    def prepare(self, _action: Action) -> None:
        """Opens a session."""
        self._sessions += 1
        state = self.rig.state
        self.rig.command(
            Prepare(
                session=f"session {self._sessions}",
                plan=self.plan,
                standing=state.standing,
                raised=state.alarms.unseen,
            )
        )

    def confirm(self, action: Action) -> None:
        """Confirms open points of the checklist, or one that is none."""
        plan = self.rig.state.plan
        items = plan.missing if plan is not None and action.text == "all" else (action.text,)
        self.rig.command(Confirm(items=items, source="campaign"))

    def arm(self, _action: Action) -> None:
        """Arms, which takes its time."""
        if self.busy:
            return
        self.busy = True
        try:
            self.rig.arm()
        finally:
            self.busy = False

    def start(self, _action: Action) -> None:
        """Motor on."""
        self.rig.command(Start(source="campaign"))

    def pause(self, _action: Action) -> None:
        """Motor off, still armed."""
        self.rig.command(Pause(source="campaign"))

    def stop(self, _action: Action) -> None:
        """STOP."""
        self.rig.command(Stop(source="campaign"))

    def depth(self, action: Action) -> None:
        """Sets a depth, possible or not."""
        self.rig.command(SetDepth(depth_um=Micrometres(action.value)))

    def override(self, action: Action) -> None:
        """Sets a depth with a reason, good or not."""
        self.rig.command(SetDepth(depth_um=Micrometres(action.value), override=action.text))

    def rate(self, action: Action) -> None:
        """Sets a rate, possible or not."""
        self.rig.command(SetRate(rate_mhz=Millihertz(action.value)))

    def zone(self, action: Action) -> None:
        """Declares a zone and goes there with the pen."""
        self.rig.command(DeclareZone(zone=action.text))
        self.pen.hold_on(action.text)

    def acknowledge(self, _action: Action) -> None:
        """Acknowledges every alarm."""
        for alarm in self.rig.state.alarms.active:
            self.rig.command(Acknowledge(alarm=alarm.name, by="campaign"))

    def clear(self, _action: Action) -> None:
        """Clears the pen's faults, which takes its time, then what interrupted."""
        if self.busy:
            return
        self.busy = True
        try:
            self.rig.clear_pen_faults()
        finally:
            self.busy = False
        self.rig.command(FaultsCleared(by="campaign", faults=()))

    def close(self, _action: Action) -> None:
        """Closes the session."""
        self.rig.command(Close(outcome="completed", reason="campaign"))

    def seat(self, action: Action) -> None:
        """Somebody takes or leaves the seat; a value gives it back to the session's operator."""
        operator = self.plan.operator if action.value else action.text
        self.rig.give(Seated(operator=operator))

    def button(self, _action: Action) -> None:
        """Presses the pen's button."""
        if not self.pen.booting:
            self.watch.now_ms = self.rig.now_ms
            self.watch.pressed()
            self.pen.press_button()

    def pedal(self, _action: Action) -> None:
        """Presses the foot pedal."""
        if not self.pen.booting:
            self.watch.now_ms = self.rig.now_ms
            self.watch.pressed()
            self.pen.press_pedal()

    def cartridge_off(self, _action: Action) -> None:
        """Takes the cartridge off."""
        if self.pen.cartridge is not None:
            self._own = self.pen.remove_cartridge()

    def cartridge_on(self, action: Action) -> None:
        """Puts a cartridge on: fresh, the same again, used, expired, short."""
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

    def exchange(self, _action: Action) -> None:
        """Says that the cartridge is exchanged in this session."""
        self.rig.command(ExchangeCartridge(source="campaign"))

    def approve(self, action: Action) -> None:
        """A physician approves at the chair, for a zone there is or is not."""
        self.rig.command(
            Approved(approval="a-1", by="dr-lee", zones=(action.text,), depth_max_um=Micrometres(action.value))
        )

    def attest(self, _action: Action) -> None:
        """Says that the cartridge is new."""
        self.rig.command(Attest(source="campaign"))

    def audio(self, _action: Action) -> None:
        """Silences alarms for a minute."""
        self.rig.command(PauseAudio(by="campaign", for_ms=60_000))

    def uncertain(self, _action: Action) -> None:
        """Something stayed unanswered."""
        self.rig.give(OperationUncertain(operation="marking the cartridge as used"))

    def hold(self, action: Action) -> None:
        """Holds the pen somewhere, on the skin or off."""
        self.pen.hold_on(action.text, touching=(None, True, False)[action.value])
