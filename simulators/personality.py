"""Which pen a simulated pen is: its data sheet, its sensors, its parts. The pens themselves are data, in ``pens.toml``.

The models are inventions of ours. Some resemble kinds of pen on sale, so that software meets what is found in clinics;
none claims to behave like a named product.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date
from difflib import get_close_matches
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

from firmware_bridge.wire.messages import DEAD_MAN_DEFAULT_MS, PROTOCOL_VERSION, Capability, Welcome
from firmware_bridge.wire.operations import CalibrationData
from simulators.errors import BadPenData, UnknownModel
from simulators.parts import PlantParameters, SensorNoise

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
"""All that treating can ask of a pen; what a technician's bench asks beside it is apart."""


@dataclass(frozen=True, slots=True)
class PenModel:
    """A pen's data sheet and what it is built of.

    ``dial_depth_um`` and ``dial_rate_mhz`` are where its dial stands, or what is fixed by its construction; they act
    where the host does not set the quantity. ``slowest_from_um``: from this depth on it turns at its slowest rate,
    whatever rate is set. ``adjustment_max_um`` and ``adjustment_rate_max_permille`` are by how much an adjustment table
    may correct depth and rate at most. ``calibrated``: it leaves the factory with a calibration, of
    ``depth_uncertainty_um`` (k = 2). ``needle_count`` and ``needle_length_um`` are those of its cartridges. ``about``
    says what it is, ``source`` what it resembles and by which publication.
    """

    name: str = "NW-1"
    serial: str = "NW1-000001"
    firmware: str = "sim 1.0"
    firmware_number: int = 1
    firmware_minimum: int = 1  # it runs none under this
    firmware_size_max: int = 262_144  # a slot of its memory
    firmware_battery_min_permille: int = 300  # writing a slot and restarting must not end in a brown-out
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
    slowest_from_um: int | None = None
    adjustment_max_um: int = 500  # no table moves a depth further: what is that far off is for repair
    adjustment_rate_max_permille: int = 250
    calibrated: bool = True
    depth_uncertainty_um: int = 50
    needle_count: int = 12
    needle_length_um: int = 1500
    about: str = ""
    source: str = ""
    noise: SensorNoise = field(default_factory=SensorNoise)
    plant: PlantParameters = field(default_factory=PlantParameters)


def welcome(model: PenModel, nonce: int, boot_id: int) -> Welcome:
    """What a pen of this model says of itself: also that it is simulated, which no model can leave out."""
    return Welcome(
        nonce=nonce,
        version=PROTOCOL_VERSION,
        boot_id=boot_id,
        model=model.name.encode("ascii"),
        serial=model.serial.encode("ascii"),
        firmware=model.firmware.encode("ascii"),
        capabilities=model.capabilities | Capability.SIMULATED,
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


def fresh_cartridge(
    tag: int, today: date, *, shelf_days: int = 540, needle_count: int = 12, needle_length_um: int = 1500
) -> Cartridge:
    """An unused cartridge that expires ``shelf_days`` after ``today``."""
    return Cartridge(
        tag=tag,
        serial=f"C{tag:08X}",
        needle_count=needle_count,
        needle_length_um=needle_length_um,
        expiry_day=day_number(today) + shelf_days,
    )


def factory_calibration(today: date, model: PenModel) -> CalibrationData:
    """What a pen holds when it leaves the factory: a calibration that changes nothing, done 30 days before ``today``,
    due 700 days after it; or none, where its maker does not calibrate."""
    return CalibrationData(
        valid=int(model.calibrated),
        certificate=b"FACTORY-0001" if model.calibrated else b"",
        calibrated_day=day_number(today) - 30,
        due_day=day_number(today) + 700,
        depth_gain_ppm=1_000_000,
        depth_offset_um=0,
        depth_uncertainty_um=model.depth_uncertainty_um,
        rate_gain_ppm=1_000_000,
    )


def _capabilities(pen: str, names: list[str]) -> Capability:
    for name in names:
        if name not in Capability.__members__:
            raise BadPenData(pen, "capability", name, list(Capability.__members__))
    return reduce(or_, (Capability[name] for name in names), Capability(0))


def _with(pen: str, base: Any, changes: Mapping[str, Any]) -> Any:
    """A record with some fields changed. Raises BadPenData for a field it does not have."""
    known = [each.name for each in fields(base)]
    for name in changes:
        if name not in known:
            raise BadPenData(pen, "key", name, known)
    return replace(base, **changes)


def read_pens(text: str) -> dict[str, PenModel]:
    """The pens in a TOML text, each by how it differs from NW-1. Raises BadPenData."""
    pens = {}
    base = PenModel()
    for name, table in tomllib.loads(text).items():
        said = dict(table)
        lacks, has = (_capabilities(name, said.pop(key, [])) for key in ("lacks", "has"))
        pens[name] = _with(
            name,
            base,
            said
            | {
                "name": name,
                "capabilities": base.capabilities & ~lacks | has,
                "noise": _with(name, base.noise, said.pop("noise", {})),
                "plant": _with(name, base.plant, said.pop("plant", {})),
            },
        )
    return pens


MODELS = read_pens(Path(__file__).with_name("pens.toml").read_text(encoding="utf-8"))
"""Every simulated pen, by name."""

NW_1 = MODELS["NW-1"]
NW_DIAL = MODELS["NW-DIAL"]
NW_DIAL_UNSENSED = MODELS["NW-DIAL-UNSENSED"]
NW_BLIND = MODELS["NW-BLIND"]
NW_NO_DEAD_MAN = MODELS["NW-NO-DEAD-MAN"]
NW_PLAIN = MODELS["NW-PLAIN"]
NW_2 = MODELS["NW-2"]


def model_named(name: str) -> PenModel:
    """The model of this name. Raises UnknownModel with the nearest names."""
    found = MODELS.get(name)
    if found is None:
        near = get_close_matches(name, MODELS, n=3) or list(MODELS)
        raise UnknownModel(
            f"There is no simulated pen called {name!r}. Nearest: {', '.join(near)}. "
            "`--model list` tells which there are."
        )
    return found
