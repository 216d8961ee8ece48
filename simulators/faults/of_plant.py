"""Faults of the parts: motor, depth, sensors, supply, heat, fluid, and the cartridge in front."""

from simulators.faults.kinds import Apply, FaultKind, Given, Undo, number
from simulators.personality import Cartridge, day_number

PLANT_FAULTS = (
    FaultKind(
        "motor_stall", "plant", "The motor cannot turn.",
        "Stops: the pen by its own fault, the host by the measured rate; says at HIGH that needles may drag.",
        "H18", (), reaction="stops", alarm="stall",
    ),
    FaultKind(
        "motor_droop", "plant", "Bearings are worn: friction is so many times what it was, and the motor slows down.",
        "Warns that it is slower than set; needles drag.",
        "H17", (number("friction_permille", "‰ of new", 1001, 20_000, 5000),), alarm="rate_droop",
    ),
    FaultKind(
        "motor_brush_worn", "plant", "A bad contact in the winding: its resistance is so many times what it was.",
        "Warns that it is slower than set.",
        "H17", (number("winding_permille", "‰ of new", 1001, 20_000, 6000),), alarm="rate_droop",
    ),
    FaultKind(
        "motor_fast", "plant", "The driver puts out more voltage than wanted, and the motor is faster than set.",
        "Warns that it is faster than set.",
        "H65", (number("volts_permille", "‰ of wanted", 1001, 3000, 1250),), alarm="overspeed", seat="driver",
    ),
    FaultKind(
        "motor_runaway", "plant", "The driver is shorted: the motor runs as fast as the supply lets it.",
        "Stops at once, and says at HIGH that it is far faster than set.",
        "H65", (number("volts_permille", "‰ of wanted", 1001, 3000, 1800),), reaction="stops", alarm="rate_runaway",
        seat="driver",
    ),
    FaultKind(
        "rate_shown_zero", "plant", "The rate sensor gives no edges: STATUS shows 0 Hz at any speed.",
        "Stops as for a stall: what is not measured to turn is not taken to turn.",
        "H45", (), reaction="stops", alarm="stall", seat="rate sensor",
    ),
    FaultKind(
        "rate_shown_wrong", "plant", "The rate sensor miscounts: STATUS shows so many times the true rate.",
        "Warns that the measured rate is not the one set.",
        "H65", (number("shown_permille", "‰ of true", 1, 3000, 700),), alarm="rate_droop", seat="rate sensor",
    ),
    FaultKind(
        "depth_stuck", "plant", "The depth actuator does not move.",
        "Says at HIGH that the needles are not confirmed out, as soon as they should be.",
        "H10", (), shown_by="pause", reaction="stops", alarm="retract_failed",
    ),
    FaultKind(
        "depth_slow", "plant", "The depth actuator is so many times slower than it was.",
        "Says at HIGH that the needles are not confirmed out in time.",
        "H10", (number("speed_permille", "‰ of new", 1, 999, 100),), shown_by="pause", reaction="stops",
        alarm="retract_failed",
    ),
    FaultKind(
        "depth_deep", "plant", "The actuator goes deeper than wanted, and the sensor shows it.",
        "Stops at once: measured protrusion is over the limit.",
        "H01", (number("deeper_um", "µm", 1, 2000, 700),), reaction="stops", alarm="depth_runaway",
    ),
    FaultKind(
        "depth_off", "plant", "The needles stand beside where they were set, by less than the lease would bear.",
        "Warns that measured and commanded differ.",
        "H01", (number("shallower_um", "µm", 1, 2000, 250),), alarm="depth_deviation",
    ),
    FaultKind(
        "depth_slip", "plant", "The encoder slips: needles are deeper than wanted, the sensor shows what is wanted.",
        "Cannot tell; the stated uncertainty is subtracted from every limit. A calibration finds it.",
        "H03", (number("slip_um", "µm", 1, 2000, 40),),
    ),
    FaultKind(
        "depth_drift", "plant", "The depth sensor shows more than is true.",
        "Warns that measured and commanded differ, or stops where it shows too deep.",
        "H03", (number("drift_um", "µm", -2000, 2000, -250),), alarm="depth_deviation",
    ),
    FaultKind(
        "depth_play", "plant", "The needle carriage has so many times the play of a new one.",
        "Warns that measured and commanded differ.",
        "H03", (number("play_permille", "‰ of new", 1001, 100_000, 20_000),), met="arming", alarm="depth_deviation",
    ),
    FaultKind(
        "depth_sensor_dead", "plant", "The depth sensor reads nonsense.",
        "Stops: nobody knows how deep the needles are.",
        "H64", (), reaction="stops", alarm="pen_fault",
    ),
    FaultKind(
        "contact_stuck_off", "plant", "The contact sensor shows off skin whatever it touches.",
        "Warns after a while that it runs off the skin, and pauses later.",
        "H60", (), reaction="pauses", alarm="contact_lost", within_ms=45_000, seat="contact sensor",
    ),
    FaultKind(
        "contact_stuck_on", "plant", "The contact sensor shows on skin whatever it touches.",
        "Cannot tell; the dwell budget of the zone is counted on the safe side.",
        "H60", (), seat="contact sensor",
    ),
    FaultKind(
        "warm", "plant", "The handpiece is warm.",
        "Warns that it gets hot, treats on.",
        "H20", (number("temperature_c", "°C", 23, 59, 53),), alarm="temperature_warning", seat="heat",
    ),
    FaultKind(
        "hot", "plant", "The handpiece is too hot.",
        "Stops: the pen by its own fault; no arming before it is cool.",
        "H20", (number("temperature_c", "°C", 60, 150, 65),), reaction="stops", alarm="pen_fault", seat="heat",
    ),
    FaultKind(
        "brown_out", "plant", "The supply breaks down between cells and driver.",
        "Stops: the pen by its own fault.",
        "H19", (number("drop_mv", "mV", 1, 8400, 3000),), reaction="stops", alarm="pen_fault",
    ),
    FaultKind(
        "battery_low", "plant", "The battery is nearly empty.",
        "Warns that it lasts for minutes only.",
        "H19", (number("charge_permille", "‰", 0, 999, 20),), alarm="battery_low", within_ms=12_000, seat="charge",
    ),
    FaultKind(
        "battery_flat", "plant", "The battery holds less than a treatment needs.",
        "Does not arm.",
        "H19", (number("charge_permille", "‰", 0, 49, 20),), met="arming", reaction="refuses", seat="charge",
    ),
    FaultKind(
        "battery_aged", "plant", "The battery is old: its resistance is so many times that of a new one, and it sags.",
        "Stops: the pen by its own fault when the motor starts.",
        "H19", (number("ohm_permille", "‰ of new", 1001, 1_000_000, 200_000),), reaction="stops", alarm="pen_fault",
    ),
    FaultKind(
        "ingress", "plant", "Fluid is behind the membrane.",
        "Stops: the pen by its own fault.",
        "H21", (), reaction="stops", alarm="pen_fault",
    ),
    FaultKind(
        "cartridge_off", "plant", "The cartridge falls off.",
        "Stops, and wants a new one inspected before it arms again.",
        "H34", (), reaction="stops", alarm="pen_fault", seat="cartridge",
    ),
    FaultKind(
        "cartridge_used", "plant", "The cartridge that is fitted was used before.",
        "Does not arm with it.",
        "H32", (), met="arming", reaction="refuses", seat="cartridge",
    ),
    FaultKind(
        "cartridge_expired", "plant", "The cartridge that is fitted is past its date.",
        "Does not arm with it.",
        "H62", (number("days", "days", 1, 3650, 1),), met="arming", reaction="refuses", seat="cartridge",
    ),
    FaultKind(
        "cartridge_short", "plant", "A cartridge is fitted whose needles are shorter than the depth that is wanted.",
        "Takes the needles' length for a limit, and refuses what is deeper.",
        "H02", (number("needle_length_um", "µm", 50, 2500, 250),), met="arming", reaction="refuses", seat="cartridge",
    ),
    FaultKind(
        "cartridge_blank", "plant", "The chip of the cartridge that is fitted is blank.",
        "Does not arm with what it cannot read.",
        "H02", (), met="arming", reaction="refuses", seat="cartridge",
    ),
    FaultKind(
        "cartridge_blunt", "plant", "The needles are blunt: skin resists so many times as much.",
        "Warns that it is slower than set; a new cartridge ends it.",
        "H72", (number("drag_permille", "‰ of sharp", 1001, 100_000, 60_000),), alarm="rate_droop",
    ),
    FaultKind(
        "cartridge_worn", "plant", "The cartridge has done nearly all the strokes it is made for.",
        "Warns that it is worn.",
        "H72", (number("strokes", "strokes", 1, 10_000_000, 520_000),), alarm="cartridge_life",
    ),
)  # fmt: skip


