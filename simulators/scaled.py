"""Sensors and watches of a pen whose scale is not the truth as it stands: it has an adjustment table, or an untruth.

A pen with neither has :class:`~simulators.sensors.Sensors` and :class:`~simulators.watches.Watches` as they are, and
pays nothing for what stands here.
"""

import random
from math import tau

from firmware_bridge.wire.messages import Capability
from simulators.nonvolatile import NonVolatile
from simulators.personality import PenModel
from simulators.physics import Plant
from simulators.sensors import NO_I16, NO_U32, Sensors, limited_i16, limited_u32
from simulators.untruth import UntruePlant
from simulators.watches import OVER_DEPTH_TOLERANCE_UM, Watches


class ScaledSensors(Sensors):
    """Sensors that read a scale, and show it by the table that the memory holds."""

    __slots__ = ("_memory",)

    def __init__(self, model: PenModel, plant: Plant, memory: NonVolatile, rng: random.Random | None) -> None:
        super().__init__(model, plant, rng)
        self._memory = memory

    def depth_um(self) -> int:
        """Protrusion shown, µm."""
        raw_um = self.depth_raw_um()
        return raw_um if raw_um == NO_I16 else limited_i16(round(self._memory.adjustment.true_of(float(raw_um))))

    def rate_mhz(self) -> int:
        """Strokes shown, mHz."""
        raw_mhz = self.rate_raw_mhz()
        return raw_mhz if raw_mhz == NO_U32 else limited_u32(round(raw_mhz * self._memory.adjustment.rate_gain))

    def depth_raw_um(self) -> int:
        """What the scale says, µm."""
        plant, noise = self._plant, self._noise
        if not self.has_depth or plant.depth_sensor_dead:
            return NO_I16
        read_um = plant.carriage_um + plant.depth_sensor_drift_um + self._gauss(0.0, noise.depth_um)
        return limited_i16(round(read_um / noise.depth_count_um) * noise.depth_count_um)

    def rate_raw_mhz(self) -> int:
        """What the tachometer says, mHz; exactly 0 at rest."""
        plant, noise = self._plant, self._noise
        if not self.has_rate:
            return NO_U32
        read_mhz = plant.speed_rad_s / tau * 1000.0 / plant.rate_gain * plant.rate_sensor_gain
        if not read_mhz:
            return 0
        return limited_u32(round((read_mhz + self._gauss(0.0, noise.rate_mhz)) / noise.rate_count_mhz)
                           * noise.rate_count_mhz)  # fmt: skip


class ScaledWatches(Watches):
    """Watches that hold what the scale says against the ceiling."""

    __slots__ = ("_limit_scale_um", "_memory")

    def __init__(self, model: PenModel, plant: Plant, sensors: Sensors, memory: NonVolatile) -> None:
        self._memory = memory
        self._limit_scale_um: float | None = None
        super().__init__(model, plant, sensors)

    def set_ceiling(self, depth_ceiling_um: int | None) -> None:
        """The depth ceiling of the lease that begins, as the pen shows depths; None when it ends."""
        super().set_ceiling(depth_ceiling_um)
        self._limit_scale_um = None
        if depth_ceiling_um is not None and self._sensors.has_depth:
            self._limit_scale_um = self._memory.adjustment.scale_of(float(depth_ceiling_um + OVER_DEPTH_TOLERANCE_UM))

    def bounds(self) -> tuple[float, float, float] | None:
        """As of any watch; the protrusion is one that is never passed before the scale is over its limit."""
        if self._limit_scale_um is not None:
            drift_um = self._plant.depth_sensor_drift_um
            self._depth_limit_um = self._plant.least_protrusion_at(self._limit_scale_um - drift_um) + drift_um
        return super().bounds()

    def look(self, now_ms: int) -> int:
        """As of any watch, by the scale in the needles' place."""
        if self._limit_scale_um is not None:
            self._depth_limit_um = self._limit_scale_um + (self._plant.protrusion_um - self._plant.carriage_um)
        return super().look(now_ms)


def senses(model: PenModel, plant: Plant, memory: NonVolatile, rng: random.Random | None) -> tuple[Sensors, Watches]:
    """The sensors and watches of a pen of this model, with these parts; without an rng readings are exact."""
    if model.capabilities & Capability.ADJUSTABLE or isinstance(plant, UntruePlant):
        scaled = ScaledSensors(model, plant, memory, rng)
        return scaled, ScaledWatches(model, plant, scaled, memory)
    sensors = Sensors(model, plant, rng)
    return sensors, Watches(model, plant, sensors)
