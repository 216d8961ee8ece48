"""A simulated pen as a scenario's setting has it, and hands at it: the same on a rig and in real time."""

from dataclasses import replace
from datetime import date, timedelta
from random import Random

from proving.scenario.course import Refusal
from proving.scenario.model import CartridgeKind, FaultStep, Hand, Move, PutOn, Scenario, Setting
from simulators.errors import NoSuchPart
from simulators.faults.catalogue import fault_named
from simulators.faults.injector import Injector
from simulators.parts import TISSUE_J_PER_M2
from simulators.pen import SimulatedPen
from simulators.personality import Cartridge, day_number, model_named

SHORT_UM, LONG_UM = 400, 2000
SHELF_DAYS = 100


def pen_of(setting: Setting, *, random: Random, today: date) -> SimulatedPen:
    """The pen of a setting: its calibration in its memory, its true error in its actuator, its battery, its dial."""
    model = model_named(setting.pen)
    if setting.dial_um is not None:
        model = replace(model, dial_depth_um=setting.dial_um)
    pen = SimulatedPen(model, rng=random, today=today, pen_time_start_ms=setting.pen_time_ms, noisy=setting.noisy)
    told = setting.calibration
    pen.memory.calibration = pen.memory.calibration._replace(
        due_day=day_number(today + timedelta(days=told.due_days)),
        depth_gain_ppm=told.gain_ppm,
        depth_offset_um=told.offset_um,
        depth_uncertainty_um=told.uncertainty_um,
    )
    pen.plant.drive_gain = told.gain_ppm / 1_000_000
    pen.plant.drive_offset_um = float(told.offset_um + told.error_um)
    pen.plant.charge_c = pen.plant.parameters.battery_full_c * setting.battery_percent / 100
    if setting.zone in TISSUE_J_PER_M2:
        pen.hold_on(setting.zone)
    if setting.cartridge == "none":
        pen.remove_cartridge()
    elif setting.cartridge != "fresh":
        pen.remove_cartridge()
        pen.insert_cartridge(cartridge_of(setting.cartridge, pen, None))
    return pen


def cartridge_of(kind: CartridgeKind, pen: SimulatedPen, own: Cartridge | None) -> Cartridge:
    """A cartridge of this kind; *same* is ``own``, a fresh one where there is none."""
    if kind == "same" and own is not None:
        return own
    cartridge = pen.new_cartridge()
    today = day_number(pen.today)
    match kind:
        case "used":
            cartridge.used = True
        case "expired":
            cartridge.expiry_day = today - 1
        case "short":
            cartridge.needle_length_um = SHORT_UM
        case "long":
            cartridge.needle_length_um, cartridge.needle_count = LONG_UM, 16
        case _:
            pass
    return cartridge


def left_out(scenario: Scenario, faults: Injector) -> str:
    """Why a scenario cannot be played here: a fault needs something that is not there; "" when it can."""
    for step in scenario.steps:
        if isinstance(step, FaultStep):
            missing = faults.missing(fault_named(step.fault))
            if missing:
                return f"{step.fault} needs {missing}"
    return ""


def mended(faults: Injector, what: str) -> Refusal | None:
    """Ends a fault, or *all*; a refusal, which the telling shows, where nothing of it is there (any more)."""
    if faults.clear_all() if what == "all" else faults.clear(what):
        return None
    gone = "nothing is broken" if what == "all" else f"{what} is not there"
    return Refusal("not_broken", f"{gone}: it has ended by itself, or not begun. Nothing was mended.")


class Hands:
    """Somebody's hands at one pen."""

    def __init__(self, pen: SimulatedPen) -> None:
        self._pen = pen
        self._own: Cartridge | None = pen.cartridge

    def do(self, step: Hand | PutOn | Move) -> Refusal | None:
        """One movement; a refusal where there is no such part."""
        pen = self._pen
        try:
            match step:
                case PutOn():
                    if pen.cartridge is not None:
                        return Refusal("cartridge_on", "There is a cartridge on the pen; take it off first.")
                    pen.insert_cartridge(cartridge_of(step.cartridge, pen, self._own))
                case Move():
                    pen.hold_on(step.zone)
                case Hand():
                    self._plain(step)
        except NoSuchPart as error:
            return Refusal("no_such_part", str(error))
        return None

    def go_to(self, zone: str) -> None:
        """To another zone with the pen, held as before; to one whose skin nobody knows, not."""
        plant = self._pen.plant
        if zone in TISSUE_J_PER_M2:
            follows = plant.touching is plant.driven
            self._pen.hold_on(zone, touching=None if follows else plant.touching)

    def _plain(self, step: Hand) -> None:
        pen = self._pen
        match step.hand:
            case "press-button":
                pen.press_button()
            case "press-pedal":
                pen.press_pedal()
            case "take-cartridge-off":
                self._own = pen.remove_cartridge() or self._own
            case "lift":
                pen.hold_on(pen.plant.zone, touching=False)
            case "touch":
                pen.hold_on(pen.plant.zone, touching=True)
            case "follow":
                pen.hold_on(pen.plant.zone)