def _jam(given: Given) -> Undo:
    faults = given.parts.pen.faults
    faults.jam_motor()
    return lambda: faults.jam_motor(False)


def _wear(given: Given, parameter: str, part: str) -> Undo:
    plant, name = given.parts.pen.plant, given.name
    plant.wear(name, **{part: given.number(parameter) / 1000.0})
    return lambda: plant.wear(name)


def _drive_gain(given: Given) -> Undo:
    plant, gain = given.parts.pen.plant, given.number("volts_permille") / 1000.0
    plant.driver_gain = gain

    def undo() -> None:
        plant.driver_gain = 1.0

    return undo


def _rate_shown(given: Given, gain: float) -> Undo:
    plant = given.parts.pen.plant
    plant.rate_sensor_gain = gain

    def undo() -> None:
        plant.rate_sensor_gain = 1.0

    return undo


def _stuck(given: Given) -> Undo:
    faults = given.parts.pen.faults
    faults.stick_depth()
    return lambda: faults.stick_depth(False)


def _offset(given: Given, *, truly_um: int, shown_um: int) -> Undo:
    """Shifts the needles and what is shown of them. Several such faults add up, so each takes its own back."""
    plant = given.parts.pen.plant

    def shift(sign: int) -> None:
        plant.drive_offset_um += sign * truly_um
        plant.depth_sensor_drift_um += sign * shown_um
        if plant.driven:
            plant.target_um += sign * truly_um

    shift(1)
    return lambda: shift(-1)


