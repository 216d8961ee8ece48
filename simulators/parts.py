"""The numbers of a simulated pen's parts, of its sensors and of skin, each with symbol, unit, meaning and source.

``docs/simulator.md`` prints its tables from here, so what is written there is what is computed with. No number was
taken from a pen on sale: a source says *datasheet* or *paper* where a published figure is near, and *assumed* where
somebody chose.
"""

from dataclasses import dataclass, field, fields
from typing import Any

DAVIS = "Davis et al., J. Biomech. 37 (2004) 1155: 0.1–3 N to insert one microneedle"
OLATUNJI = "Olatunji et al., J. Pharm. Sci. 102 (2013) 1209: 0.02–0.03 N a needle of an array"
MOTOR = "datasheet Faulhaber 1331 T 006 SR"


def figure(value: float, symbol: str, unit: str, meaning: str, source: str) -> Any:
    """A field of a record of parts: its value, and what the document says of it."""
    return field(default=value, metadata={"symbol": symbol, "unit": unit, "meaning": meaning, "source": source})


@dataclass(frozen=True, slots=True)
class PlantParameters:
    """A pen's parts: two cells and a small coreless motor. Units are in the names; see :func:`figure` for the rest."""

    torque_constant_nm_a: float = figure(
        0.0060, "k", "N·m/A, V·s/rad", "torque a current gives, voltage a speed gives",
        f"near {MOTOR}: 5.35 mN·m/A; so that 150 Hz needs 5.7 V, which two empty cells still give",
    )  # fmt: skip
    winding_ohm: float = figure(2.0, "R", "Ω", "winding", f"near {MOTOR}: 2.83 Ω")
    inertia_kg_m2: float = figure(
        5.0e-7, "J", "kg·m²", "everything that turns",
        f"assumed: rotor 0.7e-7 ({MOTOR}), the rest eccentric and needle carrier",
    )  # fmt: skip
    friction_nm: float = figure(
        4.0e-4, "T_f", "N·m", "dry friction of bearings, eccentric and membrane",
        f"assumed: three times the motor's own 1.2e-4 ({MOTOR}); 67 mA with nothing to do",
    )  # fmt: skip
    viscous_nm_s: float = figure(
        1.0e-7, "b", "N·m·s", "drag in proportion to speed", "assumed: a quarter of T_f at 150 Hz"
    )
    current_limit_a: float = figure(
        2.0, "I_max", "A", "the driver's limit, both ways", "assumed: half the stall current"
    )
    actuator_um_s: float = figure(
        15_000.0, "u", "µm/s", "speed of the depth actuator",
        "assumed: full travel and home in 187 ms, inside the retract time of 250 ms",
    )  # fmt: skip
    backlash_um: float = figure(
        20.0,
        "2h",
        "µm",
        "whole play between actuator and carriage",
        "assumed: a good spindle; a worn one has several times this",
    )
    drive_offset_um: float = figure(
        0.0, "d₀", "µm", "true depth minus commanded depth, as the mechanism was put together", "assumed: none"
    )
    park_um: float = figure(-300.0, "d_park", "µm", "where the actuator rests, needles inside", "assumed")
    home_um: float = figure(-100.0, "d_home", "µm", "the home switch closes at this protrusion and below", "assumed")
    battery_full_c: float = figure(2160.0, "Q", "C", "charge of a full battery", "assumed: 0.6 A·h, a small cell's")
    battery_full_v: float = figure(8.4, "U_1", "V", "open-circuit voltage, full", "two lithium-ion cells at 4.2 V")
    battery_empty_v: float = figure(6.4, "U_0", "V", "open-circuit voltage, empty", "two lithium-ion cells at 3.2 V")
    battery_ohm: float = figure(
        0.15, "R_b", "Ω", "inside the cells and on the way from them", "assumed: two small cells and wiring"
    )
    electronics_a: float = figure(0.03, "I_e", "A", "what everything but the motor draws", "assumed")
    heat_capacity_j_k: float = figure(
        60.0, "C", "J/K", "heat capacity of the handpiece", "assumed: about 70 g of aluminium and plastic"
    )
    heat_to_air_k_w: float = figure(
        15.0, "R_th", "K/W", "from the handpiece to the air",
        "assumed: 1/(h·A), still air and radiation h ≈ 10 W/m²K on 70 cm²; time constant 15 minutes",
    )  # fmt: skip
    air_c: float = figure(22.0, "ϑ_air", "°C", "the air", "assumed")


@dataclass(frozen=True, slots=True)
class SensorNoise:
    """How well sensors read: the standard deviation of one reading, and the step a reading comes in."""

    depth_um: float = figure(4.0, "σ_d", "µm", "standard deviation of one depth reading", "assumed")
    depth_count_um: int = figure(1, "q_d", "µm", "step of the depth encoder", "assumed: a fine magnetic scale")
    rate_mhz: float = figure(250.0, "σ_f", "mHz", "standard deviation of one rate reading", "assumed")
    rate_count_mhz: int = figure(1, "q_f", "mHz", "step of the rate shown", "assumed: as fine as the wire")
    current_ma: float = figure(3.0, "σ_i", "mA", "standard deviation of one current reading", "assumed")
    temperature_dc: float = figure(0.5, "σ_ϑ", "0.1 °C", "standard deviation of one temperature reading", "assumed")


@dataclass(frozen=True, slots=True)
class Figure:
    """One number as the document prints it."""

    name: str
    value: float
    symbol: str
    unit: str
    meaning: str
    source: str


def figures(parts: PlantParameters | SensorNoise) -> tuple[Figure, ...]:
    """Every number of these parts, with what is known of it."""
    return tuple(Figure(each.name, getattr(parts, each.name), **each.metadata) for each in fields(parts))


TISSUE_J_PER_M2 = {
    "forehead": 140.0,
    "glabella": 140.0,
    "nose": 160.0,
    "periorbital": 70.0,
    "cheek": 120.0,
    "upper-lip": 100.0,
    "perioral": 100.0,
    "chin": 150.0,
    "jaw": 140.0,
    "neck": 80.0,
    "facial-scars": 300.0,
    "scalp": 220.0,
    "test-pad": 120.0,
    "air": 0.0,
}
"""Energy one needle leaves in the tissue of a zone, for each square metre of depth².

Assumed, not measured: chosen so that a needle that comes to rest at 1 mm meets at most 2·c·d = 0.14–0.6 N, between what
was published for needles in an array (OLATUNJI) and for single blunt ones (DAVIS), and so that dense and scarred tissue
costs more than thin skin. The test pad of a technician's bench, a known load, is like a cheek, and no skin.
"""

NO_SKIN = frozenset({"test-pad"})
"""What loads the needles and is not felt as skin."""
