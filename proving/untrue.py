"""A pen that does not tell the truth, and references that are known only so well: pure, drawn from a seed.

The model is the one that budgets assume, no more: what a certificate states is drawn from the distribution it states,
once for a series, because a gauge does not change between two readings. The pen is drawn anew for each seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt
from random import Random

from controller.calibration.adjustment import IDENTITY, Adjustment
from controller.calibration.readings import Reading, SeriesPlan
from controller.calibration.references import DepthGauge, KnownLoad, ReferenceCartridge, Tachometer
from controller.calibration.setup import AccuracySetup, DepthSetup
from controller.service_events import Direction

SECONDS_A_READING = 20
"""A technician who types takes that long; a gauge on a port a fifth."""
BEND_RANGE_UM = 2_500
PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class UntrueDepth:
    """How a pen's depth scale lies: true = gain × scale + offset + bend + half the hysteresis + drift + noise.

    The bend is a parabola, 0 at 0 and at the end of the range, ``bend_um`` in its middle. From deeper the needles
    stand half the hysteresis deeper, from shallower half of it shallower. Noise is the standard deviation of a setting.
    """

    gain: float
    offset_um: float
    bend_um: float
    hysteresis_um: float
    noise_um: float
    drift_um_per_h: float

    def true_um(self, scale_um: float, direction: Direction | None, hours: float) -> float:
        """The mean true protrusion; direction None: of both."""
        along = scale_um / BEND_RANGE_UM
        half = {"up": -0.5, "down": 0.5, None: 0.0}[direction] * self.hysteresis_um
        bend = 4 * self.bend_um * along * (1 - along)
        return self.gain * scale_um + self.offset_um + bend + half + self.drift_um_per_h * hours


def untrue_depth(random: Random, *, bent: bool = False) -> UntrueDepth:
    """A pen as a technician may be handed it."""
    return UntrueDepth(
        gain=random.uniform(0.95, 1.05),
        offset_um=random.uniform(-80, 80),
        bend_um=random.choice((-1, 1)) * random.uniform(40, 90) if bent else 0.0,
        hysteresis_um=random.uniform(0, 30),
        noise_um=random.uniform(4, 12),
        drift_um_per_h=random.uniform(-60, 60),
    )


@dataclass(frozen=True, slots=True)
class DepthReference:
    """Gauge and cartridge as they really are for one series, drawn from what their certificates say of them.

    ``beginnings_um`` is how far apart true depth really comes out from one beginning to another, of which the study
    found an estimate, and ``begun_um`` how far off it is with this series' beginning.
    """

    gauge: DepthGauge
    certificate: float
    cartridge_um: float
    tilt: float
    expansion: float
    beginnings_um: float
    begun_um: float

    def read_um(self, true_um: float) -> int:
        """What the gauge reads where the mean of all beginnings is ``true_um``, in whole µm as its last digit tells."""
        known_um = (self.gauge.expanded_nm + self.gauge.expanded_ppm * abs(true_um) / 1000) / 1000
        true_um += self.begun_um
        read_um = true_um * (1 + self.tilt + self.expansion) + self.certificate * known_um / 2 + self.cartridge_um
        step_um = self.gauge.resolution_nm / 1000
        return round(round(read_um / step_um) * step_um)


def depth_reference(
    random: Random, cartridge: ReferenceCartridge, setup: DepthSetup | AccuracySetup
) -> DepthReference:  # fmt: skip
    """A gauge and a cartridge that fit their certificates, and a beginning that fits the method's study."""
    method, known = setup.method, setup.method.beginning
    off_k = abs(setup.environment.temperature_dc - 200) / 10
    reference = DepthReference(
        gauge=setup.gauge,
        certificate=random.gauss(0, 1),
        cartridge_um=random.uniform(-cartridge.tolerance_um, cartridge.tolerance_um),
        tilt=(random.uniform(-method.alignment_mrad, method.alignment_mrad) / 1000) ** 2 / 2,
        expansion=random.uniform(-1, 1) * off_k * method.expansion_ppb_per_k / 1e9,
        # What is true, given an estimate with so many degrees: the estimate over a chi of them.
        beginnings_um=known.standard_nm / 1000 * sqrt(known.degrees / random.gammavariate(known.degrees / 2, 2)),
        begun_um=0.0,
    )
    return replace(reference, begun_um=random.gauss(0, reference.beginnings_um))