def _sensor_dead(given: Given) -> Undo:
    faults = given.parts.pen.faults
    faults.kill_depth_sensor()
    return lambda: faults.kill_depth_sensor(False)


def _contact(given: Given, *, shows: bool) -> Undo:
    plant = given.parts.pen.plant
    plant.contact_stuck = shows

    def undo() -> None:
        plant.contact_stuck = None

    return undo


def _heat(given: Given) -> Undo:
    faults, air_c = given.parts.pen.faults, given.parts.pen.plant.parameters.air_c
    faults.heat_to(float(given.number("temperature_c")))
    return lambda: faults.heat_to(air_c)


def _brown_out(given: Given) -> Undo:
    plant, drop_v = given.parts.pen.plant, given.number("drop_mv") / 1000.0
    plant.supply_drop_v = drop_v

    def undo() -> None:
        plant.supply_drop_v = 0.0

    return undo


def _charge(given: Given) -> Undo:
    faults, before = given.parts.pen.faults, given.parts.pen.plant.charge
    faults.drain_battery(given.number("charge_permille") / 1000.0)
    return lambda: faults.drain_battery(before)


def _wet(given: Given) -> Undo:
    faults = given.parts.pen.faults
    faults.wet()
    return lambda: faults.wet(False)


def _cartridge_off(given: Given) -> Undo:
    pen = given.parts.pen
    removed = pen.remove_cartridge()

    def undo() -> None:
        if pen.cartridge is None and removed is not None:
            pen.insert_cartridge(removed)

    return undo


