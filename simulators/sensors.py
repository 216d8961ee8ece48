"""What a pen's sensors say, in the raw numbers of STATUS; *not measured* where the model has no sensor."""

import random
from collections.abc import Callable
from math import tau

from firmware_bridge.wire.fields import NOT_MEASURED
from firmware_bridge.wire.messages import Capability, Contact
from firmware_bridge.wire.service_operations import RawReadings
from simulators.personality import PenModel
from simulators.physics import Plant

NO_U8, NO_U16, NO_U32, NO_I16 = (NOT_MEASURED[name] for name in ("u8", "u16", "u32", "i16"))

_I16_LEAST, _I16_MOST = -0x7FFF, 0x7FFF
_U16_MOST, _U32_MOST = 0xFFFE, 0xFFFF_FFFE


def _limited(shown: int, least: int, most: int) -> int:
    """What a reading shows when its value does not fit: the end of the scale."""
    return min(max(shown, least), most)


def limited_i16(shown: int) -> int:
    """A reading that may be negative, at most at the end of its scale."""
    return _limited(shown, _I16_LEAST, _I16_MOST)


def limited_u32(shown: int) -> int:
    """A reading that may be long, at most at the end of its scale."""
    return _limited(shown, 0, _U32_MOST)


def limited_u16(shown: int) -> int:
    """A reading in 16 bits, at most at the end of its scale."""
    return _limited(shown, 0, _U16_MOST)


def _exact(mean: float, _deviation: float) -> float:
    return mean


class Sensors:
    """The sensors of one pen. Each reading draws fresh noise; without an rng the readings are exact."""

    __slots__ = (
        "_gauss",
        "_noise",
        "_plant",
        "has_battery",
        "has_contact",
        "has_current",
        "has_depth",
        "has_rate",
        "has_temperature",
    )

    def __init__(self, model: PenModel, plant: Plant, rng: random.Random | None) -> None:
        self._plant = plant
        self._gauss: Callable[[float, float], float] = _exact if rng is None else rng.gauss
        self._noise = model.noise
        self.has_depth = bool(model.capabilities & Capability.DEPTH_SENSED)
        self.has_rate = bool(model.capabilities & Capability.RATE_SENSED)
        self.has_battery = bool(model.capabilities & Capability.BATTERY_SENSED)
        self.has_contact = bool(model.capabilities & Capability.CONTACT_SENSED)
        self.has_current = bool(model.capabilities & Capability.CURRENT_SENSED)
        self.has_temperature = bool(model.capabilities & Capability.TEMPERATURE_SENSED)

    def depth_um(self) -> int:
        """Protrusion shown, µm."""
        plant = self._plant
        if not self.has_depth or plant.depth_sensor_dead:
            return NO_I16
        true_um = plant.protrusion_um + plant.depth_sensor_drift_um
        count_um = self._noise.depth_count_um
        shown = round((true_um + self._gauss(0.0, self._noise.depth_um)) / count_um) * count_um
        return shown if _I16_LEAST <= shown <= _I16_MOST else _limited(shown, _I16_LEAST, _I16_MOST)

    def rate_mhz(self) -> int:
        """Strokes shown, mHz; exactly 0 at rest, because a resting sensor gives no edges to count."""
        if not self.has_rate:
            return NO_U32
        if self._plant.speed_rad_s == 0.0:
            return 0
        true_mhz, count_mhz = self._plant.speed_rad_s / tau * 1000.0, self._noise.rate_count_mhz
        if self._plant.rate_sensor_gain != 1.0:
            true_mhz *= self._plant.rate_sensor_gain
            if not true_mhz:
                return 0
        shown = round((true_mhz + self._gauss(0.0, self._noise.rate_mhz)) / count_mhz) * count_mhz
        return shown if 0 <= shown <= _U32_MOST else _limited(shown, 0, _U32_MOST)

    def depth_raw_um(self) -> int:
        """Protrusion without adjustment, µm; here there is none."""
        return self.depth_um()

    def rate_raw_mhz(self) -> int:
        """Strokes without adjustment, mHz; here there is none."""
        return self.rate_mhz()

    def current_ma(self) -> int:
        """Motor current shown, mA; braking current does not pass the sensor."""
        if not self.has_current:
            return NO_U16
        if not self._plant.driven:
            return 0
        shown = round(self._plant.current_a * 1000.0 + self._gauss(0.0, self._noise.current_ma))
        return shown if 0 <= shown <= _U16_MOST else _limited(shown, 0, _U16_MOST)

    def battery_permille(self) -> int:
        """Charge left, ‰."""
        if not self.has_battery:
            return NO_U16
        return round(self._plant.charge * 1000.0)

    def temperature_dc(self) -> int:
        """Temperature of the handpiece, 0.1 °C."""
        if not self.has_temperature:
            return NO_I16
        shown = round(self._plant.temperature_c * 10.0 + self._gauss(0.0, self._noise.temperature_dc))
        return shown if _I16_LEAST <= shown <= _I16_MOST else _limited(shown, _I16_LEAST, _I16_MOST)

    def raw(self, pen_time_ms: int) -> RawReadings:
        """All of them at once, without the table."""
        return RawReadings(
            pen_time_ms=pen_time_ms,
            depth_raw_um=self.depth_raw_um(),
            rate_raw_mhz=self.rate_raw_mhz(),
            motor_current_ma=self.current_ma(),
            supply_mv=limited_u16(round(self._plant.supply_v * 1000.0)) if self.has_battery else NO_U16,
            temperature_dc=self.temperature_dc(),
        )

    def contact(self) -> int:
        """Skin contact."""
        if not self.has_contact:
            return NO_U8
        plant = self._plant
        stuck = plant.contact_stuck
        return Contact.ON_SKIN if ((plant.touching and plant.skin) if stuck is None else stuck) else Contact.OFF_SKIN