def depth_readings(
    plan: SeriesPlan, pen: UntrueDepth, reference: DepthReference, random: Random, table: Adjustment = IDENTITY
) -> list[Reading]:
    """A series as it would be read: the pen, adjusted by its table, shows what was set within a µm."""
    readings = []
    for number, place in enumerate(plan.places()):
        at_ms = number * SECONDS_A_READING * 1000
        shown_um = plan.points[place.point]
        true_um = pen.true_um(table.scale_at(shown_um), place.direction, at_ms / 3_600_000)
        read_um = reference.read_um(true_um + random.gauss(0, pen.noise_um))
        readings.append(Reading(place.point, place.direction, place.repeat, shown_um, read_um, at_ms))
    return readings


def middle_h(readings: Sequence[Reading]) -> float:
    """The middle of a series in hours: what its errors stand for."""
    return sum((each.at_ms or 0) / 3_600_000 for each in readings) / len(readings)


@dataclass(frozen=True, slots=True)
class UntrueRate:
    """How a pen's rate lies: true = gain × shown; set is delivered short by a fraction; noise as a fraction.

    ``droop_a_unm``: the fraction of its rate it loses under each µN·m of load.
    """

    gain: float
    delivered: float
    noise: float
    droop_a_unm: float


def untrue_rate(random: Random) -> UntrueRate:
    """A pen as a technician may be handed it."""
    return UntrueRate(
        gain=random.uniform(0.95, 1.05),
        delivered=random.uniform(0.92, 1.02),
        noise=random.uniform(0.5e-3, 3e-3),
        droop_a_unm=random.uniform(0.03, 0.15) / 57,
    )


@dataclass(frozen=True, slots=True)
class RateReference:
    """Tachometer and load as they really are for one series."""

    tachometer: Tachometer
    certificate: float
    load_unm: float

    def read_mhz(self, true_mhz: float) -> int:
        """What the tachometer reads of a true rate."""
        read_mhz = true_mhz * (1 + self.certificate * self.tachometer.expanded_ppm / 2 / PPM)
        return round(read_mhz / self.tachometer.resolution_mhz) * self.tachometer.resolution_mhz


def rate_reference(random: Random, tachometer: Tachometer, load: KnownLoad | None) -> RateReference:
    """A tachometer and a load that fit their certificates."""
    certificate = random.gauss(0, 1)
    load_unm = 0.0 if load is None else load.torque_unm * (1 + random.gauss(0, 1) * load.expanded_ppm / 2 / PPM)
    return RateReference(tachometer, certificate, load_unm)


def rate_readings(
    plan: SeriesPlan, pen: UntrueRate, reference: RateReference, random: Random, *, loaded: bool = False
) -> list[Reading]:
    """A series as it would be read. The motor's rate scatters; what the pen shows of it does not lie any further."""
    slower = 1 - pen.droop_a_unm * reference.load_unm if loaded else 1.0
    readings = []
    for number, place in enumerate(plan.places()):
        mean_mhz = plan.points[place.point] * pen.delivered * slower
        true_mhz = mean_mhz * (1 + random.gauss(0, pen.noise))
        shown_mhz = round(true_mhz * (1 + random.gauss(0, pen.noise)) / pen.gain)
        at_ms = number * SECONDS_A_READING * 1000
        read_mhz = reference.read_mhz(true_mhz)
        readings.append(Reading(place.point, place.direction, place.repeat, shown_mhz, read_mhz, at_ms))
    return readings