def _fitted(given: Given, cartridge: Cartridge) -> Undo:
    """Exchanges the cartridge for ``cartridge``; cleared by a new one, where that is the one still in."""
    pen = given.parts.pen
    pen.insert_cartridge(cartridge)

    def undo() -> None:
        if pen.cartridge is cartridge:
            pen.insert_cartridge()

    return undo


def _used(given: Given) -> Undo:
    cartridge = given.parts.pen.new_cartridge()
    cartridge.used = True
    return _fitted(given, cartridge)


def _expired(given: Given) -> Undo:
    pen = given.parts.pen
    cartridge = pen.new_cartridge()
    cartridge.expiry_day = day_number(pen.today) - given.number("days")
    return _fitted(given, cartridge)


def _short(given: Given) -> Undo:
    cartridge = given.parts.pen.new_cartridge()
    cartridge.needle_length_um = given.number("needle_length_um")
    return _fitted(given, cartridge)


def _blank(given: Given) -> Undo:
    return _fitted(given, Cartridge(0, lot="", needle_count=0, needle_length_um=0, expiry_day=0))


def _blunt(given: Given) -> Undo:
    plant = given.parts.pen.plant
    plant.blunt(given.number("drag_permille") / 1000.0)
    return lambda: plant.blunt(1.0)


def _worn(given: Given) -> Undo:
    memory, strokes = given.parts.pen.memory, given.number("strokes")
    memory.turns_at_insertion -= strokes
    worn_at = memory.turns_at_insertion

    def undo() -> None:
        if memory.turns_at_insertion == worn_at:  # no other cartridge was fitted since
            memory.turns_at_insertion += strokes

    return undo


APPLY_PLANT: dict[str, Apply] = {
    "motor_stall": _jam,
    "motor_droop": lambda given: _wear(given, "friction_permille", "friction_nm"),
    "motor_brush_worn": lambda given: _wear(given, "winding_permille", "winding_ohm"),
    "motor_fast": _drive_gain,
    "motor_runaway": _drive_gain,
    "rate_shown_zero": lambda given: _rate_shown(given, 0.0),
    "rate_shown_wrong": lambda given: _rate_shown(given, given.number("shown_permille") / 1000.0),
    "depth_stuck": _stuck,
    "depth_slow": lambda given: _wear(given, "speed_permille", "actuator_um_s"),
    "depth_deep": lambda given: _offset(given, truly_um=given.number("deeper_um"), shown_um=0),
    "depth_off": lambda given: _offset(given, truly_um=-given.number("shallower_um"), shown_um=0),
    "depth_slip": lambda given: _offset(given, truly_um=given.number("slip_um"), shown_um=-given.number("slip_um")),
    "depth_drift": lambda given: _offset(given, truly_um=0, shown_um=given.number("drift_um")),
    "depth_play": lambda given: _wear(given, "play_permille", "backlash_um"),
    "depth_sensor_dead": _sensor_dead,
    "contact_stuck_off": lambda given: _contact(given, shows=False),
    "contact_stuck_on": lambda given: _contact(given, shows=True),
    "warm": _heat,
    "hot": _heat,
    "brown_out": _brown_out,
    "battery_low": _charge,
    "battery_flat": _charge,
    "battery_aged": lambda given: _wear(given, "ohm_permille", "battery_ohm"),
    "ingress": _wet,
    "cartridge_off": _cartridge_off,
    "cartridge_used": _used,
    "cartridge_expired": _expired,
    "cartridge_short": _short,
    "cartridge_blank": _blank,
    "cartridge_blunt": _blunt,
    "cartridge_worn": _worn,
}
