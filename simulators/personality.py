"""Which pen a simulated pen is: its data sheet, its sensors, its parts. Data only; the firmware reads it.

The models are inventions of ours. Two of them resemble kinds of pen on sale (a manual dial with a fixed rate, a motor
with steps), so that software meets what is found in clinics; none claims to behave like a named product.
"""

from dataclasses import dataclass, field, replace
from datetime import date
from difflib import get_close_matches

from firmware_bridge.wire.messages import DEAD_MAN_DEFAULT_MS, PROTOCOL_VERSION, Capability, Welcome
from firmware_bridge.wire.operations import CalibrationData
from simulators.errors import UnknownModel
from simulators.physics import PlantParameters

EPOCH = date(1970, 1, 1)
"""Days on the wire are counted from here."""

FULL_CAPABILITIES = (
    Capability.DEPTH_SET
    | Capability.DEPTH_SENSED
    | Capability.RATE_SET
    | Capability.RATE_SENSED
    | Capability.DEAD_MAN
    | Capability.CONTACT_SENSED
    | Capability.CARTRIDGE_IDENTIFIED
    | Capability.BUTTON
    | Capability.PEDAL
    | Capability.BATTERY_SENSED
    | Capability.TEMPERATURE_SENSED
    | Capability.CURRENT_SENSED
    | Capability.CALIBRATION_STORED
    | Capability.SELF_TEST
    | Capability.EVENT_LOG
    | Capability.INGRESS_SENSED
)
"""All a pen can have, the reserved service moves and firmware update aside."""


@dataclass(frozen=True, slots=True)
class SensorNoise:
    """Standard deviation of one reading of each sensor, normally distributed. Assumed."""

    depth_um: float = 4.0
    rate_mhz: float = 250.0
    current_ma: float = 3.0
    temperature_dc: float = 0.5


@dataclass(frozen=True, slots=True)
class PenModel:
    """A pen's data sheet and what it is built of.

    ``dial_depth_um`` and ``dial_rate_mhz`` are where its dial stands, or what is fixed by its construction; they act
    where the host does not set the quantity.
    """

    name: str = "NW-1"
    serial: str = "NW1-000001"
    firmware: str = "sim 1.0"
    capabilities: Capability = FULL_CAPABILITIES
    depth_min_um: int = 0
    depth_max_um: int = 2500
    depth_step_um: int = 50
    rate_min_mhz: int = 20_000
    rate_max_mhz: int = 150_000
    rate_step_mhz: int = 1_000
    dead_man_ms: int = DEAD_MAN_DEFAULT_MS
    retract_ms: int = 250
    status_period_ms: int = 20
    self_test_ms: int = 1_000
    dial_depth_um: int = 0
    dial_rate_mhz: int = 0
    arm_battery_min_permille: int = 50  # below it a treatment would end in a brown-out
    arm_temperature_max_dc: int = 550  # above it the over-temperature fault is minutes away
    brown_out_v: float = 5.8  # what the driver needs for the fastest rate
    noise: SensorNoise = field(default_factory=SensorNoise)
    plant: PlantParameters = field(default_factory=PlantParameters)


def welcome(model: PenModel, nonce: int, boot_id: int) -> Welcome:
    """What a pen of this model says of itself."""
    return Welcome(
        nonce=nonce,
        version=PROTOCOL_VERSION,
        boot_id=boot_id,
        model=model.name.encode("ascii"),
        serial=model.serial.encode("ascii"),
        firmware=model.firmware.encode("ascii"),
        capabilities=model.capabilities,
        depth_min_um=model.depth_min_um,
        depth_max_um=model.depth_max_um,
        depth_step_um=model.depth_step_um,
        rate_min_mhz=model.rate_min_mhz,
        rate_max_mhz=model.rate_max_mhz,
        rate_step_mhz=model.rate_step_mhz,
        dead_man_ms=model.dead_man_ms,
        retract_ms=model.retract_ms,
        status_period_ms=model.status_period_ms,
    )


@dataclass(slots=True)
class Cartridge:
    """A cartridge and the memory chip in it. ``used`` is written by the pen, for good. Lengths in µm."""

    tag: int
    lot: str = "L2407A"
    serial: str = ""
    needle_count: int = 12
    needle_length_um: int = 1500
    expiry_day: int = 0xFFFE
    used: bool = False


def day_number(day: date) -> int:
    """Days since 1970-01-01, as the wire counts them."""
    return (day - EPOCH).days


def fresh_cartridge(tag: int, today: date, *, shelf_days: int = 540) -> Cartridge:
    """An unused cartridge of 12 needles of 1500 µm that expires ``shelf_days`` after ``today``."""
    return Cartridge(tag=tag, serial=f"C{tag:08X}", expiry_day=day_number(today) + shelf_days)


def factory_calibration(today: date) -> CalibrationData:
    """A calibration that changes nothing, done 30 days before ``today``, due 700 days after it, ±50 µm (k = 2)."""
    return CalibrationData(
        valid=1,
        certificate=b"FACTORY-0001",
        calibrated_day=day_number(today) - 30,
        due_day=day_number(today) + 700,
        depth_gain_ppm=1_000_000,
        depth_offset_um=0,
        depth_uncertainty_um=50,
        rate_gain_ppm=1_000_000,
    )


NW_1 = PenModel()
"""The pen everything is shown with: all capabilities, 0–2500 µm in steps of 50, 20–150 Hz in steps of 1."""

NW_DIAL = replace(
    NW_1,
    name="NW-DIAL",
    serial="NWD-000001",
    capabilities=FULL_CAPABILITIES & ~(Capability.DEPTH_SET | Capability.RATE_SET)
    | Capability.DEPTH_MANUAL
    | Capability.RATE_MANUAL,
    depth_step_um=250,
    rate_min_mhz=117_000,
    rate_max_mhz=117_000,
    dial_depth_um=500,
    dial_rate_mhz=117_000,
)
"""Depth on a dial in steps of 250 µm, sensed; one fixed rate."""

NW_DIAL_UNSENSED = replace(
    NW_DIAL,
    name="NW-DIAL-UNSENSED",
    serial="NWU-000001",
    capabilities=NW_DIAL.capabilities & ~Capability.DEPTH_SENSED,
)
"""Depth on a dial that nothing measures: it cannot be armed."""

NW_BLIND = replace(
    NW_1, name="NW-BLIND", serial="NWB-000001", capabilities=FULL_CAPABILITIES & ~Capability.DEPTH_SENSED
)
"""Depth is set and not measured."""

NW_NO_DEAD_MAN = replace(
    NW_1, name="NW-NO-DEAD-MAN", serial="NWN-000001", capabilities=FULL_CAPABILITIES & ~Capability.DEAD_MAN
)
"""Does not stop by itself when the host falls silent: a host must not arm it."""

NW_PLAIN = replace(
    NW_1, name="NW-PLAIN", serial="NWP-000001", capabilities=FULL_CAPABILITIES & ~Capability.CARTRIDGE_IDENTIFIED
)
"""Knows that a cartridge is inserted, not which."""

MODELS = {model.name: model for model in (NW_1, NW_DIAL, NW_DIAL_UNSENSED, NW_BLIND, NW_NO_DEAD_MAN, NW_PLAIN)}


def model_named(name: str) -> PenModel:
    """The model of this name. Raises UnknownModel with the nearest names."""
    found = MODELS.get(name)
    if found is None:
        near = get_close_matches(name, MODELS, n=3) or list(MODELS)
        raise UnknownModel(f"There is no simulated pen called {name!r}. Nearest: {', '.join(near)}.")
    return found
