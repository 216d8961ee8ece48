"""What a pen notices by itself: a motor that does not turn, needles too deep or not out, heat, wetness, low supply."""

from math import inf, tau

from firmware_bridge.wire.messages import Capability, Fault, Refusal
from simulators.personality import Cartridge, PenModel
from simulators.physics import Plant
from simulators.sensors import Sensors

NEVER = 1 << 62
"""A time that does not come."""

STALL_RAD_S = 10.0 * tau
STALL_MS = 100
"""A driven motor under 10 Hz for this long is stalled; spin-up to 10 Hz takes a few milliseconds."""

OVER_DEPTH_TOLERANCE_UM = 150
OVER_DEPTH_MS = 20
"""Protrusion measured this far beyond the lease's ceiling, for this long, is a fault."""

OVER_TEMPERATURE_C = 60.0


class Watches:
    """The watches of one boot. They look at filtered sensors, so without noise, and say which faults they
    found, as the bits of :class:`~firmware_bridge.wire.messages.Fault` (a plain int: this runs in every millisecond).

    ``awake`` says that there is something to look at in every millisecond: a lease lives, or needles must come out.
    """

    __slots__ = (
        "_depth_limit_um",
        "_leased",
        "_model",
        "_needles_due",
        "_over_depth_ms",
        "_plant",
        "_sensors",
        "_still_ms",
        "_supply_min_v",
        "awake",
    )

    def __init__(self, model: PenModel, plant: Plant, sensors: Sensors) -> None:
        self._model = model
        self._plant = plant
        self._sensors = sensors
        self._depth_limit_um = inf
        self._over_depth_ms = 0
        self._still_ms = 0
        self._supply_min_v = model.brown_out_v + 0.2
        self._leased = False
        self._needles_due = NEVER
        self.awake = False

    def set_ceiling(self, depth_ceiling_um: int | None) -> None:
        """The depth ceiling of the lease that begins; None when it ends."""
        self._leased = depth_ceiling_um is not None
        self._depth_limit_um = inf
        if depth_ceiling_um is not None and self._sensors.has_depth:
            self._depth_limit_um = depth_ceiling_um + OVER_DEPTH_TOLERANCE_UM
        self._over_depth_ms = 0
        self._wake()

    def drive_began(self) -> None:
        """The motor goes from off to on."""
        self._still_ms = 0
        self._needles_due = NEVER

    def drive_ended(self, now_ms: int) -> None:
        """The motor goes off at uptime ``now_ms``: the needles have the retract time to be out."""
        self._needles_due = NEVER if self._plant.needles_home else now_ms + self._model.retract_ms
        self._wake()

    def bounds(self) -> tuple[float, float, float] | None:
        """Least speed (rad/s) and supply (V) under drive and greatest true protrusion (µm) within which looking finds
        nothing and remembers nothing; None where it has to be done in every millisecond."""
        if not self.awake:
            return 0.0, 0.0, inf
        plant = self._plant
        deepest_um = self._depth_limit_um - plant.depth_sensor_drift_um
        slowest = STALL_RAD_S if self._sensors.has_rate else 0.0
        if plant.protrusion_um > deepest_um:
            return None
        if plant.driven:
            if plant.speed_rad_s < slowest or plant.supply_v < self._model.brown_out_v:
                return None
        elif self._needles_due != NEVER:
            return None
        self._still_ms = self._over_depth_ms = 0
        return slowest, self._model.brown_out_v, deepest_um

    def nothing_slow(self) -> bool:
        """Whether what :meth:`look_slowly` looks for cannot come about within the next tenth of a second by itself."""
        plant = self._plant
        return (
            plant.temperature_c < OVER_TEMPERATURE_C - 1.0
            and not plant.wet
            and not plant.depth_sensor_dead
            and plant.supply_v > self._supply_min_v
            and plant.supply_at_rest_v > self._supply_min_v
        )

    def _wake(self) -> None:
        self.awake = self._leased or self._needles_due != NEVER

    def look(self, now_ms: int) -> int:
        """What changes from one millisecond to the next; called in each while a lease lives or needles are due."""
        plant = self._plant
        found = 0
        if plant.driven:
            if plant.speed_rad_s >= STALL_RAD_S or not self._sensors.has_rate:
                self._still_ms = 0
            else:
                self._still_ms += 1
                if self._still_ms >= STALL_MS:
                    found |= Fault.STALL
            if plant.supply_v < self._model.brown_out_v:
                found |= Fault.BROWN_OUT
        elif self._needles_due != NEVER:
            if plant.needles_home:
                self._needles_due = NEVER
                self._wake()
            elif now_ms >= self._needles_due:
                self._needles_due = NEVER
                self._wake()
                found |= Fault.RETRACT_FAILED
        if plant.protrusion_um + plant.depth_sensor_drift_um > self._depth_limit_um:
            self._over_depth_ms += 1
            if self._over_depth_ms >= OVER_DEPTH_MS:
                found |= Fault.OVER_DEPTH
        else:
            self._over_depth_ms = 0
        return found

    def look_slowly(self) -> int:
        """What takes its time to change: heat, wetness, supply at rest, a dead sensor."""
        plant = self._plant
        found = 0
        if self._sensors.has_temperature and plant.temperature_c >= OVER_TEMPERATURE_C:
            found |= Fault.OVER_TEMPERATURE
        if plant.wet and self._model.capabilities & Capability.INGRESS_SENSED:
            found |= Fault.INGRESS
        if plant.supply_v < self._model.brown_out_v:
            found |= Fault.BROWN_OUT
        if plant.depth_sensor_dead and self._sensors.has_depth:
            found |= Fault.SENSOR
        return found

    def persisting(self, cartridge: Cartridge | None) -> int:
        """The faults whose cause is there now. A stall's cause shows only under drive, so it never persists."""
        found = self.look_slowly()
        if not self._plant.needles_home:
            found |= Fault.RETRACT_FAILED | Fault.OVER_DEPTH
        if cartridge is None:
            found |= Fault.CARTRIDGE_REMOVED
        return found

    def why_not_ready(self) -> Refusal:
        """NOT_READY when battery, temperature or a sensor forbids arming, else NONE."""
        plant = self._plant
        low = plant.charge * 1000.0 < self._model.arm_battery_min_permille
        hot = self._sensors.has_temperature and plant.temperature_c * 10.0 > self._model.arm_temperature_max_dc
        blind = self._sensors.has_depth and plant.depth_sensor_dead
        return Refusal.NOT_READY if low or hot or blind else Refusal.NONE
